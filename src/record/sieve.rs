//! `--scope` and `--data`: which of the selected events are kept, in the language of detectors' filters.
//!
//! What can be said by lists of values is handed to the kernel as well, so that the rest costs no room in the ring buffer. The kernel
//! lets pass at least what is kept; every event that comes is looked at here once more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use capture::live::{Config, Keep};
use detectors_api::catalogue::catalogue;
use detectors_api::event::{Event, RecordedEvent};
use detectors_engine::filter::{FieldInfo, Filter};
use ebpf::filters::{Filters, PathFilter, Values};
use ebpf::plan::{self, Chosen};

use crate::exit::Failure;

/// The event whose path the kernel filters, and that field.
const OPENED: (&str, &str) = ("security_file_open", "pathname");

/// Which of the selected events are kept.
#[derive(Debug, Default, clap::Args)]
#[group(conflicts_with_all = ["stdin", "from_tracee"])]
pub(super) struct Sieve {
    /// Only events for which this holds of who did it, and where; may be repeated
    #[arg(
        long,
        value_name = "FILTER",
        long_help = "Only events for which this holds of who did it, and where, as detectors' scope filters have it: `uid=0`, `comm=nginx,sh`, \
                     `hostPid!=1`, `container=started`, `mntns=4026531841`. May be repeated: then all must hold. Lists of values of hostPid, \
                     hostTid, pid, uid, comm, cgroupId, mntns and pidns, and whether it is in a container, are looked at in the kernel. \
                     Events of processes and control groups are recorded whatever is said here, since stores are made of them"
    )]
    scope: Vec<String>,

    /// Of this event, only those for which this holds: `EVENT.FIELD=VALUE`; may be repeated
    #[arg(
        long,
        value_name = "EVENT.FILTER",
        long_help = "Of this event, only those for which this holds, as detectors' data filters have it: \
                     `security_file_open.pathname=/etc/*`, `security_socket_connect.type=1`. May be repeated: values of one field are \
                     alternatives, different fields must all hold. Other events are not concerned. The first directories of opened paths \
                     are looked at in the kernel"
    )]
    data: Vec<String>,
}

impl Sieve {
    /// Tells a recording of `events` what to keep.
    ///
    /// # Errors
    /// If a filter is wrong, or is about an event that is not recorded.
    pub(super) fn set(&self, config: &mut Config, events: &[String]) -> Result<(), Failure> {
        if self.scope.is_empty() && self.data.is_empty() {
            return Ok(());
        }
        let mut data: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for filter in &self.data {
            let (event, filter) = filter
                .split_once('.')
                .filter(|(event, _)| !event.contains(['=', '!', '<', '>']))
                .ok_or_else(|| {
                    Failure::usage(format!(
                        "--data {filter}: begin with the event: EVENT.FIELD=VALUE"
                    ))
                })?;
            if plan::find(event).is_some_and(|plan| plan.chosen == Chosen::Always) {
                return Err(Failure::usage(format!(
                    "--data: all of `{event}` is recorded: stores are made of it"
                )));
            }
            if !events.iter().any(|selected| selected == event) {
                return Err(Failure::usage(format!(
                    "--data: `{event}` is not among the events that are recorded and can be filtered; --events selects them"
                )));
            }
            // Tracee's own form has a word in between.
            let filter = filter.strip_prefix("data.").unwrap_or(filter);
            data.entry(event).or_default().push(filter.to_owned());
        }
        let kept = self.kept(&data, events)?;
        config.sensor.filters = self.in_kernel(&data);
        config.keep = Some(Arc::new(kept));
        Ok(())
    }

    fn kept(&self, data: &BTreeMap<&str, Vec<String>>, events: &[String]) -> Result<Kept, Failure> {
        let mut filters = BTreeMap::new();
        for definition in events.iter().filter_map(|event| catalogue().get(event)) {
            let own = data.get(definition.name).map_or(&[][..], Vec::as_slice);
            let fields = FieldInfo::of_event(definition, Some(std::env::consts::ARCH));
            let filter = Filter::new(&fields, own, &self.scope).map_err(|errors| {
                let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
                Failure::usage(format!("{}: {}", definition.name, errors.join("\n")))
            })?;
            filters.insert(definition.name, filter);
        }
        let scopes = self.scope.iter().map(|filter| format!("scope={filter}"));
        let data = self.data.iter().map(|filter| format!("data={filter}"));
        Ok(Kept {
            filters,
            described: scopes.chain(data).collect(),
        })
    }

