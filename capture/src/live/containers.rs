//! The container of a task, from the path of its cgroup.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

/// Shorter names of cgroups name no container, bytes.
const SHORTEST: usize = 28;

/// Container ids by cgroup id.
#[derive(Debug)]
pub(super) struct Containers {
    /// Where the hierarchy that cgroup ids refer to is mounted.
    root: Option<PathBuf>,
    known: HashMap<u64, Option<String>>,
}

impl Containers {
    /// The containers that exist.
    pub(super) fn find(cgroup_v2: bool) -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut containers = Self {
            root: mount_point(&mounts, cgroup_v2),
            known: HashMap::new(),
        };
        containers.scan();
        containers
    }

    /// Id of the container of a cgroup.
    pub(super) fn get(&mut self, cgroup_id: u64) -> Option<&str> {
        if !self.known.contains_key(&cgroup_id) {
            self.scan();
            // A cgroup that is gone is not looked for again.
            self.known.entry(cgroup_id).or_insert(None);
        }
        self.known.get(&cgroup_id)?.as_deref()
    }

    /// The ids that are known.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.known.values().flatten().map(String::as_str)
    }

    fn scan(&mut self) {
        let Some(root) = self.root.clone() else { return };
        let mut directories = vec![root.clone()];
        while let Some(directory) = directories.pop() {
            let Ok(entries) = fs::read_dir(&directory) else {
                continue;
            };
            for entry in entries.flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    let path = entry.path();
                    let below = path.strip_prefix(&root).unwrap_or(&path);
                    let id = container_id(&Path::new("/").join(below).to_string_lossy());
                    self.known.entry(entry.ino()).or_insert(id);
                    directories.push(path);
                }
            }
        }
    }
}

/// The mount point of the hierarchy: the unified one, or that of the cpuset controller.
fn mount_point(mounts: &str, cgroup_v2: bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (path, kind, options) = (words.next()?, words.next()?, words.next()?);
        let wanted = match cgroup_v2 {
            true => kind == "cgroup2",
            false => kind == "cgroup" && options.split(',').any(|option| option == "cpuset"),
        };
        wanted.then(|| PathBuf::from(path))
    })
}

/// The id of the innermost container in a path below the cgroup mount point.
fn container_id(path: &str) -> Option<String> {
    let components: Vec<&str> = path.split('/').collect();
    components
        .iter()
        .enumerate()
        .rev()
        .find_map(|(index, component)| {
            if component.len() < SHORTEST {
                return None;
            }
            let name = component.strip_suffix(".scope").unwrap_or(component);
            for prefix in ["docker-", "crio-", "cri-containerd-"] {
                if let Some(id) = name.strip_prefix(prefix) {
                    // Monitors of containers are in cgroups of their own.
                    let monitor = prefix == "crio-" && id.starts_with("conmon-");
                    return (!monitor).then(|| id.to_owned());
                }
            }
            if let Some((_, id)) = component.rsplit_once(":cri-containerd:") {
                return Some(id.to_owned());
            }
            if let Some(id) = name.strip_prefix("libpod-") {
                return (!id.starts_with("conmon-")).then(|| id.to_owned());
            }
            let hex = |text: &str, len: usize| {
                text.len() == len && text.bytes().all(|byte| byte.is_ascii_hexdigit())
            };
            let plain = index > 0 && hex(name, 64);
            let groups: Vec<&str> = name.split('-').collect();
            let garden = matches!(groups.as_slice(), [first, rest @ ..]
            if rest.len() == 4 && hex(first, 8) && rest.iter().all(|group| hex(group, 4)));
            (plain || garden).then(|| name.to_owned())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_cgroup_paths() {
        let one = "0123456789abcdef".repeat(4);
        let two = "fedcba9876543210".repeat(4);
        let upper = one.to_uppercase();
        let garden = "0a1b2c3d-1111-2222-3333-4444";
        for (path, id) in [
            (format!("/system.slice/docker-{one}.scope"), Some(one.as_str())),
            (format!("/docker/{one}"), Some(&one)),
            (format!("/docker/{one}/init"), Some(&one)),
            (format!("/docker/{one}/docker/{two}"), Some(&two)),
            (format!("/docker/{upper}"), Some(&upper)),
            (format!("/docker/{}", &one[1..]), None),
            (format!("/pod1/{one}.scope"), Some(&one)),
            (
                format!("/kubepods/burstable/podX/{one}/a-directory-of-28-bytes-or-more"),
                Some(&one),
            ),
            (format!("/x/cri-containerd-{one}.scope"), Some(&one)),
            (
                format!("/system.slice/x/kubepods-burstable-pod1.slice:cri-containerd:{one}"),
                Some(&one),
            ),
            (format!("/machine.slice/libpod-{one}.scope/container"), Some(&one)),
            (format!("/machine.slice/libpod-conmon-{one}.scope"), None),
            (format!("/crio-conmon-{one}.scope/x"), None),
            (
                format!("/a/docker-{one}.scope/b/crio-conmon-{two}.scope"),
                Some(&one),
            ),
            (format!("/crio-{one}.scope"), Some(&one)),
            (format!("/{one}"), Some(&one)),
            (one.clone(), None),
            (format!("/garden/{garden}"), Some(garden)),
            (format!("/garden/{garden}.scope"), Some(garden)),
            (format!("/garden/{garden}5555"), None),
            (
                "/docker-notahash-but-long-enough-xx".to_owned(),
                Some("notahash-but-long-enough-xx"),
            ),
            ("/docker-short.scope".to_owned(), None),
            ("/lxc.payload.mycontainer-name-very-long".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(container_id(&path).as_deref(), id, "{path}");
        }
    }

    #[test]
    fn mount_points() {
        let mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(mount_point(mounts, false), Some("/sys/fs/cgroup/cpuset".into()));
        assert_eq!(mount_point(mounts, true), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mount_point("", true), None);
    }
}
