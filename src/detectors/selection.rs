//! Words that choose detectors: what `--detectors`, `--disable` and `detectors list` understand.

use std::cmp::Ordering;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use detectors_api::definition::{DetectorDefinition, Threat};
use detectors_api::proto::Severity;

use super::known::{Known, Origin};
use crate::exit::Failure;
use crate::spelling;

/// What the words are, for help texts.
pub(crate) const WORDS: &str = "\
A word is one of:
  builtin, all         the detectors of this program; those and all of the files that are known
  TRC-105, ld_preload  id of a detector, or name of the event it produces; `*` and `?` stand for any text and any character
  persistence          a tag of the event (also tag=persistence, should a detector have the same name)
  severity>=high       severity (info, low, medium, high, critical) of the threat: = != < <= > >=
  technique=T1055      MITRE ATT&CK technique of the threat: = !=; so do tactic='Defense Evasion' and name='…'
  rules/, rule.yaml    a file, or all .yaml and .yml files of a directory (not of those in it); `./NAME` for sure is one

Tracee's names threat.severity, threat.mitre.technique, threat.mitre.tactic and threat.name mean the same. Texts are compared
without regard to case.";

/// Tags that every detector's event has.
const COMMON_TAGS: [&str; 2] = ["detectors", "default"];

/// One word.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Word {
    /// The detectors of this program.
    Builtin,
    /// Those, and those of files.
    All,
    /// Detectors of a file, or of the files of a directory.
    Path(PathBuf),
    /// A tag.
    Tag(String),
    /// A test of the threat.
    Threat(ThreatTest),
    /// An id, the name of an event, or a tag; with wildcards.
    Name(String),
}

impl Word {
    /// Reads a word. A text that is no name among `builtin` and is there as a file or directory is a path.
    ///
    /// # Errors
    /// If it looks like a test and is none.
    pub(crate) fn parse(text: &str, builtin: &[Known]) -> Result<Self, Failure> {
        match text {
            "builtin" => return Ok(Self::Builtin),
            "all" => return Ok(Self::All),
            _ => {}
        }
        let path = Path::new(text);
        if surely_path(text) {
            return Ok(Self::Path(path.to_owned()));
        }
        if let Some(tag) = text.strip_prefix("tag=") {
            return Ok(Self::Tag(tag.to_owned()));
        }
        if let Some(test) = ThreatTest::parse(text)? {
            return Ok(Self::Threat(test));
        }
        let name = Self::Name(text.to_owned());
        if !builtin.iter().any(|known| name.names(known)) && path.exists() {
            return Ok(Self::Path(path.to_owned()));
        }
        Ok(name)
    }

    /// Whether the word names this detector.
    pub(crate) fn names(&self, known: &Known) -> bool {
        let definition = &known.definition;
        match self {
            Self::Builtin => matches!(known.origin, Origin::Builtin),
            Self::All => true,
            Self::Path(path) => known.origin.is_in(path),
            Self::Tag(tag) => has_tag(definition, tag),
            Self::Threat(test) => test.holds(definition.threat.as_ref()),
            Self::Name(name) => {
                let is = |text: &str| analyze::glob_matches(name, text);
                is(&definition.id) || is(&definition.event.name) || has_tag(definition, name)
            }
        }
    }

    /// The failure that nobody is named by this word, which was written as `text` for `option`.
    pub(crate) fn names_nobody(&self, option: &str, text: &str, known: &[Known]) -> Failure {
        let hint = match self {
            Self::Name(_) => similar(text, known),
            Self::Tag(_) => {
                let mut tags: Vec<_> = known
                    .iter()
                    .flat_map(|known| known.definition.event.tags.iter().map(String::as_str))
                    .chain(COMMON_TAGS)
                    .collect();
                tags.sort_unstable();
                tags.dedup();
                format!("tags are: {}", tags.join(", "))
            }
            Self::Path(_) => "it has no detectors".to_owned(),
            _ => "`tracee-cap detectors list` shows all".to_owned(),
        };
        let what = match self {
            Self::Name(_) => format!("there is no detector, event of a detector, tag or file `{text}`"),
            _ => format!("no detector is chosen by `{text}`"),
        };
        Failure::usage(format!("{option}: {what}; {hint}"))
    }
}

