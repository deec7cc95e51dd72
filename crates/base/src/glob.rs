//! Glob patterns with the exact semantics of Redis' `stringmatchlen`: `*`, `?`, `[a-z]`, `[^a]`, `\x`.

/// Stars that a pattern may pass. Redis gives up behind so many, as each costs it a level of recursion; the stars at
/// the end of a pattern do not count.
const STARS_MAX: usize = 1000;

/// Whether `text` matches `pattern`; no text does once more than 1000 stars of the pattern have been passed, as in
/// Redis. Constant space; time is bounded by `O(pattern * text)` because only the last star is ever retried.
pub fn matches(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    if text.is_empty() {
        // Not even `*` matches nothing.
        return pattern.is_empty();
    }
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    let mut stars = 0;
    loop {
        if p < pattern.len() && pattern[p] == b'*' {
            while pattern.get(p + 1) == Some(&b'*') {
                p += 1;
            }
            stars += usize::from(p + 1 < pattern.len());
            if stars > STARS_MAX {
                return false;
            }
            retry = Some((p + 1, t));
            p += 1;
            continue;
        }
        if t == text.len() {
            return p == pattern.len();
        }
        if let Some(next) =
            (p < pattern.len()).then(|| match_one(&pattern[p..], text[t], ignore_case)).flatten()
        {
            p += next;
            t += 1;
            continue;
        }
        match retry {
            Some((after_star, from)) => {
                retry = Some((after_star, from + 1));
                p = after_star;
                t = from + 1;
            }
            None => return false,
        }
    }
}

/// Length of the pattern element at the front that matches `byte`, if it does.
fn match_one(pattern: &[u8], byte: u8, ignore_case: bool) -> Option<usize> {
    let fold = |b: u8| if ignore_case { b.to_ascii_lowercase() } else { b };
    match pattern[0] {
        b'?' => Some(1),
        b'[' => match_class(pattern, byte, fold),
        b'\\' if pattern.len() >= 2 => (fold(pattern[1]) == fold(byte)).then_some(2),
        literal => (fold(literal) == fold(byte)).then_some(1),
    }
}

/// A class runs to its `]`, or to the end of the pattern when there is none (as Redis has it).
fn match_class(pattern: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> Option<usize> {
    let mut at = 1;
    let negated = pattern.get(at) == Some(&b'^');
    if negated {
        at += 1;
    }
    let mut hit = false;
    loop {
        match pattern.get(at) {
            None => break,
            Some(b']') => {
                at += 1;
                break;
            }
            Some(b'\\') if at + 1 < pattern.len() => {
                hit |= pattern[at + 1] == byte;
                at += 2;
            }
            Some(_) if at + 2 < pattern.len() && pattern[at + 1] == b'-' => {
                let (a, b) = (fold(pattern[at]), fold(pattern[at + 2]));
                hit |= (a.min(b)..=a.max(b)).contains(&fold(byte));
                at += 3;
            }
            Some(&literal) => {
                hit |= fold(literal) == fold(byte);
                at += 1;
            }
        }
    }
    (hit != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_examples() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes(), false),
                expect,
                "{pattern} on {text}"
            );
        };
        check("h?llo", "hello", true);
        check("h*llo", "heeeello", true);
        check("h[ae]llo", "hillo", false);
        check("h[^e]llo", "hallo", true);
        check("h[a-b]llo", "hbllo", true);
        check("h[b-a]llo", "hbllo", true);
        check("*", "", false);
        check("", "", true);
        check("a**b", "axb", true);
        check("", "a", false);
        check("a\\*", "a*", true);
        check("a\\*", "ab", false);
        check("[a", "a", true);
        check("a*b*c", "axxbyyc", true);
        check("a*b*c", "axxbyy", false);
        check("\\", "\\", true);
    }

    #[test]
    fn hostile_patterns_end() {
        let pattern = b"a*".repeat(40_000);
        assert!(!matches(&pattern, &b"a".repeat(1000), false));
    }

    #[test]
    fn more_stars_than_redis_takes_match_nothing() {
        let stars = |count: usize| b"*?".repeat(count);
        assert!(matches(&stars(1000), &b"a".repeat(1000), false));
        assert!(!matches(&stars(1001), &b"a".repeat(1001), false));
        assert!(matches(&b"*".repeat(5000), b"a", false), "they are one star, at the end");
    }
}
