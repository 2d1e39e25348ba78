//! Where the files of a capture lie: in a directory, or in one file that holds them all, a **pack**.
//!
//! Files are named by their paths from the capture's directory, in a pack as well. They are read in place: nothing is ever
//! unpacked to be read.

mod pack;
mod stretch;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;

pub(crate) use pack::header;
pub use stretch::{Stretch, StretchReader};

use crate::{Error, MANIFEST, files, journal};
use pack::Entries;

/// The form that a capture has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A directory.
    Directory,
    /// One file: a tar archive.
    Pack,
    /// One file: a text, of which a directory was made that is removed with its last reader.
    Text,
    /// Events that were imported only to be read, into a directory that is removed with its last reader.
    Temporary,
}

/// The files of a capture. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Volume(Arc<Place>);

#[derive(Debug)]
struct Place {
    /// What the capture is called, in messages too.
    name: PathBuf,
    files: Files,
}

#[derive(Debug)]
enum Files {
    Directory(PathBuf),
    Pack(Entries),
    Temporary(Temporary, Form),
}

impl Volume {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let refuse = |reason: &str| Error::NotACapture {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let metadata = match path.metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(refuse("there is no such file or directory"));
            }
            metadata => metadata.map_err(Error::io("open", path))?,
        };
        if metadata.is_dir() {
            return Self::directory(path.to_owned(), Files::Directory(path.to_owned()));
        }
        // Opening a pipe could wait for ever.
        if !metadata.is_file() {
            return Err(refuse("it is neither a directory nor a regular file"));
        }
        let file = File::open(path).map_err(Error::io("open", path))?;
        Self::pack(path.to_owned(), file)
    }

    /// The capture in a directory that is removed when nothing reads it any more.
    /// It was made of what has the form `form`.
    pub(crate) fn temporary(capture: Temporary, form: Form) -> Result<Self, Error> {
        Self::directory(capture.name.clone(), Files::Temporary(capture, form))
    }

    /// A pack that comes as a stream is kept in a file without a name.
    pub(crate) fn stream(mut stream: impl Read, name: &Path) -> Result<Self, Error> {
        let copied = tempfile::tempfile().and_then(|mut file| {
            std::io::copy(&mut stream, &mut file)?;
            file.flush()?;
            file.rewind()?;
            Ok(file)
        });
        Self::pack(name.to_owned(), copied.map_err(Error::io("keep", name))?)
    }

    fn directory(name: PathBuf, files: Files) -> Result<Self, Error> {
        let volume = Self(Arc::new(Place { name, files }));
        if volume.contains(MANIFEST) {
            return Ok(volume);
        }
        Err(Error::NotACapture {
            path: volume.name().to_owned(),
            reason: format!("it has no {MANIFEST}"),
        })
    }

    fn pack(name: PathBuf, file: File) -> Result<Self, Error> {
        if !pack::is_pack(&file).map_err(Error::io("read", &name))? {
            return Err(Error::NotACapture {
                path: name,
                reason: "it is neither a directory nor a pack nor a text".to_owned(),
            });
        }
        let files = Files::Pack(pack::entries(&name, file)?);
        Ok(Self(Arc::new(Place { name, files })))
    }

    /// What the capture is called.
    pub(crate) fn name(&self) -> &Path {
        &self.0.name
    }

    pub(crate) fn form(&self) -> Form {
        match &self.0.files {
            Files::Directory(_) => Form::Directory,
            Files::Pack(_) => Form::Pack,
            Files::Temporary(_, form) => *form,
        }
    }

    /// What the file at `path` is called in messages.
    pub(crate) fn file_name(&self, path: &str) -> PathBuf {
        self.name().join(path)
    }

    /// The entries of a pack, or the directory.
    fn place(&self) -> Result<&Entries, &Path> {
        match &self.0.files {
            Files::Directory(directory) => Err(directory),
            Files::Temporary(capture, _) => Err(&capture.path),
            Files::Pack(entries) => Ok(entries),
        }
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        match self.place() {
            Ok(entries) => entries.contains_key(path),
            Err(directory) => directory.join(path).symlink_metadata().is_ok(),
        }
    }

    /// Opens a file, without leaving the capture.
    pub(crate) fn file(&self, path: &str) -> Result<Stretch, Error> {
        match self.place() {
            Ok(entries) => entries.get(path).cloned().ok_or_else(|| Error::Missing {
                path: self.file_name(path),
            }),
            Err(directory) => Stretch::whole(files::open(directory, path)?)
                .map_err(Error::io("open", &self.file_name(path))),
        }
    }

    /// Reads a whole file of at most `limit` bytes.
    pub(crate) fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        // A file may grow while it is read.
        self.file(path)?
            .reader(0)
            .take(limit + 1)
            .read_to_end(&mut content)
            .map_err(Error::io("read", &self.file_name(path)))?;
        if content.len() as u64 > limit {
            return Err(Error::NotACapture {
                path: self.name().to_owned(),
                reason: format!("{path} is larger than {limit} bytes"),
            });
        }
        Ok(content)
    }

    /// The paths of all files, sorted.
    pub(crate) fn list(&self) -> std::io::Result<Vec<String>> {
        match self.place() {
            Ok(entries) => Ok(entries.keys().cloned().collect()),
            Err(directory) => files::list(directory),
        }
    }

    /// Whether a recorder is at work here. It holds a lock as long as it lives; nobody records into a pack.
    pub(crate) fn is_being_recorded(&self) -> bool {
        let Err(directory) = self.place() else {
            return false;
        };
        let Ok(lock) = files::open(directory, journal::LOCK) else {
            return false;
        };
        Flock::<File>::lock(lock, FlockArg::LockSharedNonblock).is_err()
    }
}

/// Whether the file at `path` looks like a pack; false for what is no regular file.
///
/// # Errors
/// If it cannot be read.
pub fn is_pack(path: &Path) -> Result<bool, Error> {
    let metadata = path.metadata().map_err(Error::io("open", path))?;
    if !metadata.is_file() {
        return Ok(false);
    }
    File::open(path)
        .and_then(|file| pack::is_pack(&file))
        .map_err(Error::io("read", path))
}

/// A place for a capture that nobody keeps; it is removed with this, or with the last reader of the capture.
#[derive(Debug)]
pub struct Temporary {
    directory: TempDir,
    /// Of the capture, in the directory.
    path: PathBuf,
    name: PathBuf,
}

impl Temporary {
    /// Makes one among the temporary files (`TMPDIR`), for a capture that is called `name` in messages.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub fn new(name: impl Into<PathBuf>) -> Result<Self, Error> {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::Builder::new()
            .prefix("tracee-cap-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(Error::io("make a directory in", &std::env::temp_dir()))?;
        Ok(Self {
            path: directory.path().join("events.tcap"),
            directory,
            name: name.into(),
        })
    }

    /// What the capture is called in messages.
    #[must_use]
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Where to write the capture. There is nothing yet.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that is removed, for those who have to do so themselves because a signal ends the process.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