/// Whether a text cannot be meant otherwise than as a path.
fn surely_path(text: &str) -> bool {
    text.contains('/')
        || matches!(text, "." | "..")
        || [".yaml", ".yml"].iter().any(|ending| text.ends_with(ending))
}

/// The word that means at the place of the command what `text` means in the directory `base`: the same, unless it is a path.
pub(crate) fn rebased(text: &str, base: &Path) -> String {
    with_path(text, |path| Ok::<_, Infallible>(base.join(path))).unwrap_or_else(|never| match never {})
}

/// The word with another path, if it is one.
///
/// # Errors
/// As `change`.
pub(crate) fn with_path<E>(
    text: &str,
    change: impl FnOnce(&Path) -> Result<PathBuf, E>,
) -> Result<String, E> {
    if surely_path(text) {
        change(Path::new(text)).map(|path| path_word(&path))
    } else {
        Ok(text.to_owned())
    }
}

/// The word that means this file or directory.
pub(crate) fn path_word(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains('/') {
        text
    } else {
        format!("./{text}")
    }
}

fn has_tag(definition: &DetectorDefinition, tag: &str) -> bool {
    let tags = definition.event.tags.iter().map(String::as_str);
    tags.chain(COMMON_TAGS).any(|own| own == tag)
}

/// What may have been meant by `text`.
pub(super) fn similar(text: &str, known: &[Known]) -> String {
    let names = known
        .iter()
        .flat_map(|known| {
            let definition = &known.definition;
            let tags = definition.event.tags.iter();
            tags.chain([&definition.id, &definition.event.name])
        })
        .map(String::as_str);
    let near = spelling::nearest(text, names.chain(["builtin", "all"]));
    if near.is_empty() {
        "`tracee-cap detectors list` shows all".to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    }
}

/// A test of what a detector says about the threat; one that says nothing about it passes none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ThreatTest {
    /// The severity compares to this one.
    Severity(Comparison, Severity),
    /// A text is this one, or not.
    Text {
        property: Property,
        equal: bool,
        text: String,
    },
}

/// A text that a threat has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    Name,
    Tactic,
    Technique,
}

