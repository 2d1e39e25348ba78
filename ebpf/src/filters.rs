//! Filters that run in the kernel, before anything is read for an event: whose events are told, and those of which files.
//!
//! They are there to keep what nobody wants out of the ring buffer. Each lets pass at least what it names: a container is recognised by
//! its control group's name, and of a path whole components are compared. Who needs it exact decides once more what to keep. Events that
//! the process tree and the containers are made of are told whatever the filters say. `filter.h` and `output.h` have the other half.

use aya::maps::{Array, HashMap, MapData};
use aya::{Ebpf, EbpfLoader};
use detectors_api::catalogue::catalogue;

use crate::error::{Error, map, map_error};

/// Values of which one must match, and values none of which may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values<T> {
    /// One of these, if there are any.
    pub any_of: Vec<T>,
    /// None of these.
    pub none_of: Vec<T>,
}

/// The first directories of a path, or all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathFilter {
    /// The event.
    pub event: &'static str,
    /// What its path begins with, up to the last slash: `/etc/`; or a whole path: `/etc/shadow`.
    pub path: String,
}

/// Which tasks' events are told. All of it must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Process ids in the root pid namespace.
    pub host_pid: Values<u32>,
    /// Thread ids in the root pid namespace.
    pub host_tid: Values<u32>,
    /// Process ids in the process's own pid namespace.
    pub pid: Values<u32>,
    /// Real user ids.
    pub uid: Values<u32>,
    /// Names of threads, at most 15 bytes.
    pub comm: Values<String>,
    /// Inode numbers of cgroup directories.
    pub cgroup: Values<u64>,
    /// Inode numbers of mount namespaces.
    pub mnt_ns: Values<u32>,
    /// Inode numbers of pid namespaces.
    pub pid_ns: Values<u32>,
    /// Whether the task is in a container.
    pub in_container: Option<bool>,
    /// Of each event that is named here, those with one of its paths. Events whose path the programs cannot filter take no part.
    pub paths: Vec<PathFilter>,
}

/// Bytes of a path that are compared; of a longer one the first directories.
const PREFIX_MAX: usize = 64;
/// Path filters that the programs hold. With more, paths are not filtered here.
const PREFIXES: usize = 16;
/// Values that the programs hold. With more, none is filtered here.
const VALUES: usize = 4096;
const EVENTS: usize = 1024;
const IN_CONTAINER: u32 = 8;

/// `struct filter_key` of `filter.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
struct Key {
    kind: u32,
    reserved: u32,
    value: [u64; 2],
}
// SAFETY: `repr(C)`, integers only, 4 + 4 + 16 bytes are its size: no padding.
unsafe impl aya::Pod for Key {}
const _: () = assert!(size_of::<Key>() == 24);

/// `struct path_prefix` of `output.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
struct Prefix {
    event: u32,
    len: u32,
    tail: [u8; PREFIX_MAX],
}
// SAFETY: `repr(C)`, integers only, 4 + 4 + 64 bytes are its size: no padding.
unsafe impl aya::Pod for Prefix {}
const _: () = assert!(size_of::<Prefix>() == 72);

/// What the programs are given.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    values: Vec<(Key, u8)>,
    kinds_in: u32,
    kinds_out: u32,
    prefixes: Vec<Prefix>,
    filtered: [u8; EVENTS],
}

impl Filters {
    pub(crate) fn compile(&self) -> Compiled {
        let mut compiled = Compiled {
            values: Vec::new(),
            kinds_in: 0,
            kinds_out: 0,
            prefixes: Vec::new(),
            filtered: [0; EVENTS],
        };
        let wide = |values: &Values<u32>| Values {
            any_of: values.any_of.iter().copied().map(number).collect(),
            none_of: values.none_of.iter().copied().map(number).collect(),
        };
        let kinds = [
            wide(&self.host_pid),
            wide(&self.host_tid),
            wide(&self.pid),
            wide(&self.uid),
            Values {
                any_of: self.comm.any_of.iter().filter_map(|name| comm(name)).collect(),
                none_of: self.comm.none_of.iter().filter_map(|name| comm(name)).collect(),
            },
            Values {
                any_of: self.cgroup.any_of.iter().copied().map(number).collect(),
                none_of: self.cgroup.none_of.iter().copied().map(number).collect(),
            },
            wide(&self.mnt_ns),
            wide(&self.pid_ns),
        ];
        let total: usize = kinds
            .iter()
            .map(|kind| kind.any_of.len() + kind.none_of.len())
            .sum();
        if total <= VALUES {
            for (kind, values) in (0..).zip(&kinds) {
                compiled.add(kind, values);
            }
        }
        match self.in_container {
            Some(true) => compiled.kinds_in |= 1 << IN_CONTAINER,
            Some(false) => compiled.kinds_out |= 1 << IN_CONTAINER,
            None => {}
        }
        if self.paths.len() <= PREFIXES {
            self.compile_paths(&mut compiled);
        }
        compiled
    }

    fn compile_paths(&self, compiled: &mut Compiled) {
        for filter in &self.paths {
            let Some(event) = catalogue()
                .get(filter.event)
                .map(|event| event.internal_id_amd64.unsigned_abs())
            else {
                continue;
            };
            let Some(filtered) = compiled.filtered.get_mut(event as usize) else {
                continue;
            };
            let tail = tail(&filter.path);
            // One path that any path begins with lets all pass.
            if tail.is_empty() {
                compiled.prefixes.retain(|prefix| prefix.event != event);
                *filtered = 2;
            } else if *filtered != 2 {
                *filtered = 1;
                let mut prefix = Prefix {
                    event,
                    len: u32::try_from(tail.len()).unwrap_or_default(),
                    tail: [0; PREFIX_MAX],
                };
                prefix.tail[..tail.len()].copy_from_slice(&tail);
                compiled.prefixes.push(prefix);
            }
        }
        for filtered in &mut compiled.filtered {
            *filtered &= 1;
        }
    }
}