    /// What the kernel can look at. Filters are known to be right by now.
    fn in_kernel(&self, data: &BTreeMap<&str, Vec<String>>) -> Filters {
        let mut filters = Filters::default();
        let (mut inside, mut outside) = (false, false);
        let (mut exact, mut inexact) = (Vec::new(), BTreeSet::new());
        for filter in &self.scope {
            let name = filter.split(['=', '!', '<', '>']).next().unwrap_or_default();
            match (KernelField::of_scope(name), Exact::parse(filter)) {
                (Some(field), Some(values)) => exact.push((field, values)),
                (Some(field), None) => drop(inexact.insert(field)),
                (None, _) => match filter.as_str() {
                    "container" | "container=started" | "container=true" | "container!=false" => {
                        inside = true;
                    }
                    "host" | "not-container" | "container=false" | "container!=true" => outside = true,
                    _ => {}
                },
            }
        }
        // Values of one scope are alternatives: one that the kernel cannot look at opens it for all.
        exact.retain(|(field, values)| !(values.equal && inexact.contains(field)));
        for (field, values) in exact {
            match field {
                KernelField::HostPid => values.numbers(&mut filters.host_pid),
                KernelField::HostTid => values.numbers(&mut filters.host_tid),
                KernelField::Pid => values.numbers(&mut filters.pid),
                KernelField::Uid => values.numbers(&mut filters.uid),
                KernelField::Comm => values.texts(&mut filters.comm),
                KernelField::Cgroup => values.numbers(&mut filters.cgroup),
                KernelField::MountNs => values.numbers(&mut filters.mnt_ns),
                KernelField::PidNs => values.numbers(&mut filters.pid_ns),
            }
        }
        filters.in_container = match (inside, outside) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        };
        let (event, field) = OPENED;
        let paths = data
            .get(event)
            .into_iter()
            .flatten()
            .filter_map(|filter| filter.split_once('='));
        filters.paths = paths
            .filter(|(name, _)| *name == field)
            .flat_map(|(_, values)| values.split(','))
            .map(|value| PathFilter {
                event,
                path: beginning(value),
            })
            .collect();
        filters
    }
}

/// What the kernel can compare with lists of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum KernelField {
    HostPid,
    HostTid,
    Pid,
    Uid,
    Comm,
    Cgroup,
    MountNs,
    PidNs,
}

impl KernelField {
    /// By the names that a scope has.
    fn of_scope(name: &str) -> Option<Self> {
        Some(match name {
            "hostPid" => Self::HostPid,
            "hostTid" | "hostThreadId" => Self::HostTid,
            "p" | "pid" | "processId" => Self::Pid,
            "uid" | "userId" => Self::Uid,
            "comm" | "processName" => Self::Comm,
            "cgroupId" => Self::Cgroup,
            "mntns" | "mountNamespace" => Self::MountNs,
            "pidns" | "pidNamespace" => Self::PidNs,
            _ => return None,
        })
    }
}

/// What every path begins with that a pattern matches: itself, if it is no pattern, else up to the last slash before the first sign.
fn beginning(pattern: &str) -> String {
    match pattern.find(['*', '?', '\\']) {
        None => pattern.to_owned(),
        Some(sign) => {
            let (plain, _) = pattern.split_at(sign);
            plain.rfind('/').map_or("/", |slash| &plain[..=slash]).to_owned()
        }
    }
}

/// A filter by lists of values that mean themselves.
struct Exact<'a> {
    equal: bool,
    values: Vec<&'a str>,
}

impl<'a> Exact<'a> {
    fn parse(filter: &'a str) -> Option<Self> {
        let operator = filter.find(['=', '!', '<', '>'])?;
        let rest = &filter[operator..];
        let (equal, values) = match (rest.strip_prefix("!="), rest.strip_prefix('=')) {
            (Some(values), _) => (false, values),
            (None, Some(values)) => (true, values),
            (None, None) => return None,
        };
        (!values.contains(['*', '?', '\\'])).then(|| Self {
            equal,
            values: values.split(',').collect(),
        })
    }

    fn add<T>(&self, to: &mut Values<T>, read: impl Fn(&str) -> Option<T>) {
        let values: Vec<T> = self.values.iter().filter_map(|value| read(value)).collect();
        if self.equal {
            to.any_of.extend(values);
        } else {
            to.none_of.extend(values);
        }
    }

