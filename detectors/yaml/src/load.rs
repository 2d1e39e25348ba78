//! Reading files and directories of detectors and lists.
//!
//! A directory is read flat: its regular files whose names end in `.yaml` or `.yml`, in the bytewise order of their names.
//! Links to files are followed, as that is how Kubernetes mounts configuration; names that begin with a dot are passed
//! over. The lists of a directory are there for its detectors alone. A file may also be named by itself; it can use the
//! lists of its directory.
//!
//! Whatever is wrong with one file leaves the others alone, and everything wrong with it is told at once.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::detector::{Origin, YamlDetector};
use crate::document::Node;
use crate::error::{Faults, FileError, Reason};
use crate::list::{StringList, string_list};
use crate::schema::item::Item;
use crate::schema::{self, Draft};
use crate::source::Source;
pub use files::MAX_FILE_SIZE;
pub(crate) use files::read as read_file;

/// What was read, and everything that was wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The detectors that can be used, in the order of the paths, then of the files' names.
    pub detectors: Vec<YamlDetector>,
    /// The lists, in the same order.
    pub lists: Vec<StringList>,
    /// Why other files are not used.
    pub errors: Vec<FileError>,
    /// What is odd about files that are used.
    pub warnings: Vec<FileError>,
}

/// Reads the files and the directories at `paths`. What is named twice is read once.
#[must_use]
pub fn load<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Loaded {
    let mut loader = Loader::default();
    for path in paths {
        loader.path(path.as_ref());
    }
    loader.loaded
}

#[derive(Default)]
struct Loader {
    loaded: Loaded,
    /// Files that were read, without links in their paths.
    seen: BTreeSet<PathBuf>,
    /// Ids and produced events, each with where it stands.
    ids: BTreeMap<String, String>,
    events: BTreeMap<String, String>,
}

/// What a file is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileType {
    Detector,
    List,
}

/// A file whose structure is known.
struct Parsed {
    source: Source,
    root: Option<Node>,
    file_type: Option<FileType>,
    faults: Faults,
}

/// The lists of a directory.
#[derive(Default)]
struct Lists {
    usable: Vec<StringList>,
    /// Where each stands that has a name.
    places: BTreeMap<String, String>,
    /// Those that cannot be used.
    broken: BTreeSet<String>,
}

impl Loader {
    fn path(&mut self, path: &Path) {
        let (errors, warnings) = (self.loaded.errors.len(), self.loaded.warnings.len());
        if path.is_dir() {
            let listing = files::list(path);
            self.loaded.errors.extend(listing.errors);
            self.loaded.warnings.extend(listing.warnings);
            let files: Vec<_> = listing.files.iter().filter_map(|file| self.read(file)).collect();
            self.directory(files, Vec::new());
        } else if let Some(file) = self.read(path) {
            let siblings = match file.file_type {
                Some(FileType::Detector) => siblings(path),
                _ => Vec::new(),
            };
            self.directory(vec![file], siblings);
        }
        // Lists were read before detectors; people go through files by name.
        self.loaded.errors[errors..].sort_by(|a, b| a.file.cmp(&b.file));
        self.loaded.warnings[warnings..].sort_by(|a, b| a.file.cmp(&b.file));
    }

    /// Reads a file, unless it was read before.
    fn read(&mut self, path: &Path) -> Option<Parsed> {
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if !self.seen.insert(canonical) {
            return None;
        }
        match files::read(path) {
            Ok(source) => Some(parse(source)),
            Err(error) => {
                self.loaded.errors.push(error);
                None
            }
        }
    }

    /// Takes the lists and then the detectors of one directory. Of `siblings` only the lists are wanted.
    fn directory(&mut self, files: Vec<Parsed>, siblings: Vec<Parsed>) {
        let mut lists = Lists::default();
        let mut others = Vec::new();
        for file in siblings.into_iter().chain(files) {
            if file.file_type == Some(FileType::List) {
                self.list(file, &mut lists);
            } else {
                others.push(file);
            }
        }
        lists.usable.retain(|list| !lists.broken.contains(&list.name));
        for file in others {
            self.detector(file, &lists);
        }
        self.loaded.lists.append(&mut lists.usable);
    }

