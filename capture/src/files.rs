//! Files of a capture: replaced atomically, and read without leaving the capture.

use std::fs::{self, File};
use std::io::{Read, Write};
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

/// Opens the file at `path` in `directory`. Neither it nor a directory on the way may be a symbolic link, and it must be
/// a regular file: a link could lead out of the capture, and opening a pipe could wait for ever.
pub(crate) fn open(directory: &Path, path: &str) -> Result<File, Error> {
    let full = checked(directory, path)?;
    File::open(&full).map_err(Error::io("open", &full))
}

/// Reads a whole file of at most `limit` bytes, opened as [`open`] does.
pub(crate) fn read(directory: &Path, path: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let full = directory.join(path);
    let mut content = Vec::new();
    open(directory, path)?
        .take(limit + 1)
        .read_to_end(&mut content)
        .map_err(Error::io("read", &full))?;
    if content.len() as u64 > limit {
        return Err(Error::NotACapture {
            path: directory.to_owned(),
            reason: format!("{path} is larger than {limit} bytes"),
        });
    }
    Ok(content)
}

fn checked(directory: &Path, path: &str) -> Result<PathBuf, Error> {
    let mut full = directory.to_owned();
    for step in Path::new(path).components() {
        let std::path::Component::Normal(step) = step else {
            return Err(Error::Escape {
                path: directory.join(path),
                what: "not below the capture",
            });
        };
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