    fn numbers<T: TryFrom<u64>>(&self, to: &mut Values<T>) {
        self.add(to, |value| {
            let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
            let number = match digits.split_at_checked(2) {
                Some(("0x" | "0X", digits)) => u64::from_str_radix(digits, 16),
                Some(("0o" | "0O", digits)) => u64::from_str_radix(digits, 8),
                _ => digits.parse(),
            };
            T::try_from(number.ok()?).ok()
        });
    }

    fn texts(&self, to: &mut Values<String>) {
        self.add(to, |value| Some(value.to_owned()));
    }
}

/// The events for which filters hold.
#[derive(Debug)]
struct Kept {
    /// By event.
    filters: BTreeMap<&'static str, Filter>,
    described: Vec<String>,
}

impl Keep for Kept {
    fn keeps(&self, event: &RecordedEvent) -> bool {
        let Some(filter) = self.filters.get(event.event.name.as_str()) else {
            return true;
        };
        // As it is: most events are dropped, and none of these is worth a batch.
        filter.matches(&Event::from_recorded(0, event))
    }

    fn described(&self) -> Vec<String> {
        self.described.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sieve(scope: &[&str], data: &[&str]) -> Sieve {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Sieve {
            scope: owned(scope),
            data: owned(data),
        }
    }

    fn set(sieve: &Sieve) -> Result<Config, Failure> {
        let mut config = Config::new(capture::live::Recording::new("none.tcap"));
        let events = [
            "security_file_open",
            "security_socket_connect",
            "sched_process_exec",
        ]
        .map(str::to_owned);
        sieve.set(&mut config, &events).map(|()| config)
    }

    #[test]
    fn lists_of_values_go_to_the_kernel() {
        let config = set(&sieve(
            &[
                "uid=0,0x3e8",
                "comm!=sh",
                "container=started",
                "hostPid=1",
                "hostPid>1000",
                "mntns=1",
                "pid=5",
            ],
            &["security_file_open.pathname=/etc/*,/root/.ssh/id_*,/etc/shadow"],
        ))
        .expect("right filters");
        let filters = config.sensor.filters;
        assert_eq!(filters.uid.any_of, [0, 1000]);
        assert_eq!(filters.comm.none_of, ["sh"]);
        assert_eq!(filters.in_container, Some(true));
        assert_eq!(
            filters.host_pid,
            Values::default(),
            "a range is not for the kernel"
        );
        assert_eq!((filters.mnt_ns.any_of, filters.pid.any_of), (vec![1], vec![5]));
        let paths: Vec<_> = filters.paths.iter().map(|filter| filter.path.as_str()).collect();
        assert_eq!(paths, ["/etc/", "/root/.ssh/", "/etc/shadow"]);
        let keep = config.keep.expect("filters");
        assert_eq!(keep.described().len(), 8);
    }

    #[test]
    fn the_kernel_lets_pass_what_is_kept() {
        let filters = |scope: &[&str]| set(&sieve(scope, &[])).expect("right filters").sensor.filters;
        for (scope, inside) in [
            ("container", Some(true)),
            ("container=started", Some(true)),
            ("container!=false", Some(true)),
            ("container=false", Some(false)),
            ("container!=true", Some(false)),
            ("not-container", Some(false)),
            ("uid=1", None),
        ] {
            assert_eq!(filters(&[scope]).in_container, inside, "{scope}");
        }
        assert_eq!(filters(&["uid=0X1f,+2,0o17,-0"]).uid.any_of, [31, 2, 15, 0]);
        // Alternatives of which the kernel knows one.
        let comm = filters(&["comm=sh", "processName=ba*", "comm!=cat"]).comm;
        assert_eq!((comm.any_of.len(), comm.none_of), (0, vec!["cat".to_owned()]));
    }

    #[test]
    fn mistakes_are_told() {
        for (scope, data) in [
            (&["nobody=1"][..], &[][..]),
            (&["uid=root"], &[]),
            (&[], &["pathname=/etc/*"]),
            (&[], &["security_file_open.pathnam=/etc/*"]),
            (&[], &["vfs_write.pathname=/etc/*"]),
            (&[], &["sched_process_exec.pathname=/etc/*"]),
        ] {
            assert!(set(&sieve(scope, data)).is_err(), "{scope:?} {data:?}");
        }
        assert!(set(&sieve(&[], &["security_file_open.data.pathname=/etc/*"])).is_ok());
        assert!(set(&sieve(&[], &[])).expect("no filters").keep.is_none());
    }
}
