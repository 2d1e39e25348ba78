//! Files of a capture: replaced atomically, and read without leaving the capture.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Error;

/// Makes a directory that only its owner can enter.
pub(crate) fn make_dir(path: &Path) -> Result<(), Error> {
    fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(path)
        .map_err(Error::io("make", path))
}

/// Makes a new file that only its owner can read.
pub(crate) fn create(path: &Path) -> Result<File, Error> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::io("make", path))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::io("sync", path))
}

/// Gives the file `name` in `directory` new content: a reader sees the old or the new one, whole, also after a crash.
pub(crate) fn replace(directory: &Path, name: &str, content: &[u8]) -> Result<(), Error> {
    let temporary = directory.join(format!(".{name}.tmp"));
    let path = directory.join(name);
    let mut file = create(&temporary)?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(Error::io("write", &temporary))?;
    fs::rename(&temporary, &path).map_err(Error::io("replace", &path))?;
    sync_dir(directory)
}

/// What is being made has another name until it is complete.
pub(crate) fn unfinished() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".unfinished-");
    builder
}

/// The directory around `target`.
pub(crate) fn parent(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Makes a file that only its owner can read, and that has its name when it is complete. One that is there is replaced if
/// `overwrite` is set.
pub(crate) fn create_whole(
    target: &Path,
    overwrite: bool,
    write: impl FnOnce(&File) -> Result<(), Error>,
) -> Result<(), Error> {
    let exists = || Error::Exists {
        path: target.to_owned(),
    };
    if let Ok(there) = target.symlink_metadata()
        && !(overwrite && there.is_file())
    {
        return Err(exists());
    }
    let file = unfinished()
        .tempfile_in(parent(target))
        .map_err(Error::io("make", target))?;
    write(file.as_file())?;
    file.as_file().sync_all().map_err(Error::io("write", target))?;
    let kept = match overwrite {
        true => file.persist(target),
        false => file.persist_noclobber(target),
    };
    kept.map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(),
        _ => Error::io("make", target)(error.error),
    })?;
    sync_dir(parent(target))
}

/// Opens the file at `path` in `directory`. Neither it nor a directory on the way may be a symbolic link, and it must be
/// a regular file: a link could lead out of the capture, and opening a pipe could wait for ever.
pub(crate) fn open(directory: &Path, path: &str) -> Result<File, Error> {
    let full = checked(directory, path)?;
    File::open(&full).map_err(Error::io("open", &full))
}

/// The files below `directory`, as paths from there, sorted.
pub(crate) fn list(directory: &Path) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    list_below(directory, "", 0, &mut found)?;
    found.sort();
    Ok(found)
}

fn list_below(directory: &Path, below: &str, depth: usize, found: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory.join(below))? {
        let entry = entry?;
        let name = entry.file_name();
        let path = if below.is_empty() {
            name.to_string_lossy().into_owned()
        } else {
            format!("{below}/{}", name.to_string_lossy())
        };
        // A capture is three directories deep.
        if entry.file_type()?.is_dir() && depth < 4 {
            list_below(directory, &path, depth + 1, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// The steps of a path that leads nowhere but down; `None` for any other.
pub(crate) fn steps(path: &str) -> Option<impl Iterator<Item = &str>> {
    let is_step = |step: &str| !matches!(step, "" | "." | "..") && !step.contains('\0');
    path.split('/').all(is_step).then(|| path.split('/'))
}

fn checked(directory: &Path, path: &str) -> Result<PathBuf, Error> {
    let mut full = directory.to_owned();
    let steps = steps(path).ok_or_else(|| Error::Escape {
        path: directory.join(path),
        what: "not below the capture",
    })?;
    for step in steps {
        full.push(step);
        let metadata = match fs::symlink_metadata(&full) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::Missing { path: full });
            }
            metadata => metadata.map_err(Error::io("open", &full))?,
        };
        if metadata.file_type().is_symlink() {
            return Err(Error::Escape {
                path: full,
                what: "a symbolic link",
            });
        }
    }
    if !fs::symlink_metadata(&full).is_ok_and(|metadata| metadata.is_file()) {
        return Err(Error::Escape {
            path: full,
            what: "no regular file",
        });
    }
    Ok(full)
}
