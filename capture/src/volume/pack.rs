//! The table of contents of a pack, and the headers of its entries.
//!
//! A pack is a plain tar archive in the POSIX `ustar` form: for each file a header of 512 bytes and the content, filled up to
//! a multiple of 512 bytes, and blocks of zeros at the end. Nothing in it is trusted: only regular files are taken, names
//! count once, and everything said to be there has to be there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use tar::{EntryType, Header};

use super::Stretch;
use crate::manifest::MANIFEST;
use crate::{Error, files};

/// Bytes of a block.
const BLOCK: u64 = 512;

/// Zeros that end an archive: two blocks at least, and more to fill up what a tape would write at once.
const END: std::ops::RangeInclusive<u64> = 2 * BLOCK..=1 << 20;

/// The most entries: a few more than the largest manifest lists.
const MAX_ENTRIES: usize = 1 << 18;

/// The entries of a pack by name.
pub(super) type Entries = BTreeMap<String, Stretch>;

/// Whether the file begins as a pack does: with a manifest, or with what looks like a tar header.
pub(super) fn is_pack(file: &File) -> io::Result<bool> {
    let mut start = [0; BLOCK as usize];
    let mut read = 0;
    while read < start.len() {
        match file.read_at(&mut start[read..], read as u64) {
            Ok(0) => break,
            Ok(bytes) => read += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let name = start.strip_prefix(MANIFEST.as_bytes());
    Ok(name.is_some_and(|rest| rest[0] == 0) || &start[257..262] == b"ustar")
}

/// The header of an entry: the same for the same name and size, whoever packs, and whenever.
pub(crate) fn header(name: &str, size: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

/// Reads the headers of the pack at `path`, all of which is in `file`.
pub(super) fn entries(path: &Path, file: File) -> Result<Entries, Error> {
    let size = file.metadata().map_err(Error::io("read", path))?.len();
    let mut walk = Walk {
        path,
        size,
        offset: 0,
        place: "first entry".to_owned(),
    };
    let file = Arc::new(file);
    let mut entries = Entries::new();
    loop {
        let mut block = [0; BLOCK as usize];
        walk.block(&file, &mut block)?;
        if block == [0; BLOCK as usize] {
            walk.end(&file)?;
            break;
        }
        let (name, length) = walk.header(&block)?;
        if entries.is_empty() && name != MANIFEST {
            return Err(walk.broken(format!("a pack begins with {MANIFEST}")));
        }
        if entries.len() == MAX_ENTRIES {
            return Err(walk.broken(format!("a pack has at most {MAX_ENTRIES} entries")));
        }
        let content = Stretch::within(&file, walk.offset + BLOCK, length);
        if entries.insert(name, content).is_some() {
            return Err(walk.broken("there are two entries of this name"));
        }
        // `header` has found that the content ends within the file.
        walk.offset += BLOCK + length.next_multiple_of(BLOCK);
        walk.place = format!("after {}", walk.place);
    }
    if entries.is_empty() {
        return Err(walk.broken("the pack has no entries"));
    }
    Ok(entries)
}

/// A place in the pack.
struct Walk<'a> {
    path: &'a Path,
    /// Bytes of the pack.
    size: u64,
    offset: u64,
    /// What is here, for people.
    place: String,
}

impl Walk<'_> {
    fn broken(&self, reason: impl Into<String>) -> Error {
        Error::Pack {
            pack: self.path.to_owned(),
            place: self.place.clone(),
            offset: self.offset,
            reason: reason.into(),
        }
    }

    fn block(&self, file: &File, block: &mut [u8]) -> Result<(), Error> {
        if self.size.saturating_sub(self.offset) < BLOCK {
            return Err(self.broken("the pack is cut off"));
        }
        file.read_exact_at(block, self.offset)
            .map_err(Error::io("read", self.path))
    }

    /// Name and size of the entry whose header is here.
    fn header(&mut self, block: &[u8]) -> Result<(String, u64), Error> {
        let header = Header::from_byte_slice(block);
        // As the format has it: the sum of all bytes, with blanks in the place of the sum.
        let fields = block[..148].iter().chain(&block[156..]);
        let sum = fields.map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
        if header.cksum().ok() != Some(sum) {
            return Err(self.broken("the header is damaged: its checksum is wrong"));
        }
        let name = header.path_bytes();
        // Names come from anybody.
        let shown = String::from_utf8_lossy(&name).escape_debug().to_string();
        self.place = format!("entry `{shown}`");
        let name = std::str::from_utf8(&name)
            .ok()
            .filter(|name| files::steps(name).is_some())
            .ok_or_else(|| self.broken("the name is no path below the capture"))?
            .to_owned();
        if header.entry_type() != EntryType::Regular {
            return Err(self.broken(
                "this is no regular file: `tracee-cap pack` makes packs, not every tar archive is one",
            ));
        }
        let length = header
            .entry_size()
            .map_err(|error| self.broken(format!("the size cannot be read: {error}")))?;
        let left = self.size - self.offset - BLOCK;
        if length > left {
            return Err(self.broken(format!(
                "the pack is cut off: the entry has {length} bytes, and {left} follow"
            )));
        }
        Ok((name, length))
    }

    /// Nothing but zeros may follow: what else there is, no digest covers.
    fn end(&self, file: &File) -> Result<(), Error> {
        let left = self.size - self.offset;
        if left < *END.start() {
            return Err(self.broken("the pack is cut off in its last block"));
        }
        let mut rest = vec![0; left.min(*END.end()) as usize];
        file.read_exact_at(&mut rest, self.offset)
            .map_err(Error::io("read", self.path))?;
        if left > *END.end() || rest.iter().any(|byte| *byte != 0) {
            return Err(self.broken("something follows the end of the pack"));
        }
        Ok(())
    }
}
