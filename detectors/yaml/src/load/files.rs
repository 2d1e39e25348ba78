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
            listing.errors.push(unreadable(directory, &error));
            return listing;
        }
    };
    let mut paths = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => paths.push((entry.file_name(), entry.path())),
            Err(error) => listing.errors.push(unreadable(directory, &error)),
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
pub(crate) fn read(path: &Path) -> Result<Source, FileError> {
    let refuse = |reason| Err(FileError::of_file(path, reason));
    let unreadable = |error: std::io::Error| unreadable(path, &error);
    // Before opening: a pipe that nobody writes to would block.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return refuse(Reason::NotAFile);
    }
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::new();
    file.take(MAX_FILE_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_SIZE {
        return refuse(Reason::TooLarge {
            size: size.max(bytes.len() as u64),
        });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(path, text)),
        Err(_) => refuse(Reason::NotText),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> FileError {
    let message = error.to_string();
    FileError::of_file(path, Reason::Unreadable { message })
}
