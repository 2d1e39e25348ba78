//! What this kernel is and what this process may do on it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A capability that recording needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Capability {
    /// Loading BPF programs.
    CapBpf,
    /// Attaching them to tracepoints and functions, and reading kernel memory.
    CapPerfmon,
    /// Reading where the executables of other users' processes are.
    CapSysPtrace,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::CapBpf, Self::CapPerfmon, Self::CapSysPtrace];

    const fn bit(self) -> u32 {
        match self {
            Self::CapBpf => 39,
            Self::CapPerfmon => 38,
            Self::CapSysPtrace => 19,
        }
    }

    /// The name that `setcap` knows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CapBpf => "CAP_BPF",
            Self::CapPerfmon => "CAP_PERFMON",
            Self::CapSysPtrace => "CAP_SYS_PTRACE",
        }
    }
}

/// Facts about the running kernel and this process.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// Kernel release, as `uname -r` says it.
    pub release: String,
    /// Machine, as `uname -m` says it.
    pub machine: String,
    /// UTS node name.
    pub node: String,
    /// Whether the kernel describes its types (`/sys/kernel/btf/vmlinux`).
    pub btf: bool,
    /// Kernel lockdown: `none`, `integrity`, `confidentiality`, or `unknown` where it cannot be read.
    pub lockdown: String,
    /// Capabilities that are missing.
    pub missing_capabilities: Vec<Capability>,
    /// Whether cgroup ids are those of the unified hierarchy (v2), or those of the first v1 hierarchy.
    pub cgroup_v2: bool,
    /// Number of possible CPUs.
    pub cpus: u32,
}

/// Reads the facts. What cannot be read is reported as absent.
#[must_use]
pub fn facts() -> Facts {
    let uname = nix::sys::utsname::uname().ok();
    let text = |value: Option<&std::ffi::OsStr>| value.unwrap_or_default().to_string_lossy().into_owned();
    Facts {
        release: text(uname.as_ref().map(|uname| uname.release())),
        machine: text(uname.as_ref().map(|uname| uname.machine())),
        node: text(uname.as_ref().map(|uname| uname.nodename())),
        btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        lockdown: lockdown(),
        missing_capabilities: missing_capabilities(),
        cgroup_v2: cgroup_v2(),
        cpus: aya::util::nr_cpus().map_or(1, |cpus| cpus as u32),
    }
}

/// The root directory of the cgroup v2 hierarchy, wherever it is mounted, or why it cannot be opened.
pub(crate) fn unified_hierarchy() -> Result<File, String> {
    let place = cgroup_mount(true)
        .ok_or("no cgroup v2 file system is mounted")?
        .point;
    File::open(&place).map_err(|error| format!("{}: {error}", place.display()))
}

fn lockdown() -> String {
    fs::read_to_string("/sys/kernel/security/lockdown")
        .ok()
        .as_deref()
        .and_then(chosen)
        .unwrap_or("unknown")
        .to_owned()
}

/// The word in brackets.
fn chosen(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(chosen, _)| chosen)
}

/// Whether container cgroups are in the unified hierarchy: it is mounted in the usual place, or has the cpuset controller.
#[must_use]
pub fn cgroup_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
        || !has_cpuset_v1(&fs::read_to_string("/proc/cgroups").unwrap_or_default())
}

/// Where a hierarchy of control groups is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupMount {
    /// The mount point.
    pub point: PathBuf,
    /// The directory of the hierarchy that is mounted there, `/` for all of it.
    pub root: String,
}

/// Where the unified hierarchy is mounted or, without `cgroup_v2`, that of the cpuset controller. A mount of all of it comes before one
/// of a part; `None` if there is none.
#[must_use]
pub fn cgroup_mount(cgroup_v2: bool) -> Option<CgroupMount> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mount_of(&mounts, cgroup_v2)
}

/// The same by the text of `/proc/self/mountinfo`.
fn mount_of(mounts: &str, cgroup_v2: bool) -> Option<CgroupMount> {
    let found = mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let mut kind = kind.split(' ');
        let (kind, options) = (kind.next()?, kind.nth(1)?);
        let wanted = match cgroup_v2 {
            true => kind == "cgroup2",
            false => kind == "cgroup" && options.split(',').any(|option| option == "cpuset"),
        };
        wanted.then(|| CgroupMount {
            point: PathBuf::from(point),
            root: root.to_owned(),
        })
    });
    found.min_by_key(|mount| mount.root != "/")
}

/// Whether the cpuset controller has a hierarchy of its own, by the text of `/proc/cgroups`.
fn has_cpuset_v1(controllers: &str) -> bool {
    let mut lines = controllers.lines().map(|line| line.split_whitespace());
    lines.any(|mut words| words.next() == Some("cpuset") && words.next() != Some("0"))
}

/// Capabilities that are needed and not effective. `CAP_SYS_ADMIN` stands for loading and attaching.
fn missing_capabilities() -> Vec<Capability> {
    const SYS_ADMIN: u32 = 21;
    let effective = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| effective_capabilities(&status))
        .unwrap_or(0);
    let has = |bit: u32| effective >> bit & 1 != 0;
    Capability::ALL
        .into_iter()
        .filter(|capability| match capability {
            Capability::CapBpf | Capability::CapPerfmon => !has(capability.bit()) && !has(SYS_ADMIN),
            Capability::CapSysPtrace => !has(capability.bit()),
        })
        .collect()
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_control_groups() {
        let mounts = "30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      31 24 0:27 /part /in/cpuset rw shared:1 - cgroup cgroup rw,cpuset\n\
                      32 24 0:27 / /sys/fs/cgroup/cpuset rw shared:1 - cgroup cgroup rw,cpuset\n\
                      33 24 0:28 /part /sys/fs/cgroup/unified rw - cgroup2 none rw\n";
        let mount = |point: &str, root: &str| CgroupMount {
            point: point.into(),
            root: root.to_owned(),
        };
        assert_eq!(mount_of(mounts, false), Some(mount("/sys/fs/cgroup/cpuset", "/")));
        assert_eq!(
            mount_of(mounts, true),
            Some(mount("/sys/fs/cgroup/unified", "/part"))
        );
        assert_eq!(mount_of("", true), None);
    }

    #[test]
    fn words_and_masks_are_read() {
        assert!(has_cpuset_v1("#subsys_name\thierarchy\ncpuset\t3\t1\t1\n"));
        assert!(!has_cpuset_v1("cpuset\t0\t1\t1\ncpu\t1\t1\t1\n") && !has_cpuset_v1(""));
        assert_eq!(chosen("none [integrity] confidentiality\n"), Some("integrity"));
        assert_eq!(chosen("none\n"), None);
        assert_eq!(
            effective_capabilities("Name:\tx\nCapEff:\t000001fffeffffff\n"),
            Some(0x1ff_feff_ffff)
        );
    }
}
