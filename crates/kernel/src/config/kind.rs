//! Kinds of parameters: which text is a value, and the one form in which it is kept and shown.

use std::borrow::Cow;
use std::fmt::Write as _;

use base::number::parse_i64;

/// What a parameter's value may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// `yes` or `no`.
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    /// An integer that is kept within narrower bounds than may be said.
    Clamped {
        min: i64,
        max: i64,
    },
    /// Permission bits.
    Octal {
        max: u64,
    },
    /// Bytes, with an optional unit (`k` = 1000, `kb` = 1024, ...).
    Memory {
        min: u64,
        max: u64,
    },
    /// Bytes, or `n%` of maxmemory.
    MemoryOrPercent,
    Choice(&'static [&'static str]),
    /// Several of the words, or the first alone.
    Choices(&'static [&'static str]),
    Text,
    /// Name of a file or of a directory in `dir`; what is wrong with one that is empty, or a path, in the words of Redis.
    Name {
        empty: Option<&'static str>,
        path: &'static str,
    },
    /// `seconds changes` pairs.
    SavePoints,
    /// `class hard soft seconds` groups; classes that are not named keep theirs.
    OutputLimits,
    /// Letters that choose keyspace events.
    Events,
    /// Numbers from 0 to 100.
    Percentiles,
    /// Three scores, growing.
    OomScores,
}

/// Why text is no value, in Redis' words.
pub(super) type Problem = String;

/// Classes of `client-output-buffer-limit` as they are shown; `replica` is accepted for `slave`.
pub(super) const OUTPUT_CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

/// The letters of `notify-keyspace-events` in the order in which they are shown. `A` stands for
/// those in `ALL_EVENTS`.
const EVENT_LETTERS: &str = "g$lshzxetdnKEm";
const ALL_EVENTS: &str = "g$lshzxetd";

impl Kind {
    /// Whether the value is a list of words, so that a line of a file may spread over arguments.
    pub(super) fn is_list(self) -> bool {
        matches!(
            self,
            Kind::Choices(_)
                | Kind::SavePoints
                | Kind::OutputLimits
                | Kind::Percentiles
                | Kind::OomScores
        )
    }

    /// How CONFIG GET shows a kept value. Redis hides `n` behind `A`, which does not stand for it.
    pub(super) fn shown(self, kept: &str) -> Cow<'_, str> {
        match self {
            Kind::Events if kept.starts_with('A') => kept.replace('n', "").into(),
            _ => kept.into(),
        }
    }

    /// The kept form of `text`; `old` is the kept value so far.
    pub(super) fn normalize(self, text: &str, old: &str) -> Result<String, Problem> {
        match self {
            Kind::Bool => choice(text, &["yes", "no"])
                .map(str::to_owned)
                .ok_or_else(|| "argument must be 'yes' or 'no'".to_owned()),
            Kind::Int { min, max } => {
                let value = parse_i64(text.as_bytes())
                    .ok_or("argument couldn't be parsed into an integer")?;
                within(value, min, max).map(|()| value.to_string())
            }
            Kind::Clamped { min, max } => {
                let said = Kind::Int { min: 0, max: i64::from(i32::MAX) }.normalize(text, old)?;
                let value: i64 = said.parse().expect("it is an integer");
                Ok(value.clamp(min, max).to_string())
            }
            Kind::Octal { max } => {
                let value = u64::from_str_radix(text, 8)
                    .map_err(|_| "argument couldn't be parsed as an octal number")?;
                if value > max {
                    return Err(format!("argument must be between 0 and {max:o} inclusive"));
                }
                Ok(format!("{value:o}"))
            }
            Kind::Memory { min, max } => {
                let bytes = parse_memory(text).ok_or("argument must be a memory value")?;
                within(bytes, min, max).map(|()| bytes.to_string())
            }
            Kind::MemoryOrPercent => memory_or_percent(text),
            Kind::Choice(words) => {
                choice(text, words).map(str::to_owned).ok_or_else(|| not_one_of(words))
            }
            Kind::Choices(words) => choices(text, words),
            Kind::Text => Ok(text.to_owned()),
            Kind::Name { empty: Some(problem), .. } if text.is_empty() => Err(problem.to_owned()),
            Kind::Name { path: problem, .. } if text.contains('/') => Err(problem.to_owned()),
            Kind::Name { .. } => Ok(text.to_owned()),
            Kind::SavePoints => save_points(text),
            Kind::OutputLimits => output_limits(text, old),
            Kind::Events => events(text),
            Kind::Percentiles => percentiles(text),
            Kind::OomScores => oom_scores(text),
        }
    }
}

