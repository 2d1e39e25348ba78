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

use detectors_api::definition::DetectorDefinition;

use crate::cel::Environment;
use crate::compile::{Compiler, known_fields};
use crate::detector::{Origin, YamlDetector};
use crate::document::Node;
use crate::document::item::Item;
use crate::error::{Faults, FileError, Reason};
use crate::list::{StringList, string_list};
use crate::schema::{self, Draft, Places};
use crate::source::Source;
pub use files::MAX_FILE_SIZE;
pub use files::read as read_file;

/// What was read, and everything that was wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The detectors that can be used, in the order of the paths, then of the files' names.
    pub detectors: Vec<YamlDetector>,
    /// The lists, in the same order.
    pub lists: Vec<StringList>,
    /// All files that were read for them, whether they can be used or not.
    pub files: Vec<Source>,
    /// Why other files are not used.
    pub errors: Vec<FileError>,
    /// What is odd about files that are used.
    pub warnings: Vec<FileError>,
}

/// Reads the files and the directories at `paths`. What is named twice is read once.
#[must_use]
pub fn load<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Loaded {
    let mut loader = Loader::default();
    let mut directories: Vec<Directory> = Vec::new();
    for path in paths {
        let path = path.as_ref();
        let whole = path.is_dir();
        let directory = if whole { path } else { parent(path) };
        let directory = Directory::find(&mut directories, directory);
        if whole {
            let listing = files::list(path);
            loader.loaded.errors.extend(listing.errors);
            loader.loaded.warnings.extend(listing.warnings);
            directory.files.extend(listing.files);
            directory.whole = true;
        } else {
            directory.files.push(path.to_owned());
        }
    }
    for directory in directories {
        loader.directory(directory);
    }
    loader.loaded
}

fn parent(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A directory and which of its files were asked for.
struct Directory {
    path: PathBuf,
    /// The same without links.
    canonical: PathBuf,
    files: Vec<PathBuf>,
    /// Whether all of its files were asked for.
    whole: bool,
}

impl Directory {
    /// The directory at `path`, new if it is not among `directories`.
    fn find<'a>(directories: &'a mut Vec<Self>, path: &Path) -> &'a mut Self {
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let known = directories.iter().position(|known| known.canonical == canonical);
        let index = known.unwrap_or_else(|| {
            directories.push(Self {
                path: path.to_owned(),
                canonical,
                files: Vec::new(),
                whole: false,
            });
            directories.len() - 1
        });
        &mut directories[index]
    }
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
    /// Takes the lists and then the detectors of a directory.
    fn directory(&mut self, directory: Directory) {
        let (errors, warnings) = (self.loaded.errors.len(), self.loaded.warnings.len());
        let mut files: Vec<_> = directory
            .files
            .iter()
            .filter_map(|file| self.read(file))
            .collect();
        if !directory.whole
            && files
                .iter()
                .any(|file| file.file_type == Some(FileType::Detector))
        {
            files.extend(self.other_lists(&directory.path));
        }
        let mut lists = Lists::default();
        let mut others = Vec::new();
        for file in files {
            if file.file_type == Some(FileType::List) {
                self.list(file, &mut lists);
            } else {
                others.push(file);
            }
        }
        lists.usable.retain(|list| !lists.broken.contains(&list.name));
        let values = lists.usable.iter();
        let environment = Environment::new(
            values
                .map(|list| (list.name.clone(), Arc::clone(&list.values)))
                .collect(),
        );
        for file in others {
            self.detector(file, &environment, &lists.broken);
        }
        self.loaded.lists.append(&mut lists.usable);
        // Lists were read before detectors; people go through files by name.
        self.loaded.errors[errors..].sort_by(|a, b| a.file.cmp(&b.file));
        self.loaded.warnings[warnings..].sort_by(|a, b| a.file.cmp(&b.file));
    }

    /// Reads a file, unless it was read before.
    fn read(&mut self, path: &Path) -> Option<Parsed> {
        if !self.first_time(path) {
            return None;
        }
        match files::read(path) {
            Ok(source) => {
                self.loaded.files.push(source.clone());
                Some(parse(source))
            }
            Err(reason) => {
                self.loaded.errors.push(FileError::of_file(path, reason));
                None
            }
        }
    }

    fn first_time(&mut self, path: &Path) -> bool {
        self.seen
            .insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()))
    }

    /// The lists of a directory of which not all files were asked for. What else is in there is nobody's business.
    fn other_lists(&mut self, directory: &Path) -> Vec<Parsed> {
        let mut lists = Vec::new();
        for path in files::list(directory).files {
            let list = files::read(&path).ok().map(parse);
            // A detector may still be asked for, through a link from elsewhere.
            if let Some(list) = list.filter(|file| file.file_type == Some(FileType::List))
                && self.first_time(&path)
            {
                self.loaded.files.push(list.source.clone());
                lists.push(list);
            }
        }
        lists
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

    fn detector(&mut self, mut file: Parsed, environment: &Environment, broken: &BTreeSet<String>) {
        let root = file.root.as_ref().map(Item::root);
        let draft = root
            .filter(|_| file.file_type == Some(FileType::Detector))
            .and_then(|root| schema::detector(&root, &mut file.faults));
        if let Some(draft) = draft {
            let compiler = Compiler {
                environment,
                text: file.source.text(),
                broken,
                fields: known_fields(&draft.definition),
            };
            let conditions = draft.conditions.iter();
            let conditions = conditions
                .filter_map(|item| compiler.condition(item, &mut file.faults))
                .collect();
            let outputs = draft.outputs.into_iter();
            let outputs = outputs
                .filter_map(|draft| compiler.output(draft, &mut file.faults))
                .collect();
            let Draft {
                definition, places, ..
            } = draft;
            self.claim(&definition, &places, &file.source, &mut file.faults);
            if file.faults.usable() {
                self.loaded.detectors.push(YamlDetector {
                    definition,
                    conditions,
                    outputs,
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
    fn claim(
        &mut self,
        definition: &DetectorDefinition,
        places: &Places,
        source: &Source,
        faults: &mut Faults,
    ) {
        for (what, part, name, taken) in [
            ("id", "id", &definition.id, &mut self.ids),
            (
                "event",
                "produced event",
                &definition.event.name,
                &mut self.events,
            ),
        ] {
            let at = places.part(part);
            if let Some(other) = taken.get(name) {
                let (name, other) = (name.clone(), other.clone());
                faults.add_at(at.offset, at.path, Reason::Taken { what, name, other });
            } else {
                taken.insert(name.clone(), place(source, at.offset));
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
