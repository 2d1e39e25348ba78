//! Programs that cannot be executed: because they are not there, or because the kernel cannot run what it has opened.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::cause::{
    Notes, at, c_string, call, differs, failing_call, identity, in_child, number, text, texts,
};
use crate::truth::{Loss, Truth};

const EVENT: &str = "process_execute_failed";
/// Fields of what the kernel has opened.
const OPENED: [&str; 6] = [
    "binary.path",
    "binary.device_id",
    "binary.inode_number",
    "binary.ctime",
    "binary.inode_mode",
    "interpreter_path",
];

pub(crate) fn cause(notes: &mut Notes) {
    let null = File::open("/dev/null").expect("it is there");
    in_child(|| {
        call(libc::SYS_dup2, [null.as_raw_fd() as u64, 0, 0, 0, 0, 0]);
        opened(notes, "no-format", "not a program\n", libc::ENOEXEC);
        opened(notes, "no-interpreter", "#!/no/such/interpreter\n", libc::ENOENT);
        missing(notes, "a program that is not there");
        not_in_directory(notes);
    });
}

/// What is told of any attempt whose standard input is `/dev/null`.
fn attempt(path: impl AsRef<Path>) -> Vec<(&'static str, Truth)> {
    vec![
        ("pathname", text(path)),
        ("stdin_type", number(libc::S_IFCHR)),
        ("stdin_path", text("/dev/null")),
        ("kernel_invoked", number(0)),
        ("argv", texts(&["first", "second word"])),
        ("envp", texts(&["A=1"])),
    ]
}

/// Tries to execute, in a directory if there is one; the error.
fn fail(path: &Path, directory: Option<(i32, i32)>) -> i64 {
    // The kernel may not get as far as to read them, so that they are told only if they are in memory.
    let path = c_string(path);
    let [first, second, variable] = ["first", "second word", "A=1"].map(c_string);
    let argv = [first.as_ptr(), second.as_ptr(), std::ptr::null()];
    let envp = [variable.as_ptr(), std::ptr::null()];
    let [path, argv, envp] = [path.as_ptr() as u64, at(&argv), at(&envp)];
    match directory {
        None => failing_call(libc::SYS_execve, [path, argv, envp, 0, 0, 0]),
        Some((fd, flags)) => failing_call(libc::SYS_execveat, [fd as u64, path, argv, envp, flags as u64, 0]),
    }
}

/// A file with this text, through a link.
fn opened(notes: &mut Notes, name: &str, contents: &str, error: i32) {
    let (file, link) = (notes.place(name), notes.place(&format!("{name}-link")));
    fs::write(&file, contents).expect("the directory can be written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    symlink(&file, &link).expect("the directory can be written");
    assert_eq!(fail(&link, None), -i64::from(error));
    let (inode, device, changed) = identity(&file);
    let mode = fs::metadata(&file).expect("it is there").mode();
    // Before the kernel knows what interprets a program, that is the program itself.
    let values = [text(&file), device, inode, changed, number(mode), text(&link)];
    let mut fields = attempt(&link);
    fields.extend(OPENED.into_iter().zip(values));
    notes.note(name, EVENT, "execve", &fields, &[not_opened()]);
}

/// What the returns of calls do not show.
fn not_opened() -> Loss {
    differs(
        "binary.path, .device_id, .inode_number, .ctime, .inode_mode and interpreter_path",
        &OPENED.map(|field| (field, Truth::Nothing)),
    )
}

/// Of what is not there, nothing is known but its name.
pub(crate) fn missing(notes: &mut Notes, case: &str) {
    let path = Path::new("no/such/program");
    assert_eq!(fail(path, None), -i64::from(libc::ENOENT));
    notes.note(case, EVENT, "execve", &attempt(path), &[]);
}

fn not_in_directory(notes: &mut Notes) {
    let directory = File::open("/").expect("it is there");
    let (fd, flags) = (directory.as_raw_fd(), libc::AT_SYMLINK_NOFOLLOW);
    let path = Path::new("no/such/program");
    assert_eq!(fail(path, Some((fd, flags))), -i64::from(libc::ENOENT));
    let mut fields = attempt(path);
    fields.extend([("dirfd", number(fd)), ("flags", number(flags))]);
    notes.note(
        "a program that is not in a directory",
        EVENT,
        "execveat",
        &fields,
        &[],
    );
}
