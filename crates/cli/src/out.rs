//! What a person reads: lines on standard output, JSON for programs, errors with a way out.

use std::io::{self, Write};

use serde::Serialize;

/// Writes one line. That nobody reads it any more (`pollux status | head -1`, a terminal that was closed) is no
/// error of ours.
pub(crate) fn say(line: impl std::fmt::Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Writes a value as indented JSON.
pub(crate) fn say_json(value: &impl Serialize) {
    say(serde_json::to_string_pretty(value).expect("the contract's types always have a JSON form"));
}

/// An error with its causes on one line, each told once: many an error tells its cause itself.
pub(crate) fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// What went wrong and what to do about it.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) what: String,
    pub(crate) remedy: String,
    /// The command line itself is wrong, as when clap refuses it.
    pub(crate) is_usage: bool,
}

impl Trouble {
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Trouble {
        Trouble { what: what.into(), remedy: remedy.into(), is_usage: false }
    }

    pub(crate) fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Trouble {
        Trouble { is_usage: true, ..Trouble::new(what, remedy) }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n  {}", self.what, self.remedy)
    }
}

impl std::error::Error for Trouble {}

/// `2026-11-21T12:00:00.000Z`. Civil date from days since 1970-01-01 by the 400-year cycle of the calendar, counted
/// from a March so that the leap day is the last day of its year.
pub(crate) fn utc(unix_ms: u64) -> String {
    let (days, ms) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let shifted = days + 719_468;
    let (cycle, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = cycle * 400 + year + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day_of_month:02}T{:02}:{:02}:{:02}.{:03}Z",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1000 % 60,
        ms % 1000
    )
}

/// `21 Nov 2026 12:00:00.000`, in UTC.
pub(crate) fn day_and_time(unix_ms: u64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = utc(unix_ms);
    let month: usize = date[5..7].parse().expect("two digits");
    format!("{} {} {} {}", &date[8..10], MONTHS[month - 1], &date[..4], &date[11..23])
}

/// `12:00:00.000`, the time of `unix_ms` within its day, in UTC.
pub(crate) fn time_of_day(unix_ms: u64) -> String {
    utc(unix_ms)[11..23].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_told_once() {
        let io = || io::Error::other("magic number mismatch");
        let silent = anyhow::Error::from(io()).context("cannot open the log").context("no start");
        let text = "no start: cannot open the log: magic number mismatch";
        assert_eq!(with_causes(&silent), text);
        let told = anyhow::Error::from(io()).context(text);
        assert_eq!(with_causes(&told), text);
    }

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(utc(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(utc(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(utc(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(utc(1_795_263_296_789), "2026-11-21T12:14:56.789Z");
    }

    #[test]
    fn days_have_short_names() {
        assert_eq!(day_and_time(1_795_263_296_789), "21 Nov 2026 12:14:56.789");
    }

    #[test]
    fn the_time_of_day_has_milliseconds() {
        assert_eq!(time_of_day(1_795_263_296_789), "12:14:56.789");
    }
}
