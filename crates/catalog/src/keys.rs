//! Which arguments of a command are keys: one extractor for ACL, routing, blocking and GETKEYS.
//!
//! A key spec is two steps: `begin_search` finds where keys may start, `find_keys` says which arguments
//! from there on are keys. Where the specs cannot tell (SORT ... STORE, MIGRATE ... KEYS) or leave the
//! flags open (SET ... GET, BITFIELD), a function of that command decides.
//!
//! Invariants
//! - Only positions `1..count` are reported, whatever numbers the arguments claim.
//! - Keys are reported spec by spec, so the order is that of the specs; a position may come twice.

use base::number::parse_i64;

use crate::spec::{Begin, CommandSpec, Find, KeyFlag, KeyFlags, KeySpec};

/// The words of a command, the name first.
pub trait Arguments {
    fn count(&self) -> usize;
    /// `index` is below [`Arguments::count`].
    fn at(&self, index: usize) -> &[u8];
}

impl<T: AsRef<[u8]>> Arguments for [T] {
    fn count(&self) -> usize {
        self.len()
    }

    fn at(&self, index: usize) -> &[u8] {
        self[index].as_ref()
    }
}

/// The arguments do not say which of them are keys (a count that is no number or too large).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeysError;

const READ: KeyFlags = KeyFlags::of(&[KeyFlag::Ro, KeyFlag::Access]);
const OVERWRITE: KeyFlags = KeyFlags::of(&[KeyFlag::Ow, KeyFlag::Update]);

/// Calls `found` with position and use of every key. For a subcommand pass its own spec; `args` starts
/// with the container's name, and their number was checked against the arity.
///
/// Positions of channels (`NOT_KEY`) are left out.
pub fn keys<A: Arguments + ?Sized>(
    spec: &CommandSpec,
    args: &A,
    mut found: impl FnMut(usize, KeyFlags),
) -> Result<(), KeysError> {
    let by_specs = spec.keys.iter().all(|key| {
        key.begin != Begin::Unknown
            && !key.flags.contains(KeyFlag::Incomplete)
            && !key.flags.contains(KeyFlag::VariableFlags)
    });
    // Its specs find the first STORE, and the last one counts.
    if matches!(spec.name, "georadius" | "georadiusbymember") {
        georadius(spec, args, &mut found);
        return Ok(());
    }
    if by_specs {
        return spec.keys.iter().try_for_each(|key| keys_of_spec(key, args, &mut found));
    }
    match spec.name {
        "sort" | "sort_ro" => sort(spec, args, &mut found),
        "migrate" => migrate(args, &mut found),
        "set" => set(args, &mut found),
        "bitfield" => bitfield(args, &mut found),
        other => unreachable!("{other} has incomplete key specs and no function of its own"),
    }
    Ok(())
}

fn keys_of_spec<A: Arguments + ?Sized>(
    key: &KeySpec,
    args: &A,
    found: &mut impl FnMut(usize, KeyFlags),
) -> Result<(), KeysError> {
    if key.flags.contains(KeyFlag::NotKey) {
        return Ok(());
    }
    let Some(begin) = begin(key.begin, args) else { return Ok(()) };
    let count = args.count() as i64;
    let (first, last, step) = match key.find {
        Find::Range { last, step, limit } => {
            let last = match (last, limit) {
                (0.., _) => begin + i64::from(last),
                (_, 0 | 1) => count + i64::from(last),
                (_, part) => begin + (count - begin) / i64::from(part) + i64::from(last),
            };
            (begin, last, i64::from(step))
        }
        Find::KeyNum { count_at, first, step } => {
            let at = begin + i64::from(count_at);
            if at >= count {
                return Err(KeysError);
            }
            let number = parse_i64(args.at(at as usize)).ok_or(KeysError)?;
            let first = begin + i64::from(first);
            let step = i64::from(step);
            let last = number
                .checked_sub(1)
                .and_then(|gaps| gaps.checked_mul(step))
                .and_then(|length| first.checked_add(length))
                .ok_or(KeysError)?;
            (first, last, step)
        }
        Find::Unknown => return Err(KeysError),
    };
    if last < first {
        return Ok(());
    }
    if last >= count {
        return Err(KeysError);
    }
    for position in (first..=last).step_by(step as usize) {
        found(position as usize, key.flags);
    }
    Ok(())
}