    fn list(&mut self, mut file: Parsed, lists: &mut Lists) {
        let root = file.root.as_ref().map(Item::root);
        let draft = root.and_then(|root| string_list(&root, &mut file.faults));
        if let Some(draft) = &draft {
            let name = draft.name.to_owned();
            if let Some(other) = lists.places.get(&name) {
                let other = other.clone();
                let what = "list";
                draft
                    .place
                    .report(&mut file.faults, Reason::Taken { what, name, other })
                    .hint("neither of them is used; rename one");
            }
        }
        let usable = file.faults.usable();
        if let Some(draft) = draft {
            let place = place(&file.source, draft.place.node.span.start);
            lists.places.entry(draft.name.to_owned()).or_insert(place);
            if usable {
                lists.usable.push(StringList {
                    name: draft.name.to_owned(),
                    values: draft.values.into(),
                    file: file.source.path().to_owned(),
                });
            } else {
                lists.broken.insert(draft.name.to_owned());
            }
        }
        self.report(file.faults, &file.source);
    }

    fn detector(&mut self, mut file: Parsed, lists: &Lists) {
        let _ = lists;
        let root = file.root.as_ref().map(Item::root);
        let draft = root
            .filter(|_| file.file_type == Some(FileType::Detector))
            .and_then(|root| schema::detector(&root, &mut file.faults));
        if let Some(Draft {
            definition, places, ..
        }) = draft
        {
            self.claim(&definition.id, &definition.event.name, &places, &mut file);
            if file.faults.usable() {
                self.loaded.detectors.push(YamlDetector {
                    definition,
                    origin: Origin {
                        source: Arc::new(file.source.clone()),
                        places: Arc::new(places),
                    },
                });
            }
        }
        self.report(file.faults, &file.source);
    }

    /// Takes an id and the name of a produced event, which no other file may have.
    fn claim(&mut self, id: &str, event: &str, places: &schema::Places, file: &mut Parsed) {
        for (what, part, name, taken) in [
            ("id", "id", id, &mut self.ids),
            ("event", "produced event", event, &mut self.events),
        ] {
            let at = places.part(part);
            if let Some(other) = taken.get(name) {
                let (name, other) = (name.to_owned(), other.clone());
                file.faults
                    .add_at(at.offset, at.path, Reason::Taken { what, name, other });
            } else {
                taken.insert(name.to_owned(), place(&file.source, at.offset));
            }
        }
    }

    fn report(&mut self, faults: Faults, source: &Source) {
        let (errors, warnings) = faults.within(source);
        self.loaded.errors.extend(errors);
        self.loaded.warnings.extend(warnings);
    }
}

fn place(source: &Source, offset: usize) -> String {
    format!("{}:{}", source.path().display(), source.position(offset))
}

fn parse(source: Source) -> Parsed {
    let mut faults = Faults::default();
    let root = Node::parse(source.text(), &mut faults);
    let file_type = root
        .as_ref()
        .and_then(|root| file_type(&Item::root(root), &mut faults));
    Parsed {
        source,
        root,
        file_type,
        faults,
    }
}

fn file_type(root: &Item<'_>, faults: &mut Faults) -> Option<FileType> {
    const CHOICES: [(&str, FileType); 2] =
        [("detector", FileType::Detector), ("string_list", FileType::List)];
    root.any_mapping(faults)?
        .require("type", faults)?
        .choice("type", &CHOICES, faults)
}

/// The lists beside `file`.
fn siblings(file: &Path) -> Vec<Parsed> {
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    files::list(directory)
        .files
        .iter()
        .filter_map(|path| files::read(path).ok().map(parse))
        .filter(|parsed| parsed.file_type == Some(FileType::List))
        .collect()
}