/// How two severities compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Operators as written; those that begin like others come first.
    const OPERATORS: [(&str, Self); 6] = [
        ("!=", Self::NotEqual),
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    /// Splits `text` at its first operator.
    fn split(text: &str) -> Option<(&str, Self, &str)> {
        let start = text.find(['!', '<', '>', '='])?;
        let (key, rest) = text.split_at(start);
        Self::OPERATORS
            .into_iter()
            .find_map(|(sign, comparison)| Some((key, comparison, rest.strip_prefix(sign)?)))
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl ThreatTest {
    /// Reads a test; a text without an operator is none.
    fn parse(text: &str) -> Result<Option<Self>, Failure> {
        let Some((key, comparison, value)) = Comparison::split(text) else {
            return Ok(None);
        };
        let property = match key {
            "severity" | "threat.severity" => {
                let severity = severity(value).ok_or_else(|| {
                    Failure::usage(format!(
                        "`{text}`: there is no severity `{value}`; severities are: info, low, medium, high, critical"
                    ))
                })?;
                return Ok(Some(Self::Severity(comparison, severity)));
            }
            "name" | "threat.name" => Property::Name,
            "tactic" | "threat.mitre.tactic" => Property::Tactic,
            "technique" | "threat.mitre.technique" => Property::Technique,
            _ => {
                return Err(Failure::usage(format!(
                    "`{text}`: detectors are not chosen by `{key}`, but by tag, severity, technique, tactic or name"
                )));
            }
        };
        let equal = match comparison {
            Comparison::Equal => true,
            Comparison::NotEqual => false,
            _ => {
                return Err(Failure::usage(format!("`{text}`: {key} takes = or !=")));
            }
        };
        Ok(Some(Self::Text {
            property,
            equal,
            text: value.to_owned(),
        }))
    }

    fn holds(&self, threat: Option<&Threat>) -> bool {
        let Some(threat) = threat else {
            return false;
        };
        let (texts, equal, wanted): (Vec<&str>, _, _) = match self {
            Self::Severity(comparison, severity) => {
                return comparison.holds((threat.severity as i32).cmp(&(*severity as i32)));
            }
            Self::Text {
                property,
                equal,
                text,
            } => {
                let texts = match property {
                    Property::Name => vec![threat.name.as_str()],
                    Property::Tactic => threat.tactics.iter().map(String::as_str).collect(),
                    Property::Technique => {
                        let ids = threat.techniques.iter().map(|(id, _)| id);
                        ids.chain(&threat.sub_techniques).map(String::as_str).collect()
                    }
                };
                (texts, *equal, text)
            }
        };
        !texts.is_empty() && texts.iter().any(|text| text.eq_ignore_ascii_case(wanted)) == equal
    }
}

/// A severity by name or number.
fn severity(text: &str) -> Option<Severity> {
    match text.parse::<i32>() {
        Ok(number) => Severity::try_from(number).ok(),
        Err(_) => Severity::from_str_name(&text.to_ascii_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::known::tests::silent;
    use super::*;

    fn named(word: &str) -> bool {
        let threat = Threat::high("Takeover")
            .tactic("Defense Evasion")
            .technique("T1055", "Process Injection")
            .sub_technique("T1055.009");
        let detector = silent(
            DetectorDefinition::new("ACME-1", "taken_over")
                .tag("injection")
                .threat(threat),
        );
        let word = Word::parse(word, std::slice::from_ref(&detector)).expect("a word");
        word.names(&detector)
    }

    #[test]
    fn words_name_detectors() {
        for word in [
            "all",
            "builtin",
            "ACME-1",
            "ACME-*",
            "taken_over",
            "*_over",
            "injection",
            "tag=injection",
            "tag=detectors",
            "severity>=high",
            "severity=HIGH",
            "severity>2",
            "threat.severity<critical",
            "severity!=low",
            "technique=t1055",
            "technique=T1055.009",
            "threat.mitre.tactic=defense evasion",
            "name!=Other",
        ] {
            assert!(named(word), "{word}");
        }
        for word in [
            "ACME-",
            "taken",
            "tag=taken_over",
            "severity>high",
            "technique=T105",
            "tactic!=Defense Evasion",
            "./ACME-1",
        ] {
            assert!(!named(word), "{word}");
        }
    }

    #[test]
    fn paths_are_told_from_elsewhere() {
        let from = |text, base| rebased(text, Path::new(base));
        assert_eq!(from("./rules", "tests/one"), "tests/one/./rules");
        assert_eq!(from("../rule.yaml", "tests"), "tests/../rule.yaml");
        assert_eq!(from("rule.yaml", ""), "./rule.yaml");
        for word in ["all", "TRC-105", "persistence", "severity>=high"] {
            assert_eq!(from(word, "tests/one"), word);
        }
    }

    #[test]
    fn what_a_detector_does_not_say_matches_nothing() {
        let detector = silent(DetectorDefinition::new("ACME-2", "quiet"));
        for word in ["severity>=info", "severity!=high", "technique!=T1055", "name="] {
            let word = Word::parse(word, &[]).expect("a word");
            assert!(!word.names(&detector));
        }
        let named = silent(DetectorDefinition::new("ACME-3", "named").threat(Threat::low("Named")));
        let word = Word::parse("technique!=T1055", &[]).expect("a word");
        assert!(!word.names(&named));
    }

    #[test]
    fn tests_that_make_no_sense_are_told() {
        for word in ["severity>=awful", "severity=5", "technique>T1", "pid=1"] {
            assert!(Word::parse(word, &[]).is_err(), "{word}");
        }
    }
}
