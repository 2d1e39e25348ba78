//! Files that are opened, named, renamed and removed, by paths that are hard to tell.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use libc::{AT_FDCWD, O_CREAT, O_NONBLOCK, O_RDONLY, O_WRONLY};

use crate::cause::{
    Notes, c_string, call, differs, failing_call, identity, in_child, me, number, text, unseen,
};
use crate::sockets;
use crate::truth::{Loss, Truth};

const FAILED: &str = "what fails is not told";
const UNRESOLVED: &str = "symbolic links in the path are not followed";
const NO_INODE: &str = "inode, dev and ctime";
/// The kernel sets it for 64-bit programs; the C library's constant is 0.
pub(crate) const LARGE_FILE: i32 = 0o100_000;
/// What only matters to opening, and is taken away then.
const AT_OPEN: i32 = O_CREAT | libc::O_EXCL | libc::O_NOCTTY | libc::O_TRUNC;

pub(crate) fn cause(notes: &mut Notes) {
    // SAFETY: a number in, a number out.
    unsafe { libc::umask(0o022) };
    opened(notes);
    opened_elsewhere(notes);
    removed(notes);
    renamed(notes);
    made(notes);
    modes(notes);
    watched(notes);
    directories(notes);
    in_child(|| mounted(notes));
}

fn create(path: &Path) -> PathBuf {
    fs::write(path, "x").expect("the directory can be written");
    path.to_owned()
}

/// Opens `given`, which is `resolved`.
pub(crate) fn open(
    notes: &mut Notes,
    case: &str,
    (directory, given): (i32, &Path),
    flags: i32,
    resolved: &Path,
) -> OwnedFd {
    let path = c_string(given);
    let fd = call(
        libc::SYS_openat,
        [directory as u64, path.as_ptr() as u64, flags as u64, 0o600, 0, 0],
    );
    // SAFETY: the kernel has just made it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    // What is open has no name any more in some cases, but it has a number.
    let (inode, dev, ctime) = of_descriptor(&fd);
    let fields = [
        ("pathname", text(resolved)),
        ("flags", number(flags_of(&fd) | flags & AT_OPEN)),
        ("dev", dev),
        ("inode", inode),
        ("ctime", ctime),
        ("syscall_pathname", text(given)),
    ];
    notes.note(case, "security_file_open", "openat", &fields, &[]);
    fd
}

/// The flags of an open file: whether it is to be closed at exec is among them on some kernels only.
pub(crate) fn flags_of(file: &impl AsRawFd) -> i32 {
    call(
        libc::SYS_fcntl,
        [file.as_raw_fd() as u64, libc::F_GETFL as u64, 0, 0, 0, 0],
    ) as i32
}

fn of_descriptor(fd: &OwnedFd) -> (Truth, Truth, Truth) {
    use std::os::unix::fs::MetadataExt;
    let status = File::from(fd.try_clone().expect("it is open"))
        .metadata()
        .expect("it is open");
    let device = u64::from(libc::major(status.dev())) << 20 | u64::from(libc::minor(status.dev()));
    (
        number(status.ino()),
        number(device),
        number(status.ctime() * 1_000_000_000 + status.ctime_nsec()),
    )
}