fn within<T: Copy + PartialOrd + std::fmt::Display>(
    value: T,
    min: T,
    max: T,
) -> Result<(), Problem> {
    if value < min || value > max {
        return Err(format!("argument must be between {min} and {max} inclusive"));
    }
    Ok(())
}

fn choice<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    words.iter().copied().find(|word| word.eq_ignore_ascii_case(text))
}

fn not_one_of(words: &[&str]) -> Problem {
    format!("argument(s) must be one of the following: {}", words.join(", "))
}

fn choices(text: &str, words: &[&str]) -> Result<String, Problem> {
    let mut chosen = Vec::new();
    for word in text.split_ascii_whitespace() {
        chosen.push(choice(word, words).ok_or_else(|| not_one_of(words))?);
    }
    if chosen.is_empty() || (chosen.len() > 1 && chosen.contains(&words[0])) {
        return Err(not_one_of(words));
    }
    // Each once, in the order of the table.
    let shown: Vec<&str> = words.iter().copied().filter(|word| chosen.contains(word)).collect();
    Ok(shown.join(" "))
}

/// Bytes of `10`, `1kb`, `5G`, ...; `None` for anything else and for what does not fit.
pub(super) fn parse_memory(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn memory_or_percent(text: &str) -> Result<String, Problem> {
    const ERROR: &str = "argument must be a memory or percent value";
    match text.strip_suffix('%') {
        None => Ok(parse_memory(text).ok_or(ERROR)?.to_string()),
        Some(number) => {
            let percent = number.parse::<u64>().map_err(|_| ERROR)?;
            if percent > 100 {
                return Err("percentage argument must be less or equal to 100".to_owned());
            }
            Ok(format!("{percent}%"))
        }
    }
}

fn save_points(text: &str) -> Result<String, Problem> {
    const ERROR: &str = "Invalid save parameters";
    let numbers: Vec<u32> = text
        .split_ascii_whitespace()
        .map(|word| word.parse::<u32>().map_err(|_| ERROR.to_owned()))
        .collect::<Result<_, _>>()?;
    let is_wrong =
        |pair: &[u32]| pair.len() != 2 || pair[0] == 0 || pair.iter().any(|&n| n >> 31 != 0);
    if numbers.chunks(2).any(is_wrong) {
        return Err(ERROR.to_owned());
    }
    Ok(numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))
}

/// The limits of one class of clients; 0 is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OutputLimit {
    /// Disconnect at once above it, bytes.
    pub hard_bytes: u64,
    /// Disconnect when above it for `soft_seconds`.
    pub soft_bytes: u64,
    pub soft_seconds: u64,
}

/// Limits of normal clients, replicas and subscribers from the kept form.
pub(super) fn read_output_limits(kept: &str) -> [OutputLimit; 3] {
    let words: Vec<&str> = kept.split(' ').collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(0);
    std::array::from_fn(|class| OutputLimit {
        hard_bytes: number(class * 4 + 1),
        soft_bytes: number(class * 4 + 2),
        soft_seconds: number(class * 4 + 3),
    })
}

fn output_limits(text: &str, old: &str) -> Result<String, Problem> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
    }
    let mut limits = read_output_limits(old);
    for group in words.chunks(4) {
        let name = if group[0].eq_ignore_ascii_case("replica") { "slave" } else { group[0] };
        let class = OUTPUT_CLASSES
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name))
            .ok_or("Invalid client class specified in buffer limit configuration.")?;
        let wrong = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
        limits[class] = OutputLimit {
            hard_bytes: parse_memory(group[1]).ok_or(wrong)?,
            soft_bytes: parse_memory(group[2]).ok_or(wrong)?,
            soft_seconds: group[3].parse::<u64>().map_err(|_| wrong)?,
        };
    }
    let mut kept = String::new();
    for (name, limit) in OUTPUT_CLASSES.iter().zip(limits) {
        let gap = if kept.is_empty() { "" } else { " " };
        let OutputLimit { hard_bytes, soft_bytes, soft_seconds } = limit;
        write!(kept, "{gap}{name} {hard_bytes} {soft_bytes} {soft_seconds}")
            .expect("a String takes any text");
    }
    Ok(kept)
}

