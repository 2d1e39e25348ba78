//! Patterns with `*`, `?` and `\`.

use std::iter::Peekable;
use std::str::Chars;

use memchr::memmem;

/// A text pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Glob {
    /// Exactly this text.
    Literal(String),
    /// Starts with this text.
    Prefix(String),
    /// Ends with this text.
    Suffix(String),
    /// Texts with anything between them.
    Parts {
        /// In front.
        start: String,
        /// In this order; none of them is empty.
        inside: Vec<String>,
        /// At the end.
        end: String,
    },
    /// Anything with `?`.
    Pattern(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Token {
    Character(char),
    /// One character.
    One,
    /// Any text.
    Any,
}

/// Text that every match has, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// It is the whole match.
    Whole(String),
    /// In front.
    Start(String),
    /// At the end.
    End(String),
    /// Somewhere.
    Inside(String),
    /// There is no such text.
    Nowhere,
}

/// Length in bytes from which text at an end tells matches from others well enough.
const TELLING: usize = 3;

impl Glob {
    /// Compiles a pattern; `None` if it ends in a lone `\`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            tokens.push(match character {
                '*' if tokens.last() == Some(&Token::Any) => continue,
                '*' => Token::Any,
                '?' => Token::One,
                '\\' => Token::Character(characters.next()?),
                other => Token::Character(other),
            });
        }
        let literal = |tokens: &[Token]| {
            tokens
                .iter()
                .map(|token| match token {
                    Token::Character(character) => Some(*character),
                    Token::One | Token::Any => None,
                })
                .collect::<Option<String>>()
        };
        if let Some(text) = literal(&tokens) {
            return Some(Self::Literal(text));
        }
        if let [prefix @ .., Token::Any] = tokens.as_slice()
            && let Some(text) = literal(prefix)
        {
            return Some(Self::Prefix(text));
        }
        if let [Token::Any, suffix @ ..] = tokens.as_slice()
            && let Some(text) = literal(suffix)
        {
            return Some(Self::Suffix(text));
        }
        let parts = tokens.split(|token| *token == Token::Any).map(literal);
        Some(match parts.collect::<Option<Vec<_>>>().as_deref() {
            Some([start, inside @ .., end]) => Self::Parts {
                start: start.clone(),
                inside: inside.to_vec(),
                end: end.clone(),
            },
            _ => Self::Pattern(tokens),
        })
    }

    /// Text that every match has, where it is found with the least effort.
    pub(crate) fn anchor(&self) -> Anchor {
        let (start, inside, end) = match self {
            Self::Literal(text) => return Anchor::Whole(text.clone()),
            Self::Prefix(text) => return Anchor::Start(text.clone()),
            Self::Suffix(text) => return Anchor::End(text.clone()),
            Self::Parts { start, inside, end } => (start.clone(), inside.clone(), end.clone()),
            Self::Pattern(tokens) => literals(tokens),
        };
        let inside = inside.into_iter().max_by_key(String::len).unwrap_or_default();
        let (at_ends, inside_len) = (start.len().max(end.len()), inside.len());
        if at_ends < TELLING.min(inside_len.max(1)) {
            return if inside.is_empty() {
                Anchor::Nowhere
            } else {
                Anchor::Inside(inside)
            };
        }
        if start.len() >= end.len() {
            Anchor::Start(start)
        } else {
            Anchor::End(end)
        }
    }

    /// Whether it is decided by its [`anchor`](Self::anchor) alone.
    pub(crate) const fn is_anchor(&self) -> bool {
        !matches!(self, Self::Parts { .. } | Self::Pattern(_))
    }

    /// Whether `text` as a whole matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => text == literal,
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::Parts { start, inside, end } => text
                .strip_prefix(start.as_str())
                .and_then(|rest| rest.strip_suffix(end.as_str()))
                .is_some_and(|rest| has_in_order(rest, inside)),
            Self::Pattern(tokens) => matches(tokens, text),
        }
    }
}

/// The text in front of the first wildcard, the texts between wildcards, and the text after the last one.
fn literals(tokens: &[Token]) -> (String, Vec<String>, String) {
    let mut parts = vec![String::new()];
    for token in tokens {
        match (token, parts.last_mut()) {
            (Token::Character(character), Some(part)) => part.push(*character),
            _ => parts.push(String::new()),
        }
    }
    // A pattern has a wildcard, so there are at least two parts, though they may be empty.
    let end = parts.pop().unwrap_or_default();
    let start = parts.remove(0);
    (start, parts, end)
}

/// Whether `text` has all `parts`, one after the other: the first place of each leaves the most for those after it.
fn has_in_order(text: &str, parts: &[String]) -> bool {
    let mut rest = text.as_bytes();
    parts.iter().all(|part| {
        let found = memmem::find(rest, part.as_bytes());
        found.is_some_and(|at| {
            rest = &rest[at + part.len()..];
            true
        })
    })
}

/// Matches without recursion: after a mismatch only the last `*` has to take one more character, so that the time is at
/// most the product of both lengths, whatever the pattern.
fn matches(tokens: &[Token], text: &str) -> bool {
    let mut at = 0;
    let mut rest: Peekable<Chars<'_>> = text.chars().peekable();
    let mut retry: Option<(usize, Peekable<Chars<'_>>)> = None;
    loop {
        match (tokens.get(at), rest.peek().copied()) {
            (Some(Token::Any), _) => {
                at += 1;
                retry = Some((at, rest.clone()));
                continue;
            }
            (Some(Token::One), Some(_)) => {}
            (Some(Token::Character(wanted)), Some(found)) if *wanted == found => {}
            (None, None) => return true,
            _ => {
                let Some((after, mut longer)) = retry else {
                    return false;
                };
                if longer.next().is_none() {
                    return false;
                }
                at = after;
                rest = longer.clone();
                retry = Some((after, longer));
                continue;
            }
        }
        at += 1;
        rest.next();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn glob(pattern: &str, text: &str) -> bool {
        Glob::parse(pattern).expect("well-formed").matches(text)
    }

    #[test]
    fn wildcards_and_escapes() {
        for (pattern, text, expected) in [
            ("/etc/*", "/etc/shadow", true),
            ("/etc/*", "/etc/", true),
            ("*/mem", "/proc/1/mem", true),
            ("/proc/*/mem", "/proc/1/task/2/mem", true),
            ("/proc/*/mem", "/proc/1/maps", false),
            ("/tmp/?", "/tmp/é", true),
            ("/tmp/?", "/tmp/", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            (r"\*", "*", true),
            (r"\*", "x", false),
            (r"a\,b", "a,b", true),
            ("**", "", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
        assert_eq!(Glob::parse(r"a\"), None);
    }

    /// The definition of globs, by recursion.
    fn naive(tokens: &[Token], text: &[char]) -> bool {
        match (tokens.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((Token::Any, rest)), _) => {
                naive(rest, text) || text.split_first().is_some_and(|(_, text)| naive(tokens, text))
            }
            (Some((Token::One, rest)), Some((_, text))) => naive(rest, text),
            (Some((Token::Character(wanted), rest)), Some((found, text))) => {
                wanted == found && naive(rest, text)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let tokens: Vec<_> = pattern.chars().map(|character| match character {
                '*' => Token::Any,
                '?' => Token::One,
                other => Token::Character(other),
            }).collect();
            let characters: Vec<_> = text.chars().collect();
            prop_assert_eq!(glob(&pattern, &text), naive(&tokens, &characters));
        }
    }
}