impl Compiled {
    fn add(&mut self, kind: u32, values: &Values<[u64; 2]>) {
        let key = |value: &[u64; 2]| Key {
            kind,
            reserved: 0,
            value: *value,
        };
        if !values.any_of.is_empty() {
            self.kinds_in |= 1 << kind;
            self.values
                .extend(values.any_of.iter().map(|value| (key(value), 1)));
        }
        if !values.none_of.is_empty() {
            self.kinds_out |= 1 << kind;
            // After the others: what must not be outweighs what may.
            self.values
                .extend(values.none_of.iter().map(|value| (key(value), 2)));
        }
    }

    /// Sets what must be known before programs are loaded.
    pub(crate) fn set<'a>(&'a self, loader: &mut EbpfLoader<'a>) {
        loader
            .override_global("filters_in", &self.kinds_in, true)
            .override_global("filters_out", &self.kinds_out, true)
            .override_global("path_filtered", &self.filtered[..], true);
    }

    /// Fills the programs' tables.
    pub(crate) fn fill(&self, ebpf: &mut Ebpf) -> Result<(), Error> {
        let mut values: HashMap<&mut MapData, Key, u8> = map(ebpf.map_mut("filter_values"), "filter_values")?;
        for (key, value) in &self.values {
            values
                .insert(key, value, 0)
                .map_err(|error| map_error("filter_values", &error))?;
        }
        let mut prefixes: Array<&mut MapData, Prefix> = map(ebpf.map_mut("path_prefixes"), "path_prefixes")?;
        for (index, prefix) in (0..).zip(&self.prefixes) {
            prefixes
                .set(index, prefix, 0)
                .map_err(|error| map_error("path_prefixes", &error))?;
        }
        Ok(())
    }
}

fn number(value: impl Into<u64>) -> [u64; 2] {
    [value.into(), 0]
}

/// A thread's name as the kernel keeps it. None that is longer is anybody's.
fn comm(name: &str) -> Option<[u64; 2]> {
    let mut bytes = [0; 16];
    bytes
        .get_mut(..name.len())
        .filter(|place| place.len() < 16)?
        .copy_from_slice(name.as_bytes());
    let [low, high] = [0, 8].map(|at| {
        let mut half = [0; 8];
        half.copy_from_slice(&bytes[at..at + 8]);
        u64::from_ne_bytes(half)
    });
    Some([low, high])
}

/// The components with which a path begins, as they end a chunk of components: the first one last, each ended by NUL. What does not
/// fit is left out from the end of the path.
fn tail(path: &str) -> Vec<u8> {
    let directories = path.rsplit_once('/').map_or("", |(directories, _)| directories);
    let whole = !path.ends_with('/');
    let mut tail = Vec::new();
    for component in if whole { path } else { directories }
        .split('/')
        .filter(|part| !part.is_empty())
    {
        let mut longer = component.as_bytes().to_vec();
        longer.push(0);
        longer.extend(&tail);
        if longer.len() > PREFIX_MAX {
            break;
        }
        tail = longer;
    }
    tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_by_their_first_components() {
        assert_eq!(tail("/etc/"), b"etc\0");
        assert_eq!(tail("/etc/kubernetes/"), b"kubernetes\0etc\0");
        assert_eq!(tail("/etc/shadow"), b"shadow\0etc\0");
        assert_eq!(tail("/"), b"");
        // What does not fit is left to the reader.
        assert_eq!(tail(&format!("/a/{}/", "b".repeat(70))), b"a\0");
    }

    #[test]
    fn what_must_not_be_outweighs_what_may() {
        let filters = Filters {
            uid: Values {
                any_of: vec![0, 1000],
                none_of: vec![1000],
            },
            in_container: Some(true),
            ..Filters::default()
        };
        let compiled = filters.compile();
        assert_eq!((compiled.kinds_in, compiled.kinds_out), (1 << 3 | 1 << 8, 1 << 3));
        let of_1000: Vec<_> = compiled
            .values
            .iter()
            .filter(|(key, _)| key.value == [1000, 0])
            .map(|(_, value)| *value)
            .collect();
        assert_eq!(of_1000, [1, 2], "the last one counts");
    }

    #[test]
    fn a_path_that_all_begin_with_filters_nothing() {
        let path = |path: &str| PathFilter {
            event: "security_file_open",
            path: path.to_owned(),
        };
        let filters = Filters {
            paths: vec![path("/etc/"), path("/"), path("/usr/")],
            ..Filters::default()
        };
        let compiled = filters.compile();
        assert_eq!(compiled.prefixes, []);
        assert!(compiled.filtered.iter().all(|event| *event == 0));
    }

    #[test]
    fn names_that_no_thread_can_have_are_left_out() {
        assert_eq!(comm("sh"), Some([u64::from_ne_bytes(*b"sh\0\0\0\0\0\0"), 0]));
        assert!(comm("fifteen-bytes-x").is_some());
        assert_eq!(comm("sixteen-bytes-xx"), None);
    }
}
