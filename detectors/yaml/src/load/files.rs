//! The files of a directory, and their texts.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{FileError, Reason};
use crate::source::Source;

/// Largest file that is read, in bytes.
pub const MAX_FILE_SIZE: u64 = 1 << 20;

/// What a directory holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Files to read, in the bytewise order of their names.
    pub(super) files: Vec<PathBuf>,
    pub(super) errors: Vec<FileError>,
    pub(super) warnings: Vec<FileError>,
}

/// Lists a directory. Names that begin with a dot, and files that are not called `.yaml` or `.yml`, are not for us.
pub(super) fn list(directory: &Path) -> Listing {
    let mut listing = Listing::default();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            listing
                .errors
                .push(FileError::of_file(directory, unreadable(error)));
            return listing;
        }
    };
    let mut paths = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => paths.push((entry.file_name(), entry.path())),
            Err(error) => listing
                .errors
                .push(FileError::of_file(directory, unreadable(error))),
        }
    }
    paths.sort();
    for (name, path) in paths {
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            let why = "the directories in a directory are not read";
            listing
                .warnings
                .push(FileError::of_file(path, Reason::NoEffect { why }).hint("name it by itself"));
        } else if is_yaml(&path) {
            listing.files.push(path);
        }
    }
    listing
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Reads a file, through links. Pipes and devices are refused: reading them may never end.
///
/// # Errors
/// Why it cannot be read.
pub fn read(path: &Path) -> Result<Source, Reason> {
    // Before opening: a pipe that nobody writes to would block.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Reason::NotAFile);
    }
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::new();
    file.take(MAX_FILE_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let read = bytes.len() as u64;
    if read > MAX_FILE_SIZE {
        return Err(Reason::TooLarge { size: size.max(read) });
    }
    let text = String::from_utf8(bytes).map_err(|_| Reason::NotText)?;
    Ok(Source::new(path, text))
}

fn unreadable(error: std::io::Error) -> Reason {
    let message = error.to_string();
    Reason::Unreadable { message }
}
