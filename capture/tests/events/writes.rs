//! Files that are read and written: where a transfer begins, and what stands then at the beginning of a file.

use std::fs::{self, File};
use std::io::{IoSlice, IoSliceMut, Seek};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cause::{Notes, at, call, failing_call, in_child, number, text};
use crate::truth::Truth;

/// What is written is told up to this many bytes.
const MAGIC: usize = 32;
/// The position of a file that is open, in a call that takes one.
const HERE: u64 = u64::MAX;

pub(crate) fn cause(notes: &mut Notes) {
    written(notes);
    appended(notes);
    misplaced(notes);
    refused(notes);
    in_child(|| cut_short(notes));
    read(notes);
    streamed(notes);
}

/// A file that is open.
pub(crate) struct Open {
    pub(crate) file: File,
    path: PathBuf,
}

impl Open {
    fn new(notes: &Notes, name: &str) -> Self {
        Self::with(
            notes.place(name),
            File::options().read(true).write(true).create(true),
        )
    }

    pub(crate) fn with(path: PathBuf, options: &fs::OpenOptions) -> Self {
        let file = options
            .open(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { file, path }
    }

    /// Makes a call of reading or writing, and notes it: `event` of `size` bytes or vectors from `start` on.
    fn transfer(
        &self,
        notes: &mut Notes,
        case: &str,
        (event, nr): (&str, libc::c_long),
        [data, size, rest @ ..]: [u64; 5],
        start: u64,
    ) -> i64 {
        let [position, high, flags] = rest;
        let fd = self.file.as_raw_fd() as u64;
        let result = failing_call(nr, [fd, data, size, position, high, flags]);
        note(
            notes,
            case,
            (event, name_of(nr)),
            &self.file,
            &self.path,
            [size, start],
            result,
        );
        result
    }

    /// The same of bytes that are written.
    fn write(&self, notes: &mut Notes, case: &str, bytes: &[u8], start: u64) -> i64 {
        self.transfer(
            notes,
            case,
            ("vfs_write", libc::SYS_write),
            [at(bytes), bytes.len() as u64, 0, 0, 0],
            start,
        )
    }

    /// Notes what stands now at the beginning.
    fn begins(&self, notes: &mut Notes, case: &str, call: &str, bytes: Truth, result: i64) {
        let fields = magic(&self.file, &self.path, bytes, result);
        notes.note(case, "magic_write", call, &fields, &[]);
    }
}

fn name_of(nr: libc::c_long) -> &'static str {
    match nr {
        libc::SYS_read => "read",
        libc::SYS_readv => "readv",
        libc::SYS_pread64 => "pread64",
        libc::SYS_preadv => "preadv",
        libc::SYS_preadv2 => "preadv2",
        libc::SYS_write => "write",
        libc::SYS_writev => "writev",
        libc::SYS_pwrite64 => "pwrite64",
        libc::SYS_pwritev => "pwritev",
        libc::SYS_pwritev2 => "pwritev2",
        _ => panic!("a call of reading or writing"),
    }
}

/// Device, as the kernel packs it, and number of what is open.
pub(crate) fn file_of(file: impl AsFd) -> (Truth, Truth) {
    let file = File::from(file.as_fd().try_clone_to_owned().expect("it is open"));
    let status = file.metadata().expect("it is open");
    let device = u64::from(libc::major(status.dev())) << 20 | u64::from(libc::minor(status.dev()));
    (number(device), number(status.ino()))
}

fn note(
    notes: &mut Notes,
    case: &str,
    (event, call): (&str, &str),
    file: impl AsFd,
    path: &Path,
    [size, start]: [u64; 2],
    result: i64,
) {
    let fields = fields(event, file, path, size, number(start), result);
    notes.note(case, event, call, &fields, &[]);
}

