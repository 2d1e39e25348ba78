//! Patterns with `*`, `?` and `\`.

use std::iter::Peekable;
use std::str::Chars;

/// A text pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Glob {
    /// Exactly this text.
    Literal(String),
    /// Starts with this text.
    Prefix(String),
    /// Ends with this text.
    Suffix(String),
    /// Anything else.
    Pattern(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Character(char),
    /// One character.
    One,
    /// Any text.
    Any,
}

impl Glob {
    /// Compiles a pattern; `None` if it ends in a lone `\`.
    pub(super) fn parse(text: &str) -> Option<Self> {
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
        Some(Self::Pattern(tokens))
    }

    /// Whether `text` as a whole matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => text == literal,
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::Pattern(tokens) => matches(tokens, text),
        }
    }
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
