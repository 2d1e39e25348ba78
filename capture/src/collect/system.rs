//! Facts about this machine.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use detectors_api::stores::Store;
use detectors_stores::Input;
use detectors_stores::rows::Row as _;
use detectors_stores::system::HostFacts;
use ebpf::clock::BootOffset;

use super::Collected;
use crate::manifest::TOOL;

/// Where distributions say what they are called; the first that is there holds (os-release(5)).
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// Facts about this machine, to take effect before event `seq`. The recorder started at `start_boot_ns` (ns since boot), and
/// times since boot become times of the wall clock by `offset`.
#[must_use]
pub fn system(seq: u64, offset: BootOffset, start_boot_ns: u64) -> Collected {
    let mut warnings = Vec::new();
    let uname = nix::sys::utsname::uname();
    let uname = keep(
        "the kernel's name and release",
        uname.map_err(io::Error::from),
        &mut warnings,
    );
    let text = |text: Option<&OsStr>| text.unwrap_or_default().to_string_lossy().into_owned();
    let facts = HostFacts {
        sysname: text(uname.as_ref().map(|uname| uname.sysname())),
        nodename: text(uname.as_ref().map(|uname| uname.nodename())),
        release: text(uname.as_ref().map(|uname| uname.release())),
        version: text(uname.as_ref().map(|uname| uname.version())),
        machine: text(uname.as_ref().map(|uname| uname.machine())),
        hostname: keep("the host name", line("/proc/sys/kernel/hostname"), &mut warnings).unwrap_or_default(),
        boot_id: keep(
            "the boot id",
            line("/proc/sys/kernel/random/boot_id"),
            &mut warnings,
        )
        .unwrap_or_default(),
        os_release: keep("the distribution's name", os_release(), &mut warnings).unwrap_or_default(),
        boot_offset_ns: Some(offset.ns()),
        start_boot_ns: Some(start_boot_ns),
        recorder: TOOL.to_owned(),
        init_namespaces: namespaces(Path::new("/proc/1/ns"), &mut warnings),
    };
    Collected {
        input: Input {
            store: Store::System.name().to_owned(),
            seq,
            rows: HostFacts::to_batch(&[facts]),
        },
        warnings,
    }
}

/// What could be read; else a warning.
fn keep<T>(what: &str, read: io::Result<T>, warnings: &mut Vec<String>) -> Option<T> {
    read.map_err(|error| warnings.push(format!("cannot read {what}: {error}")))
        .ok()
}

fn line(path: &str) -> io::Result<String> {
    fs::read_to_string(path).map(|text| text.trim().to_owned())
}

fn os_release() -> io::Result<String> {
    let [first, second] = OS_RELEASE;
    let text = fs::read(first).or_else(|_| fs::read(second))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// `NAME=INODE` of each namespace in a directory of links such as `mnt -> mnt:[4026531841]`, by name. All that cannot be read
/// makes one warning.
fn namespaces(directory: &Path, warnings: &mut Vec<String>) -> Vec<String> {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut namespaces = Vec::new();
    let mut unread = BTreeMap::new();
    for entry in keep("the first process's namespaces", entries, warnings).unwrap_or_default() {
        let name = entry.file_name().to_string_lossy().into_owned();
        match inode(&entry.path()) {
            Ok(inode) => namespaces.push(format!("{name}={inode}")),
            Err(error) => _ = unread.insert(name, error),
        }
    }
    if let Some(error) = unread.values().next() {
        let names: Vec<_> = unread.keys().map(String::as_str).collect();
        let names = names.join(", ");
        warnings.push(format!(
            "cannot read the first process's namespaces {names}: {error}"
        ));
    }
    namespaces.sort_unstable();
    namespaces
}

/// The inode number of the namespace that a link such as `mnt:[4026531841]` names.
fn inode(link: &Path) -> io::Result<u32> {
    let name = fs::read_link(link)?;
    let name = name.to_string_lossy();
    name.split_once(":[")
        .and_then(|(_, inode)| inode.strip_suffix(']')?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("`{name}` names no namespace")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn namespaces_are_read_from_links() {
        let directory = tempfile::tempdir().unwrap();
        for (name, link) in [
            ("pid_for_children", "pid:[4026531836]"),
            ("mnt", "mnt:[4026531841]"),
        ] {
            symlink(link, directory.path().join(name)).unwrap();
        }
        symlink("/somewhere", directory.path().join("odd")).unwrap();
        let mut warnings = Vec::new();
        assert_eq!(
            namespaces(directory.path(), &mut warnings),
            ["mnt=4026531841", "pid_for_children=4026531836"]
        );
        assert_eq!(
            warnings,
            ["cannot read the first process's namespaces odd: `/somewhere` names no namespace"]
        );
    }

    #[test]
    fn what_is_missing_is_told() {
        let mut warnings = Vec::new();
        assert_eq!(keep("the moon", line("/nowhere/moon"), &mut warnings), None);
        assert_eq!(
            warnings,
            ["cannot read the moon: No such file or directory (os error 2)"]
        );
    }
}
