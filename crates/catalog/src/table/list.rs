//! table: the commands of the group "list".

use crate::row::{ONE, at, counted, double, integer, key, one_of, row, string, token, up_to};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row("blmove", 6, &[F::Write, F::Denyoom, F::Blocking], &[C::List])
        .range(1, 2, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Delete]), at(2, ONE, &[K::Rw, K::Insert])])
        .docs(
            "6.2.0",
            "O(1)",
            "Pops an element from a list, pushes it to another list and returns it. \
             Blocks until an element is available otherwise. Deletes the list if the last \
             element was moved.",
        )
        .arguments(&[
            key("source", 0),
            key("destination", 1),
            one_of("wherefrom", &[token("left", "LEFT"), token("right", "RIGHT")]),
            one_of("whereto", &[token("left", "LEFT"), token("right", "RIGHT")]),
            double("timeout"),
        ]),
    row("blmpop", -5, &[F::Write, F::Blocking, F::MovableKeys], &[C::List])
        .keys(&[at(2, counted(0, 1, 1), &[K::Rw, K::Access, K::Delete])])
        .docs(
            "7.0.0",
            "O(N+M) where N is the number of provided keys and M is the number of \
             elements returned.",
            "Pops the first element from one of multiple lists. Blocks until an element \
             is available otherwise. Deletes the list if the last element was popped.",
        )
        .arguments(&[
            double("timeout"),
            integer("numkeys"),
            key("key", 0).multiple(),
            one_of("where", &[token("left", "LEFT"), token("right", "RIGHT")]),
            integer("count").token("COUNT").optional(),
        ]),
    row("blpop", -3, &[F::Write, F::Blocking], &[C::List])
        .range(1, -2, 1)
        .keys(&[at(1, up_to(-2, 1, 0), &[K::Rw, K::Access, K::Delete])])
        .docs(
            "2.0.0",
            "O(N) where N is the number of provided keys.",
            "Removes and returns the first element in a list. Blocks until an element is \
             available otherwise. Deletes the list if the last element was popped.",
        )
        .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")])
        .arguments(&[key("key", 0).multiple(), double("timeout")]),
    row("brpop", -3, &[F::Write, F::Blocking], &[C::List])
        .range(1, -2, 1)
        .keys(&[at(1, up_to(-2, 1, 0), &[K::Rw, K::Access, K::Delete])])
        .docs(
            "2.0.0",
            "O(N) where N is the number of provided keys.",
            "Removes and returns the last element in a list. Blocks until an element is \
             available otherwise. Deletes the list if the last element was popped.",
        )
        .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")])
        .arguments(&[key("key", 0).multiple(), double("timeout")]),
    row("brpoplpush", 4, &[F::Write, F::Denyoom, F::Blocking], &[C::List])
        .range(1, 2, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Delete]), at(2, ONE, &[K::Rw, K::Insert])])
        .docs(
            "2.2.0",
            "O(1)",
            "Pops an element from a list, pushes it to another list and returns it. Block \
             until an element is available otherwise. Deletes the list if the last \
             element was popped.",
        )
        .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")])
        .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")
        .arguments(&[key("source", 0), key("destination", 1), double("timeout")]),
    row("lindex", 3, &[F::Readonly], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "1.0.0",
            "O(N) where N is the number of elements to traverse to get to the element at \
             index. This makes asking for the first or the last element of the list O(1).",
            "Returns an element from a list by its index.",
        )
        .arguments(&[key("key", 0), integer("index")]),
    row("linsert", 5, &[F::Write, F::Denyoom], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Insert])])
        .docs(
            "2.2.0",
            "O(N) where N is the number of elements to traverse before seeing the value \
             pivot. This means that inserting somewhere on the left end on the list \
             (head) can be considered O(1) and inserting somewhere on the right end \
             (tail) is O(N).",
            "Inserts an element before or after another element in a list.",
        )
        .arguments(&[
            key("key", 0),
            one_of("where", &[token("before", "BEFORE"), token("after", "AFTER")]),
            string("pivot"),
            string("element"),
        ]),
    row("llen", 2, &[F::Readonly, F::Fast], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro])])
        .docs("1.0.0", "O(1)", "Returns the length of a list.")
        .arguments(&[key("key", 0)]),
    row("lmove", 5, &[F::Write, F::Denyoom], &[C::List])
        .range(1, 2, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Delete]), at(2, ONE, &[K::Rw, K::Insert])])
        .docs(
            "6.2.0",
            "O(1)",
            "Returns an element after popping it from one list and pushing it to another. \
             Deletes the list if the last element was moved.",
        )
        .arguments(&[
            key("source", 0),
            key("destination", 1),
            one_of("wherefrom", &[token("left", "LEFT"), token("right", "RIGHT")]),
            one_of("whereto", &[token("left", "LEFT"), token("right", "RIGHT")]),
        ]),
    row("lmpop", -4, &[F::Write, F::MovableKeys], &[C::List])
        .keys(&[at(1, counted(0, 1, 1), &[K::Rw, K::Access, K::Delete])])
        .docs(
            "7.0.0",
            "O(N+M) where N is the number of provided keys and M is the number of \
             elements returned.",
            "Returns multiple elements from a list after removing them. Deletes the list \
             if the last element was popped.",
        )
        .arguments(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            one_of("where", &[token("left", "LEFT"), token("right", "RIGHT")]),
            integer("count").token("COUNT").optional(),
        ]),
    row("lpop", -2, &[F::Write, F::Fast], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Delete])])
        .docs(
            "1.0.0",
            "O(N) where N is the number of elements returned",
            "Returns the first elements in a list after removing it. Deletes the list if \
             the last element was popped.",
        )
        .history(&[("6.2.0", "Added the `count` argument.")])
        .arguments(&[key("key", 0), integer("count").since("6.2.0").optional()]),
    row("lpos", -3, &[F::Readonly], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "6.0.6",
            "O(N) where N is the number of elements in the list, for the average case. \
             When searching for elements near the head or the tail of the list, or when \
             the MAXLEN option is provided, the command may run in constant time.",
            "Returns the index of matching elements in a list.",
        )
        .arguments(&[
            key("key", 0),
            string("element"),
            integer("rank").token("RANK").optional(),
            integer("num-matches").token("COUNT").optional(),
            integer("len").token("MAXLEN").optional(),
        ]),
    row("lpush", -3, &[F::Write, F::Denyoom, F::Fast], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Insert])])
        .docs(
            "1.0.0",
            "O(1) for each element added, so O(N) to add N elements when the command is \
             called with multiple arguments.",
            "Prepends one or more elements to a list. Creates the key if it doesn't exist.",
        )
        .history(&[("2.4.0", "Accepts multiple `element` arguments.")])
        .arguments(&[key("key", 0), string("element").multiple()]),
    row("lpushx", -3, &[F::Write, F::Denyoom, F::Fast], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Insert])])
        .docs(
            "2.2.0",
            "O(1) for each element added, so O(N) to add N elements when the command is \
             called with multiple arguments.",
            "Prepends one or more elements to a list only when the list exists.",
        )
        .history(&[("4.0.0", "Accepts multiple `element` arguments.")])
        .arguments(&[key("key", 0), string("element").multiple()]),
    row("lrange", 4, &[F::Readonly], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "1.0.0",
            "O(S+N) where S is the distance of start offset from HEAD for small lists, \
             from nearest end (HEAD or TAIL) for large lists; and N is the number of \
             elements in the specified range.",
            "Returns a range of elements from a list.",
        )
        .arguments(&[key("key", 0), integer("start"), integer("stop")]),
    row("lrem", 4, &[F::Write], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Delete])])
        .docs(
            "1.0.0",
            "O(N+M) where N is the length of the list and M is the number of elements \
             removed.",
            "Removes elements from a list. Deletes the list if the last element was removed.",
        )
        .arguments(&[key("key", 0), integer("count"), string("element")]),
    row("lset", 4, &[F::Write, F::Denyoom], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs(
            "1.0.0",
            "O(N) where N is the length of the list. Setting either the first or the last \
             element of the list is O(1).",
            "Sets the value of an element in a list by its index.",
        )
        .arguments(&[key("key", 0), integer("index"), string("element")]),
    row("ltrim", 4, &[F::Write], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Delete])])
        .docs(
            "1.0.0",
            "O(N) where N is the number of elements to be removed by the operation.",
            "Removes elements from both ends a list. Deletes the list if all elements \
             were trimmed.",
        )
        .arguments(&[key("key", 0), integer("start"), integer("stop")]),
    row("rpop", -2, &[F::Write, F::Fast], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Delete])])
        .docs(
            "1.0.0",
            "O(N) where N is the number of elements returned",
            "Returns and removes the last elements of a list. Deletes the list if the \
             last element was popped.",
        )
        .history(&[("6.2.0", "Added the `count` argument.")])
        .arguments(&[key("key", 0), integer("count").since("6.2.0").optional()]),
    row("rpoplpush", 3, &[F::Write, F::Denyoom], &[C::List])
        .range(1, 2, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Delete]), at(2, ONE, &[K::Rw, K::Insert])])
        .docs(
            "1.2.0",
            "O(1)",
            "Returns the last element of a list after removing and pushing it to another \
             list. Deletes the list if the last element was popped.",
        )
        .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")
        .arguments(&[key("source", 0), key("destination", 1)]),
    row("rpush", -3, &[F::Write, F::Denyoom, F::Fast], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Insert])])
        .docs(
            "1.0.0",
            "O(1) for each element added, so O(N) to add N elements when the command is \
             called with multiple arguments.",
            "Appends one or more elements to a list. Creates the key if it doesn't exist.",
        )
        .history(&[("2.4.0", "Accepts multiple `element` arguments.")])
        .arguments(&[key("key", 0), string("element").multiple()]),
    row("rpushx", -3, &[F::Write, F::Denyoom, F::Fast], &[C::List])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Insert])])
        .docs(
            "2.2.0",
            "O(1) for each element added, so O(N) to add N elements when the command is \
             called with multiple arguments.",
            "Appends an element to a list only when the list exists.",
        )
        .history(&[("4.0.0", "Accepts multiple `element` arguments.")])
        .arguments(&[key("key", 0), string("element").multiple()]),
];
