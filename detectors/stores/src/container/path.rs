//! Which container a cgroup belongs to, by its path.

use detectors_api::stores::Runtime;

/// Shorter names of directories name no container, bytes.
const SHORTEST: usize = 28;

/// The container that a cgroup belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CgroupContainer<'a> {
    /// The container's id, as the path spells it. Never empty.
    pub id: &'a str,
    /// What runs it, as far as the path tells.
    pub runtime: Runtime,
    /// Whether the cgroup is the container's own, and not one further down.
    pub root: bool,
}

/// The innermost container in the path of a cgroup; `None` if there is none.
///
/// The path begins at the root of its hierarchy (`/system.slice/docker-….scope`), not with the mount point. Both versions of
/// cgroups follow the same rules. Directories are looked at from the innermost to the outermost, and the first one that some
/// runtime would have made decides. Only its form counts: `docker-` followed by anything long enough is a container of Docker.
#[must_use]
pub fn container_of(path: &str) -> Option<CgroupContainer<'_>> {
    let mut outwards = path.split('/').rev().peekable();
    let mut root = true;
    while let Some(directory) = outwards.next() {
        if let Some((id, runtime)) = container_directory(directory, outwards.peek().copied()) {
            return Some(CgroupContainer { id, runtime, root });
        }
        root = false;
    }
    None
}

/// The container that has a cgroup called `name` in the directory `parent`.
fn container_directory<'a>(name: &'a str, parent: Option<&str>) -> Option<(&'a str, Runtime)> {
    if name.len() < SHORTEST {
        return None;
    }
    let unit = name.strip_suffix(".scope").unwrap_or(name);
    if let Some(id) = unit.strip_prefix("docker-") {
        return found(id, Runtime::Docker);
    }
    if let Some(id) = unit.strip_prefix("crio-") {
        return found(id, Runtime::Crio);
    }
    if let Some(id) = unit.strip_prefix("cri-containerd-") {
        return found(id, Runtime::Containerd);
    }
    // Such a directory is no unit of systemd, so that a suffix is a part of the id.
    if let Some((_, id)) = name.rsplit_once(":cri-containerd:") {
        return found(id, Runtime::Containerd);
    }
    if let Some(id) = unit.strip_prefix("libpod-") {
        return found(id, Runtime::Podman);
    }
    if let Some(parent) = parent
        && is_hex(unit, 64)
    {
        let runtime = match parent {
            "docker" | "actions_job" => Runtime::Docker,
            pod if pod.starts_with("pod") => Runtime::Containerd,
            _ => Runtime::Unknown,
        };
        return Some((unit, runtime));
    }
    is_garden(unit).then_some((unit, Runtime::Garden))
}

fn found(id: &str, runtime: Runtime) -> Option<(&str, Runtime)> {
    // A container's monitor is in a cgroup of its own.
    let monitor = matches!(runtime, Runtime::Crio | Runtime::Podman) && id.starts_with("conmon-");
    (!id.is_empty() && !monitor).then_some((id, runtime))
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether this is an id of Garden: eight hexadecimal digits, and four groups of four.
fn is_garden(name: &str) -> bool {
    let mut groups = name.split('-');
    groups.next().is_some_and(|first| is_hex(first, 8))
        && groups.clone().count() == 4
        && groups.all(|group| is_hex(group, 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Runtime::{Containerd, Crio, Docker, Garden, Podman, Unknown};

    const H: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const K: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
    const GARDEN: &str = "0a1b2c3d-1111-2222-3333-4444";
    const ROOT: bool = true;
    const NESTED: bool = false;

    /// A path, in which `H`, `K` and `G` stand for ids.
    fn spelt(path: &str) -> String {
        path.replace('H', H).replace('K', K).replace('G', GARDEN)
    }

    #[test]
    fn the_innermost_container_of_a_path() {
        for (path, id, runtime, root) in [
            ("/system.slice/docker-H.scope", "H", Docker, ROOT),
            ("/docker/H", "H", Docker, ROOT),
            ("/actions_job/H", "H", Docker, ROOT),
            ("/docker/H/init", "H", Docker, NESTED),
            ("/docker/H/docker/K", "K", Docker, ROOT),
            ("/kubepods/burstable/podX/H", "H", Containerd, ROOT),
            ("/pod1/H.scope", "H", Containerd, ROOT),
            (
                "/kubepods/burstable/podX/H/a-directory-of-28-bytes-or-more",
                "H",
                Containerd,
                NESTED,
            ),
            ("/kubepods.slice/cri-containerd-H.scope", "H", Containerd, ROOT),
            (
                "/system.slice/x/kubepods-burstable-pod1.slice:cri-containerd:H",
                "H",
                Containerd,
                ROOT,
            ),
            // Only units of systemd lose their suffix.
            (
                "/kubepods-pod1.slice:cri-containerd:H.scope",
                "H.scope",
                Containerd,
                ROOT,
            ),
            // The prefix decides before what is inside of the name.
            (
                "/cri-containerd-x:cri-containerd:H",
                "x:cri-containerd:H",
                Containerd,
                ROOT,
            ),
            ("/machine.slice/libpod-H.scope/container", "H", Podman, NESTED),
            ("/libpod_parent/libpod-H", "H", Podman, ROOT),
            // An id, but nobody says whose.
            ("/libpod_parent/H", "H", Unknown, ROOT),
            ("/foo/H", "H", Unknown, ROOT),
            ("/ecs/task/H", "H", Unknown, ROOT),
            ("/H", "H", Unknown, ROOT),
            ("/foo/H/K", "K", Unknown, ROOT),
            ("/crio-H.scope", "H", Crio, ROOT),
            ("/kubepods/pod1/crio-H", "H", Crio, ROOT),
            // Monitors are no containers, but can be in one.
            ("/a/docker-H.scope/b/crio-conmon-K.scope", "H", Docker, NESTED),
            ("/garden/G", "G", Garden, ROOT),
            ("/garden/G.scope", "G", Garden, ROOT),
            ("G", "G", Garden, ROOT),
            // What follows a prefix need not look like an id.
            (
                "/docker-notahash-but-long-enough-xx",
                "notahash-but-long-enough-xx",
                Docker,
                ROOT,
            ),
            // A name without an id says nothing; the directory around it does.
            (
                "/docker/H/kubepods-burstable-pod1.slice:cri-containerd:",
                "H",
                Docker,
                NESTED,
            ),
        ] {
            let (path, id) = (spelt(path), spelt(id));
            let expected = CgroupContainer {
                id: &id,
                runtime,
                root,
            };
            assert_eq!(container_of(&path), Some(expected), "{path}");
        }
    }

    #[test]
    fn ids_keep_their_spelling() {
        let path = format!("/docker/{}", H.to_uppercase());
        assert_eq!(
            container_of(&path).map(|found| found.id),
            Some(&path["/docker/".len()..])
        );
    }

    #[test]
    fn paths_without_a_container() {
        for path in [
            "",
            "/",
            "/user.slice/user-1000.slice/session-1.scope",
            // A bare name is not in any directory.
            "H",
            "/machine.slice/libpod-conmon-H.scope",
            "/crio-conmon-H.scope/x",
            "/garden/G5555",
            "/garden/G-5555",
            "/docker-short.scope",
            "/lxc.payload.mycontainer-name-very-long",
        ] {
            assert_eq!(container_of(&spelt(path)), None, "{path}");
        }
        assert_eq!(container_of(&format!("/docker/{}", &H[1..])), None);
        assert_eq!(container_of(&format!("/docker/{H}0")), None);
    }
}