fn fields(
    event: &str,
    file: impl AsFd,
    path: &Path,
    size: u64,
    start: Truth,
    result: i64,
) -> [(&'static str, Truth); 6] {
    let (dev, inode) = file_of(file);
    let size_field = if event.ends_with('v') { "vlen" } else { "count" };
    [
        ("pathname", text(path)),
        ("dev", dev),
        ("inode", inode),
        (size_field, number(size)),
        ("pos", start),
        ("returnValue", number(result)),
    ]
}

pub(crate) fn magic(file: &File, path: &Path, bytes: Truth, result: i64) -> [(&'static str, Truth); 5] {
    let (dev, inode) = file_of(file);
    [
        ("pathname", text(path)),
        ("dev", dev),
        ("inode", inode),
        ("bytes", bytes),
        ("returnValue", number(result)),
    ]
}

pub(crate) fn bytes(bytes: &[u8]) -> Truth {
    Truth::Bytes(bytes[..bytes.len().min(MAGIC)].to_vec())
}

fn written(notes: &mut Notes) {
    let open = Open::new(notes, "written");
    let long = b"\x7fELF, and more than thirty-two bytes of it";
    let case = "more than is told of it";
    let result = open.write(notes, case, long, 0);
    open.begins(notes, case, "write", bytes(long), result);
    open.write(notes, "nothing", b"", 42);
    let far = b"far";
    open.transfer(
        notes,
        "bytes at a position",
        ("vfs_write", libc::SYS_pwrite64),
        [at(far), 3, 100, 0, 0],
        100,
    );
    let vectors = [IoSlice::new(b"more"), IoSlice::new(b"over")];
    let here = [at(&vectors), 2, HERE, HERE, 0];
    open.transfer(notes, "vectors", ("vfs_writev", libc::SYS_writev), here, 42);
    open.transfer(
        notes,
        "vectors where the file is",
        ("vfs_writev", libc::SYS_pwritev2),
        here,
        50,
    );
    (&open.file).rewind().expect("it has positions");
    let vectors = [IoSlice::new(b"first"), IoSlice::new(b"second")];
    for (case, nr) in [
        ("vectors at the beginning", libc::SYS_writev),
        ("vectors at position 0", libc::SYS_pwritev),
        ("vectors at position 0 of a call with flags", libc::SYS_pwritev2),
    ] {
        let result = open.transfer(notes, case, ("vfs_writev", nr), [at(&vectors), 2, 0, 0, 0], 0);
        open.begins(notes, case, name_of(nr), bytes(b"first"), result);
    }
}

/// What is appended is not at the position that is asked for.
fn appended(notes: &mut Notes) {
    let place = notes.place("appended");
    fs::write(&place, "ten bytes.").expect("the directory can be written");
    let open = Open::with(place, File::options().append(true));
    let more = b"\x7fELF";
    open.write(notes, "bytes that are appended", more, 10);
    open.transfer(
        notes,
        "bytes that are appended, with position 0",
        ("vfs_write", libc::SYS_pwrite64),
        [at(more), 4, 0, 0, 0],
        14,
    );
    let open = Open::with(open.path, File::options().write(true));
    let vectors = [IoSlice::new(more)];
    open.transfer(
        notes,
        "vectors that a flag appends, with position 0",
        ("vfs_writev", libc::SYS_pwritev2),
        [at(&vectors), 1, 0, 0, libc::RWF_APPEND as u64],
        18,
    );
    for call in ["write", "pwrite64", "pwritev2"] {
        let fields = magic(&open.file, &open.path, bytes(more), 4);
        notes.absent("bytes that are appended", "magic_write", call, &fields);
    }
}

/// Calls that fail before anything is to be transferred.
fn misplaced(notes: &mut Notes) {
    let open = Open::new(notes, "misplaced");
    let (reader, _writer) = std::io::pipe().expect("there are descriptors");
    let mut byte = [0_u8];
    let vectors = [IoSlice::new(b"x")];
    let (at_byte, at_vectors) = (byte.as_mut_ptr() as u64, at(&vectors));
    let (file, stream) = (open.file.as_fd(), reader.as_fd());
    let before = (-2_i64).cast_unsigned();
    for (event, nr, fd, data, position, error) in [
        ("vfs_read", libc::SYS_pread64, stream, at_byte, 0, libc::ESPIPE),
        ("vfs_read", libc::SYS_pread64, file, at_byte, before, libc::EINVAL),
        (
            "vfs_write",
            libc::SYS_pwrite64,
            file,
            at_byte,
            before,
            libc::EINVAL,
        ),
        ("vfs_readv", libc::SYS_preadv, stream, at_vectors, 0, libc::ESPIPE),
        (
            "vfs_writev",
            libc::SYS_pwritev2,
            file,
            at_vectors,
            before,
            libc::EINVAL,
        ),
    ] {
        let path = if error == libc::ESPIPE {
            Path::new("")
        } else {
            &open.path
        };
        let arguments = [fd.as_raw_fd() as u64, data, 1, position, position, 0];
        let result = failing_call(nr, arguments);
        assert_eq!(result, -i64::from(error), "{}", name_of(nr));
        let fields = fields(event, fd, path, 1, Truth::Something, result);
        notes.absent("a position that cannot be", event, name_of(nr), &fields);
    }
}

/// Transfers that fail. What cannot be read has no first bytes.
fn refused(notes: &mut Notes) {
    let open = Open::new(notes, "refused");
    let case = "bytes from nowhere";
    let result = open.transfer(notes, case, ("vfs_write", libc::SYS_write), [8, 5, 0, 0, 0], 0);
    assert_eq!(result, -i64::from(libc::EFAULT));
    open.begins(notes, case, "write", bytes(&[]), result);
    let full = Open::with("/dev/full".into(), File::options().read(true).write(true));
    let result = full.write(notes, "a device that is full", b"more", 0);
    assert_eq!(result, -i64::from(libc::ENOSPC));
    let mut buffer = [0_u8; 4];
    let nowhere = Open::with(open.path, File::options().write(true));
    let result = nowhere.transfer(
        notes,
        "a file that is not open to be read",
        ("vfs_read", libc::SYS_read),
        [buffer.as_mut_ptr() as u64, 4, 0, 0, 0],
        0,
    );
    assert_eq!(result, -i64::from(libc::EBADF));
    let directory = Open::with(notes.directory.clone(), File::options().read(true));
    let result = directory.transfer(
        notes,
        "a directory",
        ("vfs_read", libc::SYS_read),
        [buffer.as_mut_ptr() as u64, 4, 0, 0, 0],
        0,
    );
    assert_eq!(result, -i64::from(libc::EISDIR));
}

/// In a process of its own, whose files may only be short for a while.
fn cut_short(notes: &mut Notes) {
    let open = Open::new(notes, "cut short");
    let limited = |bytes: u64| {
        let limit = [bytes, u64::MAX];
        call(
            libc::SYS_prlimit64,
            [0, u64::from(libc::RLIMIT_FSIZE), at(&limit), 0, 0, 0],
        );
    };
    let case = "half of what was asked for";
    let all = b"ten bytes.";
    limited(5);
    let result = failing_call(
        libc::SYS_write,
        [open.file.as_raw_fd() as u64, at(all), 10, 0, 0, 0],
    );
    limited(u64::MAX);
    assert_eq!(result, 5);
    note(
        notes,
        case,
        ("vfs_write", "write"),
        &open.file,
        &open.path,
        [10, 0],
        result,
    );
    open.begins(notes, case, "write", bytes(&all[..5]), result);
}

fn read(notes: &mut Notes) {
    let place = notes.place("read");
    fs::write(&place, [b'r'; 100]).expect("the directory can be written");
    let open = Open::with(place, File::options().read(true));
    let (mut one, mut two) = ([0_u8; 2], [0_u8; 3]);
    let mut more = [0_u8; 90];
    open.transfer(
        notes,
        "bytes",
        ("vfs_read", libc::SYS_read),
        [more.as_mut_ptr() as u64, 7, 0, 0, 0],
        0,
    );
    open.transfer(
        notes,
        "bytes at a position",
        ("vfs_read", libc::SYS_pread64),
        [more.as_mut_ptr() as u64, 9, 50, 0, 0],
        50,
    );
    let vectors = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
    let vectors = at(&vectors);
    for (case, nr, position, start) in [
        ("vectors", libc::SYS_readv, 77, 7),
        ("vectors at a position", libc::SYS_preadv, 20, 20),
        ("vectors where the file is", libc::SYS_preadv2, HERE, 12),
        ("vectors at a position, with flags", libc::SYS_preadv2, 30, 30),
    ] {
        let arguments = [vectors, 2, position, position >> 63, 0];
        assert_eq!(open.transfer(notes, case, ("vfs_readv", nr), arguments, start), 5);
    }
    let case = "less than was asked for";
    let result = open.transfer(
        notes,
        case,
        ("vfs_read", libc::SYS_read),
        [more.as_mut_ptr() as u64, 90, 0, 0, 0],
        17,
    );
    assert_eq!(result, 83);
    let result = open.transfer(
        notes,
        "the end",
        ("vfs_read", libc::SYS_read),
        [more.as_mut_ptr() as u64, 90, 0, 0, 0],
        100,
    );
    assert_eq!(result, 0);
}

/// What has neither positions nor a path.
fn streamed(notes: &mut Notes) {
    let (reader, writer) = std::io::pipe().expect("there are descriptors");
    let ends = [
        ("vfs_write", libc::SYS_write, OwnedFd::from(writer)),
        ("vfs_read", libc::SYS_read, OwnedFd::from(reader)),
    ]
    .map(|(event, nr, end)| {
        let (file, path) = (end.into(), PathBuf::new());
        (event, nr, Open { file, path })
    });
    for (event, nr, end) in ends.iter().chain(&ends) {
        let mut bytes = *b"streamed";
        let arguments = [bytes.as_mut_ptr() as u64, 8, 0, 0, 0];
        assert_eq!(end.transfer(notes, "a pipe", (event, *nr), arguments, 0), 8);
    }
}
