//! Files that the kernel reads for itself, and modules that come and go.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;

use crate::cause::{Notes, at, call, failing_call, identity, number, text, unseen};
use crate::truth::{Loss, Truth};

/// A module of the running kernel, where somebody has put one here.
const MODULE: &str = "/lib/modules/dummy.ko";
const NAME: &str = "dummy";
const FAILED: &str = "what fails is not told";

pub(crate) fn cause(notes: &mut Notes) {
    let read = ["security_kernel_read_file", "security_kernel_post_read_file"];
    let loaded = ["module_load", "do_init_module", "module_free"];
    if let Err(reason) = no_module(notes) {
        for event in read.into_iter().chain(loaded) {
            notes.not_caused(event, &reason);
        }
    } else if let Ok(image) = fs::read(MODULE) {
        from_file(notes);
        from_memory(notes, &image);
    } else {
        for event in loaded {
            notes.not_caused(event, "no module to load here");
        }
    }
}

/// Gives the kernel the file of a module: 0 or the negative error.
fn give(file: &Path) -> i64 {
    let file = File::open(file).expect("it is there");
    failing_call(
        libc::SYS_finit_module,
        [file.as_raw_fd() as u64, at(c""), 0, 0, 0, 0],
    )
}

fn note_read(notes: &mut Notes, case: &str, path: &Path, losses: &[Loss]) {
    let (inode, dev, ctime) = identity(path);
    let fields = [
        ("pathname", text(path)),
        ("dev", dev),
        ("inode", inode),
        ("ctime", ctime),
    ];
    notes.note(case, "security_kernel_read_file", "finit_module", &fields, losses);
    let size = fs::metadata(path).expect("it is there").len();
    let fields = [("pathname", text(path)), ("size", number(size))];
    notes.note(
        case,
        "security_kernel_post_read_file",
        "finit_module",
        &fields,
        losses,
    );
}

/// The kernel reads a file and finds that it is no module; or why it does not even read it.
fn no_module(notes: &mut Notes) -> Result<(), String> {
    let path = notes.place("no module");
    fs::write(&path, [b'x'; 5_000]).expect("the directory can be written");
    let error = -give(&path) as i32;
    if error != libc::ENOEXEC {
        return Err(match error {
            libc::ENOSYS => "this kernel has no modules".to_owned(),
            _ => format!(
                "modules may not be loaded: {}",
                std::io::Error::from_raw_os_error(error)
            ),
        });
    }
    note_read(notes, "a file that is no module", &path, &[unseen(FAILED)]);
    Ok(())
}

/// What the kernel says of the module that is loaded.
fn names() -> [(&'static str, Truth); 3] {
    let told = |name: &str| {
        let told = fs::read_to_string(format!("/sys/module/{NAME}/{name}")).unwrap_or_default();
        text(told.trim_end())
    };
    [
        ("name", text(NAME)),
        ("version", told("version")),
        ("src_version", told("srcversion")),
    ]
}

/// Notes that the module has been loaded by a call, from `file` if it was one, and removes it.
fn loaded(notes: &mut Notes, case: &str, by: &str, file: &[(&str, Truth)]) {
    let names = names();
    let fields = [&names[..], file].concat();
    notes.note(case, "module_load", by, &fields, &[]);
    let fields = [&names[..], &[("returnValue", number(0))]].concat();
    notes.note(case, "do_init_module", by, &fields, &[]);
    let name = crate::cause::c_string(NAME);
    call(
        libc::SYS_delete_module,
        [name.as_ptr() as u64, libc::O_NONBLOCK as u64, 0, 0, 0, 0],
    );
    notes.note(case, "module_free", "delete_module", &names, &[]);
}

fn from_file(notes: &mut Notes) {
    let case = "a module from a file";
    let path = Path::new(MODULE);
    let result = give(path);
    assert_eq!(result, 0, "{}", std::io::Error::from_raw_os_error(-result as i32));
    note_read(notes, case, path, &[]);
    let (inode, dev, ctime) = identity(path);
    let file = [
        ("pathname", text(path)),
        ("dev", dev),
        ("inode", inode),
        ("ctime", ctime),
    ];
    loaded(notes, case, "finit_module", &file);
}

fn from_memory(notes: &mut Notes, image: &[u8]) {
    call(
        libc::SYS_init_module,
        [at(image), image.len() as u64, at(c""), 0, 0, 0],
    );
    loaded(notes, "a module from memory", "init_module", &[]);
}
