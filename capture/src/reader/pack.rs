//! From a directory to a pack and back. Whatever is copied is held against its digest on the way.

use std::fs;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::CaptureReader;
use crate::files::{self, parent, unfinished};
use crate::manifest::{MANIFEST, Manifest, State};
use crate::volume::{StretchReader, header};
use crate::{Error, journal, writer};

/// Bytes that are copied at a time.
const CHUNK: usize = 1 << 18;

impl CaptureReader {
    /// Writes the capture as one file: a tar archive with the manifest first, the parts in its order, and the journal of a
    /// capture whose recorder died. The same capture gives the same bytes. `progress` is told the bytes of each file.
    ///
    /// # Errors
    /// If the capture is still being recorded, a file is missing or is not the one that was recorded, or `out` fails.
    pub fn pack(&self, out: impl Write, progress: &dyn Fn(u64)) -> Result<(), Error> {
        let failed = |error| Error::io("write the pack of", self.path())(error);
        let mut archive = tar::Builder::new(BufWriter::with_capacity(CHUNK, out));
        for file in Original::all(self)? {
            let original = file.open(self)?;
            let bytes = original.bytes;
            let header = header(&file.path, bytes).map_err(failed)?;
            original
                .copy(|content| archive.append(&header, content))
                .map_err(failed)??;
            progress(bytes);
        }
        archive
            .into_inner()
            .and_then(|mut out| out.flush())
            .map_err(failed)
    }

    /// [`pack`](Self::pack)s into a new file that only its owner can read, which has its name when it is complete.
    /// One that is there is replaced if `overwrite` is set.
    ///
    /// # Errors
    /// As [`pack`](Self::pack), and if there is something already.
    pub fn pack_to(&self, target: &Path, overwrite: bool, progress: &dyn Fn(u64)) -> Result<(), Error> {
        files::create_whole(target, overwrite, |file| self.pack(file, progress))
    }

    /// Writes the files of the capture into a new directory that only its owner can enter, which has its name when it is
    /// complete. One that is there is replaced if `overwrite` is set and it is a capture, or empty. `progress` is told the
    /// bytes of each file.
    ///
    /// # Errors
    /// If the capture is still being recorded, a file is missing or is not the one that was recorded, there is something
    /// already, or the files cannot be written.
    pub fn unpack(&self, target: &Path, overwrite: bool, progress: &dyn Fn(u64)) -> Result<(), Error> {
        let is_there = target.symlink_metadata().is_ok();
        if is_there && !(overwrite && writer::is_replaceable(target)) {
            return Err(Error::Exists {
                path: target.to_owned(),
            });
        }
        let originals = Original::all(self)?;
        let directory = unfinished()
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent(target))
            .map_err(Error::io("make", target))?;
        // The manifest last, as a recorder writes it.
        for file in originals.iter().rev() {
            // Paths of parts and journals are made of names: none leads out of the directory.
            let path = directory.path().join(&file.path);
            if let Some(parent) = path.parent() {
                files::make_dir(parent)?;
            }
            let original = file.open(self)?;
            let bytes = original.bytes;
            let mut out = files::create(&path)?;
            original
                .copy(|content| io::copy(content, &mut out).and_then(|_| out.sync_all()))
                .map_err(Error::io("write", &path))??;
            progress(bytes);
        }
        if is_there {
            fs::remove_dir_all(target).map_err(Error::io("replace", target))?;
        }
        fs::rename(directory.path(), target).map_err(Error::io("make", target))?;
        // It is no temporary directory any more.
        let _ = directory.keep();
        files::sync_dir(parent(target))
    }
}

/// A file that goes into a copy of a capture.
struct Original {
    path: String,
    /// BLAKE3 in hexadecimal, and bytes; the manifest and journals have none.
    recorded: Option<(String, u64)>,
}

impl Original {
    /// The files of a capture, in the order of a pack.
    fn all(reader: &CaptureReader) -> Result<Vec<Self>, Error> {
        let volume = &reader.inner.volume;
        if volume.is_being_recorded() {
            return Err(Error::BeingRecorded {
                path: reader.path().to_owned(),
            });
        }
        // As it is now: the parts have to be those that the copied manifest lists.
        let manifest = Manifest::read(volume)?;
        let unrecorded = |path: String| Self { path, recorded: None };
        let mut files = vec![unrecorded(MANIFEST.to_owned())];
        files.extend(manifest.parts.into_iter().map(|part| Self {
            path: part.path,
            recorded: Some((part.digest, part.bytes)),
        }));
        if manifest.state == State::Open {
            let journals = (manifest.segments..).map(journal::journal_path);
            files.extend(journals.take_while(|path| volume.contains(path)).map(unrecorded));
        }
        Ok(files)
    }

    fn open(&self, reader: &CaptureReader) -> Result<OpenOriginal, Error> {
        let content = reader.inner.volume.file(&self.path)?;
        let changed = || Error::Changed {
            file: reader.inner.volume.file_name(&self.path),
        };
        if let Some((_, bytes)) = self.recorded
            && bytes != content.bytes()
        {
            return Err(changed());
        }
        Ok(OpenOriginal {
            file: reader.inner.volume.file_name(&self.path),
            bytes: content.bytes(),
            digest: self.recorded.as_ref().map(|(digest, _)| digest.clone()),
            content: content.reader(0),
            hasher: blake3::Hasher::new(),
        })
    }
}

/// Reads a file and digests what is read.
struct OpenOriginal {
    file: PathBuf,
    bytes: u64,
    digest: Option<String>,
    content: StretchReader,
    hasher: blake3::Hasher,
}

impl OpenOriginal {
    /// Gives all of the file to `copy`, and fails if that is not what was recorded.
    fn copy<T>(
        mut self,
        copy: impl FnOnce(&mut dyn BufRead) -> io::Result<T>,
    ) -> io::Result<Result<T, Error>> {
        let copied = copy(&mut BufReader::with_capacity(CHUNK, &mut self))?;
        let is_whole = self.hasher.count() == self.bytes;
        let found = self.hasher.finalize().to_hex();
        let is_same = self.digest.is_none_or(|digest| digest == *found);
        Ok(match is_whole && is_same {
            true => Ok(copied),
            false => Err(Error::Changed { file: self.file }),
        })
    }
}

impl Read for OpenOriginal {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
