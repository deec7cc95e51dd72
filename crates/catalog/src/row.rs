//! The words in which the table files are written: every row is built at compile time.

use crate::spec::{
    Argument, ArgumentKind, Begin, Categories, Category, CommandId, CommandSpec, Docs, Find, Flag,
    Flags, Group, KeyFlag, KeyFlags, KeySpec,
};

/// `explicit`: the ACL categories that do not follow from the flags.
pub(crate) const fn row(
    name: &'static str,
    arity: i16,
    flags: &[Flag],
    explicit: &[Category],
) -> CommandSpec {
    let flags = Flags::of(flags);
    CommandSpec {
        id: CommandId(0),
        name,
        group: Group::Generic,
        arity,
        flags,
        categories: with_implied(Categories::of(explicit), flags),
        range: (0, 0, 0),
        keys: &[],
        tips: &[],
        docs: Docs {
            summary: "",
            since: "",
            complexity: "",
            history: &[],
            deprecated: None,
            is_system: false,
            arguments: &[],
        },
        subcommands: (0, 0),
        parent: None,
    }
}

const fn with_implied(explicit: Categories, flags: Flags) -> Categories {
    let mut all = explicit;
    if flags.contains(Flag::Write) {
        all = all.with(Category::Write);
    }
    if flags.contains(Flag::Readonly) && !explicit.contains(Category::Scripting) {
        all = all.with(Category::Read);
    }
    if flags.contains(Flag::Admin) {
        all = all.with(Category::Admin).with(Category::Dangerous);
    }
    if flags.contains(Flag::Pubsub) {
        all = all.with(Category::Pubsub);
    }
    if flags.contains(Flag::Blocking) {
        all = all.with(Category::Blocking);
    }
    all.with(if flags.contains(Flag::Fast) { Category::Fast } else { Category::Slow })
}

impl CommandSpec {
    pub(crate) const fn range(mut self, first: i16, last: i16, step: i16) -> CommandSpec {
        self.range = (first, last, step);
        self
    }

    pub(crate) const fn keys(mut self, keys: &'static [KeySpec]) -> CommandSpec {
        self.keys = keys;
        self
    }

    pub(crate) const fn tips(mut self, tips: &'static [&'static str]) -> CommandSpec {
        self.tips = tips;
        self
    }

    pub(crate) const fn docs(
        mut self,
        since: &'static str,
        complexity: &'static str,
        summary: &'static str,
    ) -> CommandSpec {
        self.docs.since = since;
        self.docs.complexity = complexity;
        self.docs.summary = summary;
        self
    }

    pub(crate) const fn history(
        mut self,
        history: &'static [(&'static str, &'static str)],
    ) -> CommandSpec {
        self.docs.history = history;
        self
    }

    pub(crate) const fn deprecated(
        mut self,
        since: &'static str,
        instead: &'static str,
    ) -> CommandSpec {
        self.docs.deprecated = Some((since, instead));
        self
    }

    pub(crate) const fn system(mut self) -> CommandSpec {
        self.docs.is_system = true;
        self
    }

    pub(crate) const fn arguments(mut self, arguments: &'static [Argument]) -> CommandSpec {
        self.docs.arguments = arguments;
        self
    }
}

/// Keys from argument `index` on.
pub(crate) const fn at(index: i16, find: Find, flags: &[KeyFlag]) -> KeySpec {
    KeySpec { flags: KeyFlags::of(flags), begin: Begin::Index(index), find, notes: "" }
}

/// Keys behind a keyword.
pub(crate) const fn behind(
    word: &'static str,
    from: i16,
    find: Find,
    flags: &[KeyFlag],
) -> KeySpec {
    KeySpec { flags: KeyFlags::of(flags), begin: Begin::Keyword { word, from }, find, notes: "" }
}

/// Keys that no spec can find.
pub(crate) const fn somewhere(flags: &[KeyFlag]) -> KeySpec {
    KeySpec { flags: KeyFlags::of(flags), begin: Begin::Unknown, find: Find::Unknown, notes: "" }
}

impl KeySpec {
    pub(crate) const fn notes(mut self, notes: &'static str) -> KeySpec {
        self.notes = notes;
        self
    }
}

/// The key at the begin alone.
pub(crate) const ONE: Find = Find::Range { last: 0, step: 1, limit: 0 };

/// Keys at `0, step, ...` up to `last`, both relative to the begin.
pub(crate) const fn up_to(last: i16, step: i16, limit: i16) -> Find {
    Find::Range { last, step, limit }
}

/// A count, and then that many keys.
pub(crate) const fn counted(count_at: i16, first: i16, step: i16) -> Find {
    Find::KeyNum { count_at, first, step }
}

const fn argument(name: &'static str, kind: ArgumentKind) -> Argument {
    Argument {
        name,
        kind,
        key_spec: None,
        token: None,
        display: None,
        since: None,
        deprecated_since: None,
        is_optional: false,
        is_multiple: false,
        repeats_token: false,
        arguments: &[],
    }
}

/// `spec`: which of the command's key specs finds it.
pub(crate) const fn key(name: &'static str, spec: u8) -> Argument {
    let mut this = argument(name, ArgumentKind::Key);
    this.key_spec = Some(spec);
    this
}

pub(crate) const fn token(name: &'static str, token: &'static str) -> Argument {
    argument(name, ArgumentKind::PureToken).token(token)
}

pub(crate) const fn one_of(name: &'static str, arguments: &'static [Argument]) -> Argument {
    let mut this = argument(name, ArgumentKind::OneOf);
    this.arguments = arguments;
    this
}

pub(crate) const fn block(name: &'static str, arguments: &'static [Argument]) -> Argument {
    let mut this = argument(name, ArgumentKind::Block);
    this.arguments = arguments;
    this
}

pub(crate) const fn string(name: &'static str) -> Argument {
    argument(name, ArgumentKind::String)
}

pub(crate) const fn integer(name: &'static str) -> Argument {
    argument(name, ArgumentKind::Integer)
}

pub(crate) const fn double(name: &'static str) -> Argument {
    argument(name, ArgumentKind::Double)
}

pub(crate) const fn pattern(name: &'static str) -> Argument {
    argument(name, ArgumentKind::Pattern)
}

pub(crate) const fn unix_time(name: &'static str) -> Argument {
    argument(name, ArgumentKind::UnixTime)
}

impl Argument {
    pub(crate) const fn token(mut self, token: &'static str) -> Argument {
        self.token = Some(token);
        self
    }

    /// Shown by another name than its own.
    pub(crate) const fn display(mut self, text: &'static str) -> Argument {
        self.display = Some(text);
        self
    }

    /// Names keys, though it is no key: which of the command's key specs finds it.
    pub(crate) const fn found_by(mut self, spec: u8) -> Argument {
        self.key_spec = Some(spec);
        self
    }

    pub(crate) const fn since(mut self, version: &'static str) -> Argument {
        self.since = Some(version);
        self
    }

    pub(crate) const fn deprecated_since(mut self, version: &'static str) -> Argument {
        self.deprecated_since = Some(version);
        self
    }

    pub(crate) const fn optional(mut self) -> Argument {
        self.is_optional = true;
        self
    }

    pub(crate) const fn multiple(mut self) -> Argument {
        self.is_multiple = true;
        self
    }

    pub(crate) const fn repeats_token(mut self) -> Argument {
        self.repeats_token = true;
        self
    }
}
