//! Rules as text: words, the selectors among them, and what may be wrong with them.

use std::fmt::Write as _;

/// What is wrong with one rule, in Redis' words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    #[error("Unknown command or category name in ACL")]
    UnknownName,
    #[error("Syntax error")]
    Syntax,
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. \
         Try 'resetkeys' to start with an empty list of patterns"
    )]
    KeysAreOpen,
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
         effect. Try 'resetchannels' to start with an empty list of channels"
    )]
    ChannelsAreOpen,
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    NotAHash,
    #[error("Allowing first-arg of a subcommand is not supported")]
    ArgumentOfSubcommand,
}

/// Rules that are refused as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RuleError {
    /// A selector is opened by this word and never closed.
    Unmatched {
        word: Vec<u8>,
    },
    Rule {
        rule: Vec<u8>,
        problem: Problem,
    },
}

impl RuleError {
    pub(crate) fn is_unknown_name(&self) -> bool {
        matches!(self, RuleError::Rule { problem: Problem::UnknownName, .. })
    }
}

impl std::fmt::Display for RuleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RuleError::Unmatched { word } => {
                f.write_str("Unmatched parenthesis in acl selector starting at '")?;
                f.write_str(&String::from_utf8_lossy(word))?;
                f.write_str("'.")
            }
            RuleError::Rule { rule, problem } => {
                let rule = String::from_utf8_lossy(rule);
                write!(f, "Error in ACL SETUSER modifier '{rule}': {problem}")
            }
        }
    }
}

impl std::error::Error for RuleError {}

/// The rules among the words: a selector may be spread over several of them, `(+get`, `~a*)`.
pub(super) fn merged(words: &[&[u8]]) -> Result<Vec<Vec<u8>>, RuleError> {
    let mut rules = Vec::with_capacity(words.len());
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        let closes = word.last() == Some(&b')');
        match open.take() {
            None if word.first() == Some(&b'(') && !closes => open = Some((word, word.to_vec())),
            None => rules.push(word.to_vec()),
            Some((first, mut rule)) => {
                rule.push(b' ');
                rule.extend_from_slice(word);
                if closes {
                    rules.push(rule);
                } else {
                    open = Some((first, rule));
                }
            }
        }
    }
    match open {
        None => Ok(rules),
        Some((word, _)) => Err(RuleError::Unmatched { word: word.to_vec() }),
    }
}

/// Whether text has what separates words: such names and patterns could not be written down again.
pub(crate) fn has_gaps(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, 0 | b' ' | b'\t'..=b'\r'))
}

/// The words of a selector between its parentheses.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_gap = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    text.split(is_gap).filter(|word| !word.is_empty())
}

/// What a refused line of the aclfile adds to the report.
pub(super) fn report(report: &mut String, what: std::fmt::Arguments<'_>) {
    report.write_fmt(what).expect("a String takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: Result<&[&str], &str>) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let rules = merged(&words).map_err(|error| error.to_string());
        let expect = expect
            .map(|rules| rules.iter().map(|rule| rule.as_bytes().to_vec()).collect())
            .map_err(str::to_owned);
        assert_eq!(rules, expect, "{line}");
    }

    #[test]
    fn selectors_may_span_words() {
        check("on (+get ~a) off", Ok(&["on", "(+get ~a)", "off"]));
        check("( ~a +get )", Ok(&["( ~a +get )"]));
        check("()", Ok(&["()"]));
        check(")", Ok(&[")"]));
        check("(+a (+b ) ) )", Ok(&["(+a (+b )", ")", ")"]));
        check("on (+a (+b", Err("Unmatched parenthesis in acl selector starting at '(+a'."));
        check("(", Err("Unmatched parenthesis in acl selector starting at '('."));
    }

    #[test]
    fn gaps() {
        assert!(has_gaps(b"a b") && has_gaps(b"a\0") && has_gaps(b"\x0b"));
        assert!(!has_gaps("é~*".as_bytes()) && !has_gaps(b""));
    }
}
