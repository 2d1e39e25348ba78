//! Glob patterns: `*` matches any text, `?` any single character, `\` takes the next character as it stands.

/// Whether `pattern` matches all of `text`.
#[must_use]
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    Glob::new(pattern).matches(text)
}

/// A pattern.
pub(crate) struct Glob(Vec<Token>);

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        let mut characters = pattern.chars();
        let mut tokens = Vec::with_capacity(pattern.len());
        while let Some(character) = characters.next() {
            tokens.push(match character {
                '*' => Token::Any,
                '?' => Token::One,
                '\\' => Token::Literal(characters.next().unwrap_or('\\')),
                literal => Token::Literal(literal),
            });
        }
        Self(tokens)
    }

    /// Whether all of `text` matches.
    ///
    /// Takes time proportional to the product of the lengths at worst: a pattern cannot make it backtrack exponentially.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut at = 0;
        let mut rest = text.chars();
        // Where to go on when a mismatch comes: the last `*` may take one more character.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            if let Some(Token::Any) = self.0.get(at) {
                at += 1;
                retry = Some((at, rest.clone()));
                continue;
            }
            let mut ahead = rest.clone();
            match (self.0.get(at), ahead.next()) {
                (None, None) => return true,
                (Some(token), Some(character)) if token.takes(character) => {
                    at += 1;
                    rest = ahead;
                }
                (_, next) => {
                    // A text that has ended gets no longer by starting later.
                    let Some((after_star, taken)) = retry.as_mut().filter(|_| next.is_some()) else {
                        return false;
                    };
                    taken.next();
                    (at, rest) = (*after_star, taken.clone());
                }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Literal(char),
}

impl Token {
    fn takes(self, character: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Literal(literal) => literal == character,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::glob_matches;

    #[test]
    fn stars_question_marks_and_escapes() {
        assert!(glob_matches("", ""));
        assert!(glob_matches("*", ""));
        assert!(glob_matches("/etc/*", "/etc/passwd"));
        assert!(!glob_matches("/etc/*", "/var/etc/passwd"));
        assert!(glob_matches("*/shadow*", "/etc/shadow-"));
        assert!(glob_matches("*.so", "libc.so.so"));
        assert!(glob_matches("a*b*c", "a-b-b-c"));
        assert!(!glob_matches("a*b*c", "a-b-b-d"));
        assert!(!glob_matches("abc", "ab"));
        assert!(!glob_matches("ab", "abc"));
        assert!(glob_matches("?é?", "xéy"));
        assert!(!glob_matches("?", ""));
        assert!(glob_matches(r"\*\?\\", r"*?\"));
        assert!(!glob_matches(r"\*", "x"));
        assert!(glob_matches(r"end\", r"end\"));
    }

    #[test]
    fn hostile_patterns_are_quick() {
        let text = "a".repeat(20_000);
        assert!(!glob_matches(&"a*".repeat(50), &"c".repeat(20_000)));
        assert!(!glob_matches(&format!("{}b", "*a".repeat(50)), &text));
    }
}