fn opened(notes: &mut Notes) {
    let file = create(&notes.place("file"));
    open(notes, "a file", (AT_FDCWD, &file), O_RDONLY, &file);
    let link = notes.place("link");
    symlink(&file, &link).expect("the directory can be written");
    open(
        notes,
        "a file through a symbolic link",
        (AT_FDCWD, &link),
        O_RDONLY | libc::O_CLOEXEC,
        &file,
    );
    let directory = File::open(&notes.directory).expect("it is there");
    open(
        notes,
        "a file in a directory",
        (directory.as_raw_fd(), Path::new("./file")),
        O_RDONLY,
        &file,
    );
    let created = notes.place("created");
    open(
        notes,
        "a file that is made",
        (AT_FDCWD, &created),
        O_WRONLY | O_CREAT | libc::O_EXCL | libc::O_APPEND,
        &created,
    );
    open(
        notes,
        "a file of a file system of the kernel",
        (AT_FDCWD, Path::new("/proc/version")),
        O_RDONLY,
        Path::new("/proc/version"),
    );
    open(
        notes,
        "the root",
        (AT_FDCWD, Path::new("/")),
        O_RDONLY | libc::O_DIRECTORY,
        Path::new("/"),
    );

    let gone = create(&notes.place("gone"));
    let held = File::open(&gone).expect("it was made");
    fs::remove_file(&gone).expect("it was made");
    let through = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
    open(notes, "a removed file", (AT_FDCWD, &through), O_RDONLY, &gone);

    let fifo = notes.place("reader");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("the directory can be written");
    let path = c_string(&fifo);
    let flags = O_WRONLY | O_NONBLOCK;
    let result = failing_call(
        libc::SYS_openat,
        [AT_FDCWD as u64, path.as_ptr() as u64, flags as u64, 0, 0, 0],
    );
    assert_eq!(result, -i64::from(libc::ENXIO));
    let (inode, dev, ctime) = identity(&fifo);
    let fields = [
        ("pathname", text(&fifo)),
        ("flags", number(flags | LARGE_FILE)),
        ("dev", dev),
        ("inode", inode),
        ("ctime", ctime),
        ("syscall_pathname", text(&fifo)),
    ];
    notes.note(
        "a pipe that nobody reads",
        "security_file_open",
        "openat",
        &fields,
        &[unseen("opens that fail after the security check")],
    );

    let deep = notes.place(&"d/".repeat(60));
    fs::create_dir_all(&deep).expect("the directory can be written");
    let deep: PathBuf = deep.components().collect();
    open(
        notes,
        "a directory of 60 components more",
        (AT_FDCWD, &deep),
        O_RDONLY,
        &deep,
    );
    let mut long = notes.directory.clone();
    while long.as_os_str().len() + 202 < 4000 {
        long.push("n".repeat(200));
    }
    let rest = 4000 - long.as_os_str().len() - 1;
    long.push("r".repeat(rest));
    fs::create_dir_all(&long).expect("the directory can be written");
    assert_eq!(long.as_os_str().len(), 4000);
    open(
        notes,
        "a path of 4000 characters",
        (AT_FDCWD, &long),
        O_RDONLY,
        &long,
    );
}

/// In processes of their own: other roots and other mounts.
fn opened_elsewhere(notes: &mut Notes) {
    let jail = notes.place("jail");
    fs::create_dir(&jail).expect("the directory can be written");
    let inside = create(&jail.join("inside"));
    let root = File::open("/").expect("it is there");
    in_child(|| {
        let here = c_string(&jail);
        call(libc::SYS_chroot, [here.as_ptr() as u64, 0, 0, 0, 0, 0]);
        let path = c("/inside");
        let fd = call(
            libc::SYS_openat,
            [AT_FDCWD as u64, path.as_ptr() as u64, 0, 0, 0, 0],
        );
        // Back, to where procfs is.
        call(libc::SYS_fchdir, [root.as_raw_fd() as u64, 0, 0, 0, 0, 0]);
        call(libc::SYS_chroot, [c(".").as_ptr() as u64, 0, 0, 0, 0, 0]);
        // SAFETY: the kernel has just made it.
        let (inode, dev, ctime) = of_descriptor(&unsafe { OwnedFd::from_raw_fd(fd as i32) });
        let fields = [
            ("pathname", text(&inside)),
            ("flags", number(LARGE_FILE)),
            ("dev", dev),
            ("inode", inode),
            ("ctime", ctime),
            ("syscall_pathname", text("/inside")),
        ];
        notes.note("a file in a jail", "security_file_open", "openat", &fields, &[]);
    });
}

fn c(text: &str) -> std::ffi::CString {
    c_string(text)
}

