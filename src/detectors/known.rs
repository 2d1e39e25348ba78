//! The detectors that can be chosen: those of this program and those of files.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use detectors_api::definition::DetectorDefinition;
use detectors_api::detector::{Detector, Kind};
use detectors_yaml::error::FileError;
use detectors_yaml::source::Source;
use replay::provenance::FileDigest;

use super::selection::{Word, path_word};
use crate::exit::{Exit, Failure};

/// A detector that can be chosen.
pub(crate) struct Known {
    /// What it says about itself.
    pub(crate) definition: DetectorDefinition,
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// The detector proper.
    pub(crate) detector: Box<dyn Detector>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known")
            .field("id", &self.definition.id)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Known {
    fn new(detector: Box<dyn Detector>, origin: Origin) -> Self {
        Self {
            definition: detector.definition(),
            origin,
            detector,
        }
    }

    /// A word that chooses it, where detectors can be chosen from this program and from `paths`.
    pub(crate) fn word(&self, paths: &[PathBuf]) -> String {
        match &self.origin {
            Origin::File(file) if !paths.iter().any(|path| self.origin.is_in(path)) => path_word(file.path()),
            _ => self.definition.id.clone(),
        }
    }

    /// How far it remembers: `event` for one that does not, `process`, `container` or `global`.
    pub(crate) fn reach(&self) -> &'static str {
        match self.detector.kind() {
            Kind::Stateless(_) => "event",
            Kind::Stateful(session) => session.reach().as_str(),
        }
    }
}

/// The detectors of this program, by id.
pub(crate) fn builtin() -> Vec<Known> {
    detectors_builtin::detectors()
        .into_iter()
        .map(|detector| Known::new(detector, Origin::Builtin))
        .collect()
}

/// The detectors of this program, and those of the files and directories at `paths`.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Those that can be used: first the built-in ones, then the files' in the order of the paths.
    pub(crate) known: Vec<Known>,
    /// The files that they, and what they use, were read from.
    pub(crate) files: Files,
    /// Why other files cannot be used.
    pub(crate) errors: Vec<FileError>,
    /// What is odd about files that can be.
    pub(crate) warnings: Vec<FileError>,
}

/// The detectors of this program, those of `files` and directories, and those of the files among the `words`.
///
/// # Errors
/// A word that makes no sense.
pub(crate) fn load<'a>(
    words: impl IntoIterator<Item = &'a String>,
    files: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<Loaded, Failure> {
    let mut known = builtin();
    let mut paths: Vec<_> = files.into_iter().cloned().collect();
    for word in words {
        if let Word::Path(path) = Word::parse(word, &known)? {
            paths.push(path);
        }
    }
    let files = detectors_yaml::load::load(paths);
    known.extend(files.detectors.into_iter().map(|detector| {
        let origin = Origin::File(detector.origin().clone());
        Known::new(Box::new(detector), origin)
    }));
    Ok(Loaded {
        known,
        files: Files {
            sources: files.files,
            lists: files.lists.into_iter().map(|list| list.file).collect(),
        },
        errors: files.errors,
        warnings: files.warnings,
    })
}

impl Loaded {
    /// What is wrong with files, and then what is odd about them.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &FileError> {
        self.errors.iter().chain(&self.warnings)
    }

    /// Reports it on stderr.
    pub(crate) fn report(&self) {
        self.problems()
            .for_each(|problem| crate::opened::warn(&problem.to_string()));
    }

    /// The exit code of a command that went on without the files that cannot be used.
    pub(crate) fn exit(&self) -> Exit {
        if self.errors.is_empty() {
            Exit::Ok
        } else {
            Exit::BadInput
        }
    }

    /// How much is wrong, if anything is.
    pub(crate) fn broken(&self) -> Option<String> {
        let files: BTreeSet<_> = self.errors.iter().map(|error| &error.file).collect();
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        (!files.is_empty()).then(|| {
            format!(
                "{} error{} in {} file{} of detectors",
                self.errors.len(),
                plural(self.errors.len()),
                files.len(),
                plural(files.len())
            )
        })
    }
}

/// Files of detectors and lists, as they were read.
#[derive(Debug)]
pub(crate) struct Files {
    sources: Vec<Source>,
    /// Those that hold a list.
    lists: BTreeSet<PathBuf>,
}

impl Files {
    /// Digests of all, by path.
    pub(crate) fn digests(&self) -> Vec<FileDigest> {
        let digest = |source: &Source| FileDigest::new(source.path(), source.text());
        let mut digests: Vec<_> = self.sources.iter().map(digest).collect();
        digests.sort_unstable();
        digests
    }

    /// The texts that a detector is made of: its file, and the lists in the same directory.
    pub(crate) fn texts(&self, origin: &Origin) -> Vec<String> {
        let Origin::File(origin) = origin else {
            return Vec::new();
        };
        let lists = self.sources.iter().filter(|source| {
            self.lists.contains(source.path()) && source.path().parent() == origin.path().parent()
        });
        std::iter::once(origin.text())
            .chain(lists.map(Source::text))
            .map(str::to_owned)
            .collect()
    }
}

/// Where a detector comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// This program.
    Builtin,
    /// A file.
    File(detectors_yaml::Origin),
}

impl Origin {
    /// Whether it is the file `path`, or a file in the directory `path`.
    pub(crate) fn is_in(&self, path: &Path) -> bool {
        let Self::File(origin) = self else {
            return false;
        };
        let file = origin.path();
        let same = |own: &Path| match (own.canonicalize(), path.canonicalize()) {
            (Ok(own), Ok(path)) => own == path,
            _ => false,
        };
        let directory = match file.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Some(Path::new(".")),
            parent => parent,
        };
        same(file) || directory.is_some_and(same)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin => f.write_str("builtin"),
            Self::File(origin) => origin.path().display().fmt(f),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use detectors_api::prelude::*;

    use super::*;

    struct Silent(DetectorDefinition);

    impl EventDetector for Silent {
        fn definition(&self) -> DetectorDefinition {
            self.0.clone()
        }

        fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
            Ok(Outputs::none())
        }
    }

    /// A built-in detector that says this about itself and finds nothing.
    pub(crate) fn silent(definition: DetectorDefinition) -> Known {
        Known::new(Box::new(Silent(definition)), Origin::Builtin)
    }

    #[test]
    fn a_detector_is_in_its_file_and_in_its_directory() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("rule.yaml");
        std::fs::write(&file, include_str!("templates/detector.yaml")).expect("written");
        let loaded = load(&[], [&file]).expect("a path");
        let detector = loaded.known.last().expect("of the file");
        assert_eq!(detector.definition.id, "ACME-001");
        let origin = &detector.origin;
        assert!(origin.is_in(&file) && origin.is_in(directory.path()));
        assert!(origin.is_in(&directory.path().join(".")));
        assert!(!origin.is_in(Path::new("/")) && !Origin::Builtin.is_in(&file));
    }
}
