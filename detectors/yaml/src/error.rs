//! What can be wrong with a file, and where.

use std::fmt;
use std::path::PathBuf;

use crate::source::{Position, Source};

/// Something wrong with a file.
///
/// It shows itself as `path:line:column: field: what is wrong`, the line of the file with a mark under the place, and what
/// to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The file, as it was given or found.
    pub file: PathBuf,
    /// Where in the file. `None` if the file could not be read.
    pub position: Option<Position>,
    /// The part of the document, such as `requirements.events[1].name`. Empty for the document as a whole.
    pub field: String,
    /// What is wrong.
    pub reason: Reason,
    /// What to do about it.
    pub hint: Option<String>,
    excerpt: Option<Excerpt>,
}

/// The line of a file around a place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    line: String,
    /// Number of characters before the place.
    before: usize,
}

/// What is wrong with a file or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It cannot be read.
    #[error("{message}")]
    Unreadable {
        /// In the system's words.
        message: String,
    },
    /// It is neither a file nor a directory.
    #[error("it is no regular file")]
    NotAFile,
    /// It is too large.
    #[error("it has {size} bytes; {max} are allowed", max = crate::load::MAX_FILE_SIZE)]
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
    /// It is not UTF-8.
    #[error("the text is not UTF-8")]
    NotText,
    /// It is not YAML.
    #[error("not YAML: {message}")]
    Syntax {
        /// In the parser's words.
        message: String,
    },
    /// There is no document.
    #[error("the file is empty")]
    EmptyFile,
    /// There is more than one document.
    #[error("only the first document of a file is read")]
    SecondDocument,
    /// Lists and mappings are nested too deep.
    #[error("nested deeper than {max} levels", max = crate::document::MAX_DEPTH)]
    TooDeep,
    /// Aliases blow it up.
    #[error("the document is too large once its aliases are replaced")]
    TooLargeExpanded,
    /// An alias stands within what it names.
    #[error("the alias stands within what it names")]
    EndlessAlias,
    /// A key is there twice.
    #[error("the key {key} is here twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A key is not a text.
    #[error("a key has to be a text, not {found}")]
    KeyKind {
        /// What it is.
        found: &'static str,
    },
    /// A tag that means nothing here.
    #[error("{tag} is a YAML tag, which means nothing here")]
    Tag {
        /// The tag.
        tag: String,
    },
    /// It is something else than it should be.
    #[error("this has to be {expected}, not {found}")]
    Kind {
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// Nobody knows the key.
    #[error("there is no key {key} here")]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A key is not there.
    #[error("{key} is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// There is nothing where something has to be.
    #[error("it is empty")]
    Empty,
    /// A value is none of those that there are.
    #[error("there is no {what} {value}")]
    Unknown {
        /// What the value is.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// A value cannot be read.
    #[error("{value} is no {what}")]
    Malformed {
        /// What it should be.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// No version is in the range.
    #[error("no version is from {min} up to but not including {max}")]
    EmptyVersions {
        /// Lowest version, inclusive.
        min: detectors_api::catalogue::Version,
        /// Highest version, exclusive.
        max: detectors_api::catalogue::Version,
    },
    /// A name is there twice in one file.
    #[error("the {what} {name} is here twice")]
    Duplicate {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name is taken by another file.
    #[error("the {what} {name} is in {other} too")]
    Taken {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
        /// Path, line and column of the other one.
        other: String,
    },
    /// An output field that is not declared.
    #[error("the field {name} is not among produced_event.fields")]
    Undeclared {
        /// Its name.
        name: String,
    },
    /// A field that none of the detector's events has.
    #[error("no event that the detector asks for has a field {name}: it is always missing")]
    UnknownField {
        /// Its name.
        name: String,
    },
    /// An expression cannot be used.
    #[error("{message}")]
    Expression {
        /// What is wrong with it.
        message: String,
    },
    /// The engine refuses the detector.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
    },
    /// There are more errors than are told.
    #[error("{count} more errors")]
    More {
        /// How many.
        count: usize,
    },
    /// Something that has no effect.
    #[error("it has no effect: {why}")]
    NoEffect {
        /// Why.
        why: &'static str,
    },
}

impl FileError {
    /// Something wrong with a file of which nothing could be read.
    #[must_use]
    pub fn of_file(file: impl Into<PathBuf>, reason: Reason) -> Self {
        Self {
            file: file.into(),
            position: None,
            field: String::new(),
            reason,
            hint: None,
            excerpt: None,
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// For programs: `file`, `line` and `column` (from 1; absent if the file could not be read), `field`, `message`, `hint`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut object = serde_json::Map::new();
        object.insert("file".to_owned(), self.file.to_string_lossy().into());
        if let Some(position) = self.position {
            object.insert("line".to_owned(), position.line.into());
            object.insert("column".to_owned(), position.column.into());
        }
        if !self.field.is_empty() {
            object.insert("field".to_owned(), self.field.as_str().into());
        }
        object.insert("message".to_owned(), self.reason.to_string().into());
        if let Some(hint) = &self.hint {
            object.insert("hint".to_owned(), hint.as_str().into());
        }
        object.into()
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(position) = self.position {
            write!(f, ":{position}")?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.reason)?;
        if let (Some(position), Some(excerpt)) = (self.position, &self.excerpt) {
            let (number, line, before) = (position.line, &excerpt.line, excerpt.before);
            let margin = number.to_string().len();
            write!(f, "\n  {number} | {line}\n  {:margin$} | {:before$}^", "", "")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  help: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FileError {}

impl Excerpt {
    /// At most this many characters of a line are shown.
    const WIDTH: usize = 100;

    /// The part of `line` around a column. Tabs and other control characters become spaces, so that the mark stands where it
    /// should and a file cannot steer the terminal. `None` if the line is blank.
    fn new(line: &str, column: usize) -> Option<Self> {
        let before = column.saturating_sub(1);
        let skipped = before.saturating_sub(Self::WIDTH * 3 / 4);
        let shown = line.chars().skip(skipped).take(Self::WIDTH);
        (!line.trim().is_empty()).then(|| Self {
            line: shown.map(|c| if c.is_control() { ' ' } else { c }).collect(),
            before: before - skipped,
        })
    }
}

/// Something wrong, before it is known in which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(crate) offset: usize,
    pub(crate) field: String,
    pub(crate) reason: Reason,
    pub(crate) hint: Option<String>,
    pub(crate) harmless: bool,
}

impl Fault {
    /// The same in its file.
    pub(crate) fn within(self, source: &Source) -> FileError {
        let position = source.position(self.offset);
        FileError {
            file: source.path().to_owned(),
            position: Some(position),
            field: self.field,
            reason: self.reason,
            hint: self.hint,
            excerpt: Excerpt::new(source.line(position.line), position.column),
        }
    }

    /// Says what to do about it.
    pub fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what to do about it, where that is known.
    pub fn hint_some(&mut self, hint: Option<impl Into<String>>) -> &mut Self {
        self.hint = hint.map(Into::into);
        self
    }

    /// Marks it as something that leaves the file usable: a warning.
    pub fn harmless(&mut self) -> &mut Self {
        self.harmless = true;
        self
    }
}

/// Most faults that are told of one file. A file with more is beyond repair anyway.
const MAX_FAULTS: usize = 100;

/// Everything wrong with a file.
#[derive(Debug, Default)]
pub struct Faults {
    kept: Vec<Fault>,
    /// How many were left out.
    more: usize,
}

impl Faults {
    /// Adds a fault of the document as a whole.
    pub fn add(&mut self, offset: usize, reason: Reason) -> &mut Fault {
        self.add_at(offset, String::new(), reason)
    }

    /// Adds a fault of a part of the document.
    pub fn add_at(&mut self, offset: usize, field: String, reason: Reason) -> &mut Fault {
        if self.kept.len() == MAX_FAULTS {
            self.kept.pop();
            self.more += 1;
        }
        self.kept.push(Fault {
            offset,
            field,
            reason,
            hint: None,
            harmless: false,
        });
        let last = self.kept.len() - 1;
        &mut self.kept[last]
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether nothing makes the file unusable.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.kept.iter().all(|fault| fault.harmless)
    }

    /// The errors and the warnings, each in the order of the file.
    #[must_use]
    pub fn within(mut self, source: &Source) -> (Vec<FileError>, Vec<FileError>) {
        self.kept.sort_by_key(|fault| fault.offset);
        let (warnings, errors): (Vec<_>, Vec<_>) = self.kept.into_iter().partition(|fault| fault.harmless);
        let place = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.within(source)).collect();
        let mut errors: Vec<_> = place(errors);
        if self.more > 0 {
            errors.push(FileError::of_file(
                source.path(),
                Reason::More { count: self.more },
            ));
        }
        (errors, place(warnings))
    }
}

/// `did you mean NAME?`, if one of `names` is like `name`.
#[must_use]
pub fn did_you_mean<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let close = |known: &&str| {
        let shorter = name.len().min(known.len());
        edits(name, known) <= (1 + shorter / 4).min(shorter.saturating_sub(1))
    };
    names
        .into_iter()
        .filter(close)
        .min_by_key(|known| edits(name, known))
        .map(|known| format!("did you mean {known}?"))
}

/// Number of single-character edits between two names, whatever their case. Long names are not compared.
fn edits(a: &str, b: &str) -> usize {
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    strsim::levenshtein(&a.to_ascii_lowercase(), &b.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_were_meant_are_found() {
        let known = ["conditions", "output", "id"];
        assert_eq!(
            did_you_mean("condition", known).as_deref(),
            Some("did you mean conditions?")
        );
        assert_eq!(did_you_mean("ID", known).as_deref(), Some("did you mean id?"));
        assert_eq!(did_you_mean("threat", known), None);
        assert_eq!(did_you_mean(&"c".repeat(1000), known), None);
    }

    #[test]
    fn long_lines_are_shown_around_the_place() {
        let line = format!("{}X{}", "a\t".repeat(100), "b".repeat(100));
        let excerpt = Excerpt::new(&line, 201).expect("the line is not blank");
        assert_eq!(excerpt.line.chars().count(), Excerpt::WIDTH);
        assert_eq!(excerpt.line.chars().nth(excerpt.before), Some('X'));
        assert!(!excerpt.line.contains('\t'));
    }

    #[test]
    fn faults_are_bounded_and_say_so() {
        let mut faults = Faults::default();
        for _ in 0..MAX_FAULTS + 5 {
            faults.add(0, Reason::Empty).hint("x");
        }
        let (errors, warnings) = faults.within(&Source::new("f", ""));
        assert_eq!((errors.len(), warnings.len()), (MAX_FAULTS + 1, 0));
        assert_eq!(errors[MAX_FAULTS].to_string(), "f: 5 more errors");
    }
}
