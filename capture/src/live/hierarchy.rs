//! The cgroup file system: which control groups exist, and where.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ebpf::kernel::{CgroupMount, cgroup_mount};

/// `FILEID_KERNFS` of the kernel: a file handle that is an inode number.
const FILEID_KERNFS: i32 = 0xfe;

/// A control group's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// Inode number.
    pub(super) id: u64,
    /// Path from the root of the hierarchy.
    pub(super) path: String,
    /// When it was made or last changed, ns since the Unix epoch.
    pub(super) ctime_ns: Option<u64>,
}

/// The cgroup hierarchy that cgroup ids in events refer to: the unified one, or that of the cpuset controller.
#[derive(Debug)]
pub(super) struct Hierarchy {
    /// Its number in events; 0 for the unified one.
    number: u32,
    mount: Option<Mount>,
}

#[derive(Debug)]
struct Mount {
    point: PathBuf,
    /// The directory of the hierarchy that is mounted there, `/` for all of it.
    root: String,
    /// The opened mount point.
    file: File,
}

impl Hierarchy {
    /// The hierarchy of this machine.
    pub(super) fn find(cgroup_v2: bool) -> Self {
        let controllers = fs::read_to_string("/proc/cgroups").unwrap_or_default();
        Self {
            number: if cgroup_v2 { 0 } else { cpuset_number(&controllers) },
            mount: cgroup_mount(cgroup_v2).and_then(|CgroupMount { point, root }| {
                let file = File::open(&point).ok()?;
                Some(Mount { point, root, file })
            }),
        }
    }

    /// Its number in events.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Whether it can be looked at.
    pub(super) fn is_mounted(&self) -> bool {
        self.mount.is_some()
    }

    /// All directories, parents before what is in them. Those that vanish meanwhile are left out.
    pub(super) fn directories(&self) -> Vec<Directory> {
        let mut found = Vec::new();
        let Some(mount) = &self.mount else { return found };
        let mut waiting = vec![mount.point.clone()];
        while let Some(path) = waiting.pop() {
            let Some(directory) = mount.directory(&path) else {
                continue;
            };
            found.push(directory);
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            let mut inside: Vec<_> = entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path())
                .collect();
            inside.sort_unstable_by(|one, other| other.cmp(one));
            waiting.append(&mut inside);
        }
        found
    }

    /// The directory of control group `id`, whose path from the root of the hierarchy is known; `None` if it is gone.
    pub(super) fn at(&self, path: &str, id: u64) -> Option<Directory> {
        let mount = self.mount.as_ref()?;
        let below = path.strip_prefix(mount.root.as_str())?;
        let directory = mount.directory(&mount.point.join(below.trim_start_matches('/')))?;
        (directory.id == id).then_some(directory)
    }

    /// The directory of control group `id`, which process `pid` was in a moment ago; `None` if it is gone.
    ///
    /// The kernel opens it by its number. Without the privilege for that (`CAP_DAC_READ_SEARCH`), it is found as long as the
    /// process is there and has not left it. Either way the hierarchy is not searched.
    pub(super) fn by_id(&self, id: u64, pid: u32) -> Option<Directory> {
        let mount = self.mount.as_ref()?;
        match open_by_id(&mount.file, id) {
            Ok(file) => {
                let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
                mount.directory(&path).filter(|directory| directory.id == id)
            }
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ESTALE as i32) => None,
            Err(_) => {
                let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
                self.at(path_in(&text, self.number)?, id)
            }
        }
    }
}

impl Mount {
    fn directory(&self, path: &Path) -> Option<Directory> {
        let metadata = fs::symlink_metadata(path).ok()?;
        let mut from_root = PathBuf::from(&self.root);
        from_root.extend(path.strip_prefix(&self.point).ok()?);
        let time = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
        Some(Directory {
            id: metadata.ino(),
            path: from_root.to_string_lossy().into_owned(),
            ctime_ns: u64::try_from(time).ok(),
        })
    }
}

/// Opens the directory with inode number `id` in the file system that `mounted` is in.
fn open_by_id(mounted: &File, id: u64) -> io::Result<OwnedFd> {
    /// `struct file_handle`.
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        id: [u8; 8],
    }
    let mut handle = Handle {
        bytes: 8,
        kind: FILEID_KERNFS,
        id: id.to_ne_bytes(),
    };
    // SAFETY: the handle is as long as its first member says, and is only read.
    let file = unsafe {
        libc::open_by_handle_at(
            mounted.as_fd().as_raw_fd(),
            (&raw mut handle).cast(),
            libc::O_PATH | libc::O_CLOEXEC,
        )
    };
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(file) })
}

/// The number of the cpuset controller's hierarchy, from the text of `/proc/cgroups`.
fn cpuset_number(controllers: &str) -> u32 {
    let mut lines = controllers
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .find(|words| words.first() == Some(&"cpuset"))
        .and_then(|words| words.get(1)?.parse().ok())
        .unwrap_or(0)
}

/// The path in hierarchy `number`, from the text of `/proc/PID/cgroup`.
fn path_in(text: &str, number: u32) -> Option<&str> {
    text.lines().find_map(|line| {
        let (found, rest) = line.split_once(':')?;
        let (_, path) = rest.split_once(':')?;
        (found.parse() == Ok(number)).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_paths() {
        let controllers = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t1\t1\ncpuset\t3\t1\t1\n";
        assert_eq!(cpuset_number(controllers), 3);
        assert_eq!(cpuset_number(""), 0);
        let text = "3:cpuset:/docker/x\n1:name=a:b:/y\n0::/user.slice\n";
        assert_eq!(path_in(text, 3), Some("/docker/x"));
        assert_eq!(path_in(text, 0), Some("/user.slice"));
        assert_eq!(path_in(text, 9), None);
    }

    /// Every way to look gives the same directories.
    #[test]
    fn directories_of_this_machine() {
        let hierarchy = Hierarchy::find(ebpf::kernel::cgroup_v2());
        let directories = hierarchy.directories();
        assert_eq!(directories.is_empty(), !hierarchy.is_mounted());
        let Some(root) = directories.first() else { return };
        assert_eq!(root.path, hierarchy.mount.as_ref().unwrap().root);
        for directory in directories.iter().take(20) {
            // Others may be removed meanwhile; the root stays.
            let found = hierarchy.at(&directory.path, directory.id);
            assert!(found.as_ref() == Some(directory) || (found.is_none() && directory != root));
            let found = hierarchy.by_id(directory.id, std::process::id());
            assert!(found.as_ref() == Some(directory) || (found.is_none() && directory.path != "/"));
        }
        assert_eq!(hierarchy.by_id(u64::MAX, std::process::id()), None);
    }
}