fn events(text: &str) -> Result<String, Problem> {
    if text.chars().any(|c| c != 'A' && !EVENT_LETTERS.contains(c)) {
        return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned());
    }
    let has =
        |letter: char| text.contains(letter) || (text.contains('A') && ALL_EVENTS.contains(letter));
    let has_all = ALL_EVENTS.chars().all(has);
    let is_hidden = |letter: char| has_all && ALL_EVENTS.contains(letter);
    let shown = EVENT_LETTERS.chars().filter(|&letter| has(letter) && !is_hidden(letter));
    Ok(has_all.then_some('A').into_iter().chain(shown).collect())
}

fn percentiles(text: &str) -> Result<String, Problem> {
    let mut shown = Vec::new();
    for word in text.split_ascii_whitespace() {
        let value = word
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
            .ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&value) {
            return Err("latency-tracking-info-percentiles parameters should sit between \
                        [0.0,100.0]"
                .to_owned());
        }
        shown.push(value.to_string());
    }
    Ok(shown.join(" "))
}

fn oom_scores(text: &str) -> Result<String, Problem> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if words.len() != 3 {
        return Err("wrong number of arguments".to_owned());
    }
    let mut scores = Vec::new();
    for word in words {
        let score = word
            .parse::<i32>()
            .ok()
            .filter(|score| (-2000..=2000).contains(score))
            .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?;
        scores.push(score.to_string());
    }
    Ok(scores.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, text: &str, expect: Result<&str, &str>) {
        let outcome = kind.normalize(text, "normal 0 0 0 slave 1 2 3 pubsub 4 5 6");
        assert_eq!(outcome.as_deref().map_err(String::as_str), expect, "{text}");
    }

    #[test]
    fn memory_has_units() {
        let kind = Kind::Memory { min: 0, max: u64::MAX };
        check(kind, "10Kb", Ok("10240"));
        check(kind, "1k", Ok("1000"));
        check(kind, "2GB", Ok("2147483648"));
        for text in ["", "-1", "1.5gb", "1kk", "99999999999999999999", "99999999999gb"] {
            check(kind, text, Err("argument must be a memory value"));
        }
        check(Kind::MemoryOrPercent, "20%", Ok("20%"));
        check(
            Kind::MemoryOrPercent,
            "101%",
            Err("percentage argument must be less or equal to 100"),
        );
    }

    #[test]
    fn lists_are_kept_in_one_form() {
        check(Kind::SavePoints, "", Ok(""));
        check(Kind::SavePoints, "3600 1  300 100", Ok("3600 1 300 100"));
        check(Kind::SavePoints, "3600", Err("Invalid save parameters"));
        check(
            Kind::OutputLimits,
            "pubsub 1mb 2k 3",
            Ok("normal 0 0 0 slave 1 2 3 pubsub 1048576 2000 3"),
        );
        check(Kind::OutputLimits, "replica 1 2 4", Ok("normal 0 0 0 slave 1 2 4 pubsub 4 5 6"));
        check(
            Kind::OutputLimits,
            "normal",
            Err("Wrong number of arguments in buffer limit configuration."),
        );
        check(Kind::Percentiles, "50.5 99.99 100", Ok("50.5 99.99 100"));
    }

    #[test]
    fn event_letters_as_redis_shows_them() {
        check(Kind::Events, "KEA", Ok("AKE"));
        check(Kind::Events, "Kg$lshzxetdmnE", Ok("AnKEm"));
        assert_eq!(Kind::Events.shown("AnKEm"), "AKEm");
        assert_eq!(Kind::Events.shown("nK"), "nK");
        assert_eq!(Kind::Text.shown("An"), "An");
        check(Kind::Events, "Elg", Ok("glE"));
        check(Kind::Events, "Q", Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'."));
    }

    #[test]
    fn numbers_have_bounds() {
        let kind = Kind::Int { min: 0, max: 65535 };
        check(kind, "99999", Err("argument must be between 0 and 65535 inclusive"));
        check(kind, "x", Err("argument couldn't be parsed into an integer"));
        let clamped = Kind::Clamped { min: 1, max: 500 };
        check(clamped, "0", Ok("1"));
        check(clamped, "501", Ok("500"));
        check(clamped, "-1", Err("argument must be between 0 and 2147483647 inclusive"));
        check(kind, "+1", Err("argument couldn't be parsed into an integer"));
        check(Kind::Octal { max: 0o777 }, "700", Ok("700"));
        check(Kind::Bool, "YES", Ok("yes"));
    }
}