/// In a mount namespace of its own.
fn mounted(notes: &mut Notes) {
    call(libc::SYS_unshare, [libc::CLONE_NEWNS as u64, 0, 0, 0, 0, 0]);
    let private = libc::MS_REC | libc::MS_PRIVATE;
    mount(
        notes,
        "a root made private",
        ("none", None),
        (Path::new("/"), Path::new("/")),
        private,
        &[],
    );
    let (memory, bound, link) = (
        notes.place("memory"),
        notes.place("bound"),
        notes.place("to-memory"),
    );
    fs::create_dir(&memory).expect("the directory can be written");
    fs::create_dir(&bound).expect("the directory can be written");
    symlink(&memory, &link).expect("the directory can be written");
    mount(
        notes,
        "a file system at a symbolic link",
        ("somewhere", Some("tmpfs")),
        (&link, &memory),
        libc::MS_NODEV | libc::MS_NOSUID,
        &[differs(UNRESOLVED, &[("path", text(&link))])],
    );
    fs::create_dir(memory.join("one")).expect("it is ours");
    let from = memory.join("one");
    mount(
        notes,
        "a directory in two places",
        (&from.to_string_lossy(), None),
        (&bound, &bound),
        libc::MS_BIND,
        &[],
    );
    create(&from.join("file"));
    let there = bound.join("file");
    open(
        notes,
        "a file where its directory is bound",
        (AT_FDCWD, &there),
        O_RDONLY,
        &there,
    );
    let here = from.join("file");
    open(
        notes,
        "a file of a mount in a namespace",
        (AT_FDCWD, &here),
        O_RDONLY,
        &here,
    );
    remove(notes, "a file where its directory is bound", &there, &there, &[]);

    let (name, path) = (c("none"), c_string(&bound));
    let kind = c("no such type");
    let arguments = [
        name.as_ptr() as u64,
        path.as_ptr() as u64,
        kind.as_ptr() as u64,
        0,
        0,
        0,
    ];
    assert_eq!(failing_call(libc::SYS_mount, arguments), -i64::from(libc::ENODEV));
    notes.note(
        "a file system of an unknown type",
        "security_sb_mount",
        "mount",
        &[
            ("dev_name", text("none")),
            ("path", text(&bound)),
            ("type", text("no such type")),
            ("flags", number(0)),
        ],
        &[unseen(FAILED)],
    );
}

fn mount(
    notes: &mut Notes,
    case: &str,
    (name, kind): (&str, Option<&str>),
    (given, resolved): (&Path, &Path),
    flags: u64,
    losses: &[Loss],
) {
    let (name_text, path, kind_text) = (c(name), c_string(given), kind.map(c));
    let kind_pointer = kind_text.as_ref().map_or(0, |kind| kind.as_ptr() as u64);
    call(
        libc::SYS_mount,
        [
            name_text.as_ptr() as u64,
            path.as_ptr() as u64,
            kind_pointer,
            flags,
            0,
            0,
        ],
    );
    let fields = [
        ("dev_name", text(name)),
        ("path", text(resolved)),
        ("type", kind.map_or(Truth::Nothing, text)),
        ("flags", number(flags)),
    ];
    notes.note(case, "security_sb_mount", "mount", &fields, losses);
}

/// Removes `given`, which is `resolved`.
fn remove(notes: &mut Notes, case: &str, given: &Path, resolved: &Path, more: &[Loss]) {
    let (inode, dev, ctime) = identity(given);
    let path = c_string(given);
    call(libc::SYS_unlink, [path.as_ptr() as u64, 0, 0, 0, 0, 0]);
    let fields = [
        ("pathname", text(resolved)),
        ("inode", inode),
        ("dev", dev),
        ("ctime", ctime),
    ];
    notes.note(
        case,
        "security_inode_unlink",
        "unlink",
        &fields,
        &[&[without_inode()], more].concat(),
    );
}

fn without_inode() -> Loss {
    differs(
        NO_INODE,
        &[
            ("inode", Truth::Nothing),
            ("dev", Truth::Nothing),
            ("ctime", Truth::Nothing),
        ],
    )
}

fn removed(notes: &mut Notes) {
    let file = create(&notes.place("removed"));
    remove(notes, "a file", &file, &file, &[]);
    let (real, link) = (notes.place("real"), notes.place("linked"));
    fs::create_dir(&real).expect("the directory can be written");
    symlink(&real, &link).expect("the directory can be written");
    let file = create(&real.join("file"));
    let given = link.join("file");
    let unresolved = differs(UNRESOLVED, &[("pathname", text(&given))]);
    remove(
        notes,
        "a file in a linked directory",
        &given,
        &file,
        &[unresolved],
    );

    create(&file);
    let directory = File::open(&real).expect("it is there");
    let (inode, dev, ctime) = identity(&file);
    call(
        libc::SYS_unlinkat,
        [
            directory.as_raw_fd() as u64,
            c("file").as_ptr() as u64,
            0,
            0,
            0,
            0,
        ],
    );
    let fields = [
        ("pathname", text(&file)),
        ("inode", inode),
        ("dev", dev),
        ("ctime", ctime),
    ];
    notes.note(
        "a file in an open directory",
        "security_inode_unlink",
        "unlinkat",
        &fields,
        &[without_inode()],
    );
}

