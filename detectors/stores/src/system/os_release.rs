//! `os-release` files: what the distribution calls itself.

/// What an `os-release` file tells; empty where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// `NAME`, such as `Ubuntu`.
    pub name: String,
    /// `VERSION`, such as `22.04.3 LTS (Jammy Jellyfish)`.
    pub version: String,
    /// `PRETTY_NAME`, such as `Ubuntu 22.04.3 LTS`.
    pub pretty_name: String,
}

impl OsRelease {
    /// Reads an `os-release` file, whose format os-release(5) describes: assignments as in a shell, a line each, with single,
    /// double or no quotes. Blank lines, comments and lines that assign nothing are passed over; of several assignments to one
    /// name the last holds.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut os = Self::default();
        for line in text.lines() {
            let line = line.trim();
            let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
                continue;
            };
            match name {
                "NAME" => os.name = unquote(value),
                "VERSION" => os.version = unquote(value),
                "PRETTY_NAME" => os.pretty_name = unquote(value),
                _ => {}
            }
        }
        os
    }
}

/// The value that a shell would assign: up to the first blank outside of quotes, without quotes, and with what a backslash
/// protects. A quote that is not closed goes to the end of the line.
fn unquote(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (Some('\''), _) => value.push(character),
            (None, ' ' | '\t') => break,
            (None, '\\') => value.extend(characters.next()),
            (Some(_), '\\') => match characters.next() {
                Some(special @ ('"' | '\\' | '$' | '`')) => value.push(special),
                other => {
                    value.push('\\');
                    value.extend(other);
                }
            },
            _ => value.push(character),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(name: &str, version: &str, pretty_name: &str) -> OsRelease {
        OsRelease {
            name: name.to_owned(),
            version: version.to_owned(),
            pretty_name: pretty_name.to_owned(),
        }
    }

    #[test]
    fn distributions_tell_name_version_and_pretty_name() {
        let cases = [
            (
                "NAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\nVERSION=\"22.04.3 LTS (Jammy Jellyfish)\"\nPRETTY_NAME=\"Ubuntu 22.04.3 LTS\"\n",
                os("Ubuntu", "22.04.3 LTS (Jammy Jellyfish)", "Ubuntu 22.04.3 LTS"),
            ),
            (
                "PRETTY_NAME=\"Alpine Linux v3.20\"\nNAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.0\n",
                os("Alpine Linux", "", "Alpine Linux v3.20"),
            ),
            (
                "NAME=Fedora\r\nVERSION='39 (Container Image)'\r\n",
                os("Fedora", "39 (Container Image)", ""),
            ),
            ("", OsRelease::default()),
        ];
        for (text, expected) in cases {
            assert_eq!(OsRelease::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn values_are_quoted_as_in_a_shell() {
        let cases = [
            (r#"NAME="a=b""#, "a=b"),
            ("NAME=a=b", "a=b"),
            ("NAME='a \"b\" c'", "a \"b\" c"),
            (r#"NAME="a \"b\" \$c \\ \x""#, r#"a "b" $c \ \x"#),
            (r"NAME='a\b'", r"a\b"),
            (r"NAME=a\ b", "a b"),
            ("NAME=a # b", "a"),
            ("NAME=\"open", "open"),
            ("NAME=", ""),
            ("NAME=\"\"", ""),
            ("#NAME=x\nNAME=y", "y"),
            ("NAME=x\nNAME=y", "y"),
            ("  NAME=x", "x"),
            ("NAME x", ""),
            ("NAME=\"Größe\"", "Größe"),
        ];
        for (text, expected) in cases {
            assert_eq!(OsRelease::parse(text).name, expected, "{text}");
        }
    }
}