/// `None` when the keyword is not there.
fn begin<A: Arguments + ?Sized>(begin: Begin, args: &A) -> Option<i64> {
    let count = args.count();
    let is_word = |word: &str, at: usize| args.at(at).eq_ignore_ascii_case(word.as_bytes());
    match begin {
        Begin::Index(index) => Some(i64::from(index)),
        Begin::Keyword { word, from } if from > 0 => {
            let from = usize::from(from.unsigned_abs());
            (from..count.saturating_sub(1)).find(|&at| is_word(word, at)).map(|at| at as i64 + 1)
        }
        Begin::Keyword { word, from } => {
            let from = count.checked_sub(usize::from(from.unsigned_abs()))?;
            (2..=from).rev().find(|&at| is_word(word, at)).map(|at| at as i64 + 1)
        }
        Begin::Unknown => None,
    }
}

/// `GEORADIUS key longitude latitude radius unit [...] [STORE key | STOREDIST key]`, and by a member in place of the
/// coordinates; of several STORE and STOREDIST each may be the one that counts.
fn georadius<A: Arguments + ?Sized>(
    spec: &CommandSpec,
    args: &A,
    found: &mut impl FnMut(usize, KeyFlags),
) {
    found(1, READ);
    let options = if spec.name == "georadius" { 6 } else { 5 };
    let is_store = |at: usize| {
        let word = args.at(at);
        word.eq_ignore_ascii_case(b"store") || word.eq_ignore_ascii_case(b"storedist")
    };
    let mut at = options;
    while at + 1 < args.count() {
        if is_store(at) {
            found(at + 1, OVERWRITE);
            at += 1;
        }
        at += 1;
    }
}

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA] [STORE key]`;
/// of several STORE the last one counts.
fn sort<A: Arguments + ?Sized>(
    spec: &CommandSpec,
    args: &A,
    found: &mut impl FnMut(usize, KeyFlags),
) {
    found(1, READ);
    let mut store = None;
    let mut at = 2;
    while at < args.count() {
        let word = args.at(at);
        if word.eq_ignore_ascii_case(b"limit") {
            at += 2;
        } else if word.eq_ignore_ascii_case(b"get") || word.eq_ignore_ascii_case(b"by") {
            at += 1;
        } else if word.eq_ignore_ascii_case(b"store") && at + 1 < args.count() {
            store = Some(at + 1);
            at += 1;
        }
        at += 1;
    }
    if let (Some(store), "sort") = (store, spec.name) {
        found(store, OVERWRITE);
    }
}

/// `MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH ..] [AUTH2 ..] [KEYS key ...]`
fn migrate<A: Arguments + ?Sized>(args: &A, found: &mut impl FnMut(usize, KeyFlags)) {
    const MOVED: KeyFlags = KeyFlags::of(&[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete]);
    let mut at = 6;
    while at < args.count() {
        let word = args.at(at);
        if word.eq_ignore_ascii_case(b"keys") && args.at(3).is_empty() {
            (at + 1..args.count()).for_each(|position| found(position, MOVED));
            return;
        }
        if word.eq_ignore_ascii_case(b"auth") {
            at += 1;
        } else if word.eq_ignore_ascii_case(b"auth2") {
            at += 2;
        }
        at += 1;
    }
    found(3, MOVED);
}

/// SET reads the key only with GET.
fn set<A: Arguments + ?Sized>(args: &A, found: &mut impl FnMut(usize, KeyFlags)) {
    let reads = (3..args.count()).any(|at| args.at(at).eq_ignore_ascii_case(b"get"));
    let flags = if reads {
        KeyFlags::of(&[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])
    } else {
        OVERWRITE
    };
    found(1, flags);
}

/// BITFIELD of GET alone does not write.
fn bitfield<A: Arguments + ?Sized>(args: &A, found: &mut impl FnMut(usize, KeyFlags)) {
    let mut at = 2;
    let mut writes = false;
    while at < args.count() {
        let rest = args.count() - at - 1;
        let word = args.at(at);
        let length = if word.eq_ignore_ascii_case(b"get") && rest >= 2 {
            2
        } else if word.eq_ignore_ascii_case(b"overflow") && rest >= 1 {
            1
        } else {
            writes = true;
            break;
        };
        at += 1 + length;
    }
    let flags =
        if writes { KeyFlags::of(&[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update]) } else { READ };
    found(1, flags);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{COMMANDS, find_full};

    fn check(line: &str, expect: Result<&str, KeysError>) {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let spec = crate::find(args[0]).expect(line);
        let spec = args.get(1).and_then(|w| crate::find_subcommand(spec, w)).unwrap_or(spec);
        let mut positions = Vec::new();
        let outcome = keys(spec, args.as_slice(), |at, _| positions.push(args[at]));
        let text = String::from_utf8(positions.join(&b' ')).expect("test lines are text");
        assert_eq!(outcome.map(|()| text.as_str()), expect, "{line}");
    }

    #[test]
    fn plain_ranges() {
        check("get a", Ok("a"));
        check("mset a 1 b 2", Ok("a b"));
        check("del a b c", Ok("a b c"));
        check("blpop a b 0", Ok("a b"));
        check("smove a b m", Ok("a b"));
        check("ping", Ok(""));
        check("object encoding a", Ok("a"));
        check("memory usage a", Ok("a"));
        check("xgroup create a g $", Ok("a"));
        check("publish c m", Ok(""));
        check("spublish c m", Ok(""));
    }

    #[test]
    fn counts_and_keywords() {
        check("eval s 2 a b c", Ok("a b"));
        check("eval s 0", Ok(""));
        check("eval s 3 a b", Err(KeysError));
        check("eval s x a", Err(KeysError));
        check("eval s 9223372036854775807 a", Err(KeysError));
        check("eval s -5 a", Ok(""));
        check("zunionstore d 2 a b weights 1 2", Ok("d a b"));
        check("lmpop 2 a b left", Ok("a b"));
        check("blmpop 0 2 a b left", Ok("a b"));
        check("xread count 2 streams a b 0 0", Ok("a b"));
        check("xreadgroup group g c streams a 0", Ok("a"));
        check("georadius a 1 2 3 km store b", Ok("a b"));
        check("georadius a 1 2 3 km", Ok("a"));
        check("georadius a 1 2 3 km store b storedist c store d", Ok("a b c d"));
        check("georadiusbymember a store 3 km store store", Ok("a store"));
    }

    #[test]
    fn functions_of_their_own() {
        check("sort a by store get x limit 0 1 store b", Ok("a b"));
        check("sort a store", Ok("a"));
        check("sort_ro a", Ok("a"));
        check("migrate h 1 a 0 5000", Ok("a"));
        check("migrate h 1 a 0 5000 auth keys copy", Ok("a"));
        let args: [&[u8]; 9] = [b"migrate", b"h", b"1", b"", b"0", b"9", b"KEYS", b"a", b"b"];
        let mut found = Vec::new();
        let spec = find_full(b"migrate").expect("in the table");
        keys(spec, &args[..], |at, _| found.push(at)).expect("well-formed");
        assert_eq!(found, [7, 8]);
    }

    #[test]
    fn flags_follow_the_arguments() {
        let flags = |line: &str| {
            let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let mut all = Vec::new();
            let spec = crate::find(args[0]).expect(line);
            keys(spec, args.as_slice(), |_, flags| all.extend(flags.iter().map(KeyFlag::name)))
                .expect(line);
            all
        };
        assert_eq!(flags("set a 1"), ["OW", "update"]);
        assert_eq!(flags("set a 1 get"), ["RW", "access", "update"]);
        assert_eq!(flags("bitfield a get u8 0"), ["RO", "access"]);
        assert_eq!(flags("bitfield a set u8 0 1"), ["RW", "access", "update"]);
    }

    #[test]
    fn no_argument_list_leads_out_of_bounds() {
        let words: [&[u8]; 8] =
            [b"keys", b"store", b"-1", b"9223372036854775807", b"2", b"", b"streams", b"get"];
        let mut state = 7u64;
        for spec in &COMMANDS {
            let least = usize::from(spec.arity.unsigned_abs());
            for round in 0..200 {
                let count = if spec.arity > 0 { least } else { least + round % 7 };
                let args: Vec<&[u8]> = (0..count)
                    .map(|_| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        words[(state >> 33) as usize % words.len()]
                    })
                    .collect();
                let _ = keys(spec, args.as_slice(), |at, _| {
                    assert!((1..count).contains(&at), "{} {args:?}", spec.name);
                });
            }
        }
    }
}