fn renamed(notes: &mut Notes) {
    let (from, to) = (create(&notes.place("from")), notes.place("jail/to"));
    let (old, new) = (c_string(&from), c_string(&to));
    call(
        libc::SYS_rename,
        [old.as_ptr() as u64, new.as_ptr() as u64, 0, 0, 0, 0],
    );
    let fields = [("old_path", text(&from)), ("new_path", text(&to))];
    notes.note(
        "a file to another directory",
        "security_inode_rename",
        "rename",
        &fields,
        &[],
    );
    let directory = File::open(notes.place("jail")).expect("it is there");
    let fd = directory.as_raw_fd() as u64;
    call(
        libc::SYS_renameat2,
        [
            fd,
            c("to").as_ptr() as u64,
            fd,
            c("../jail/again").as_ptr() as u64,
            u64::from(libc::RENAME_NOREPLACE),
            0,
        ],
    );
    let fields = [
        ("old_path", text(&to)),
        ("new_path", text(notes.place("jail/again"))),
    ];
    notes.note(
        "a file in an open directory",
        "security_inode_rename",
        "renameat2",
        &fields,
        &[],
    );
    let (old, new) = (c("to"), c("nothing"));
    let arguments = [fd, old.as_ptr() as u64, fd, new.as_ptr() as u64, 0, 0];
    assert_eq!(
        failing_call(libc::SYS_renameat2, arguments),
        -i64::from(libc::ENOENT)
    );
}

fn made(notes: &mut Notes) {
    // Whether the hook is told the mode before or after the mask depends on the file system.
    // SAFETY: a number in, a number out.
    unsafe { libc::umask(0) };
    let (fifo, device, socket) = (notes.place("fifo"), notes.place("device"), notes.place("socket"));
    let path = c_string(&fifo);
    call(
        libc::SYS_mknod,
        [path.as_ptr() as u64, u64::from(libc::S_IFIFO | 0o666), 0, 0, 0, 0],
    );
    let fields = [
        ("file_name", text(&fifo)),
        ("mode", number(libc::S_IFIFO | 0o666)),
        ("dev", number(0)),
    ];
    notes.note("a pipe", "security_inode_mknod", "mknod", &fields, &[]);
    let path = c_string(&device);
    let mode = u64::from(libc::S_IFCHR | 0o600);
    call(
        libc::SYS_mknodat,
        [
            AT_FDCWD as u64,
            path.as_ptr() as u64,
            mode,
            libc::makedev(1, 259),
            0,
            0,
        ],
    );
    let fields = [
        ("file_name", text(&device)),
        ("mode", number(mode)),
        ("dev", number(1 << 20 | 259)),
    ];
    notes.note("a device", "security_inode_mknod", "mknodat", &fields, &[]);
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("the directory can be written");
    sockets::made(
        notes,
        "a named socket",
        "socket",
        (libc::AF_UNIX, libc::SOCK_STREAM, 0),
        &[],
    );
    let fields = [
        ("file_name", text(&socket)),
        ("mode", number(libc::S_IFSOCK | 0o777)),
        ("dev", number(0)),
    ];
    notes.note(
        "a socket",
        "security_inode_mknod",
        "bind",
        &fields,
        &[unseen("sockets that bind makes")],
    );

    let link = notes.place("new-link");
    let (target, path) = (c("no/such/target"), c_string(&link));
    call(
        libc::SYS_symlink,
        [target.as_ptr() as u64, path.as_ptr() as u64, 0, 0, 0, 0],
    );
    let fields = [("linkpath", text(&link)), ("target", text("no/such/target"))];
    notes.note(
        "a symbolic link",
        "security_inode_symlink",
        "symlink",
        &fields,
        &[],
    );
    assert_eq!(
        failing_call(
            libc::SYS_symlink,
            [target.as_ptr() as u64, path.as_ptr() as u64, 0, 0, 0, 0]
        ),
        -i64::from(libc::EEXIST)
    );
}

fn modes(notes: &mut Notes) {
    let (file, link) = (notes.place("file"), notes.place("link"));
    let path = c_string(&link);
    call(libc::SYS_chmod, [path.as_ptr() as u64, 0o4750, 0, 0, 0, 0]);
    notes.note(
        "a file through a link",
        "chmod_common",
        "chmod",
        &[
            ("pathname", text(&file)),
            ("mode", number(0o4750)),
            ("returnValue", number(0)),
        ],
        &[differs(UNRESOLVED, &[("pathname", text(&link))])],
    );
    let open = File::open(&file).expect("it is there");
    call(libc::SYS_fchmod, [open.as_raw_fd() as u64, 0o640, 0, 0, 0, 0]);
    notes.note(
        "an open file",
        "chmod_common",
        "fchmod",
        &[
            ("pathname", text(&file)),
            ("mode", number(0o640)),
            ("returnValue", number(0)),
        ],
        &[],
    );
    let directory = File::open(&notes.directory).expect("it is there");
    call(
        libc::SYS_fchmodat,
        [
            directory.as_raw_fd() as u64,
            c("file").as_ptr() as u64,
            0o604,
            0,
            0,
            0,
        ],
    );
    notes.note(
        "a file in an open directory",
        "chmod_common",
        "fchmodat",
        &[
            ("pathname", text(&file)),
            ("mode", number(0o604)),
            ("returnValue", number(0)),
        ],
        &[],
    );
    in_child(|| {
        let who = me();
        // Whoever is not the owner may not.
        call(
            libc::SYS_setresuid,
            [u64::from(u32::MAX), 1003, u64::from(u32::MAX), 0, 0, 0],
        );
        let result = failing_call(libc::SYS_fchmod, [open.as_raw_fd() as u64, 0o777, 0, 0, 0, 0]);
        assert_eq!(result, -i64::from(libc::EPERM));
        let fields = [
            ("pathname", text(&file)),
            ("mode", number(0o777)),
            ("returnValue", number(result)),
        ];
        notes.by(
            &who,
            "a file of others",
            "chmod_common",
            "fchmod",
            &fields,
            &[unseen(FAILED)],
        );
    });
}

fn watched(notes: &mut Notes) {
    let file = notes.place("file");
    let path = c_string(notes.place("link"));
    let watcher = call(libc::SYS_inotify_init1, [0; 6]);
    let mask = libc::IN_MODIFY;
    call(
        libc::SYS_inotify_add_watch,
        [watcher as u64, path.as_ptr() as u64, u64::from(mask), 0, 0, 0],
    );
    let (inode, dev, _) = identity(&file);
    let fields = [
        ("pathname", text(&file)),
        ("inode", inode),
        ("dev", dev),
        ("mask", number(mask)),
        ("obj_type", number(0)),
    ];
    notes.note(
        "a file",
        "security_path_notify",
        "inotify_add_watch",
        &fields,
        &[],
    );
}

fn directories(notes: &mut Notes) {
    let before = File::open(".").expect("it is there");
    let (real, link) = (notes.place("real"), c_string(notes.place("linked")));
    call(libc::SYS_chdir, [link.as_ptr() as u64, 0, 0, 0, 0, 0]);
    let fields = [
        ("unresolved_path", text(notes.place("linked"))),
        ("resolved_path", text(&real)),
    ];
    notes.note("a directory through a link", "set_fs_pwd", "chdir", &fields, &[]);
    let jail = File::open(notes.place("jail")).expect("it is there");
    call(libc::SYS_fchdir, [jail.as_raw_fd() as u64, 0, 0, 0, 0, 0]);
    notes.note(
        "an open directory",
        "set_fs_pwd",
        "fchdir",
        &[("resolved_path", text(notes.place("jail")))],
        &[],
    );
    call(libc::SYS_fchdir, [before.as_raw_fd() as u64, 0, 0, 0, 0, 0]);
}
