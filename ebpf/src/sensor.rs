//! Loading the programs and reading what they write.

use std::array;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use aya::maps::{Array, HashMap, MapData, PerCpuArray, RingBuf};
use aya::programs::{
    CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSock, FEntry, FExit, Iter, KProbe, ProgramError,
    RawTracePoint,
};
use aya::{Btf, Ebpf, EbpfLoader, VerifierLogLevel};
use detectors_api::catalogue::catalogue;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use crate::abi::{Event, LANES, PacketEvent, ParseError, Record, parse};
use crate::clock::boot_ns;
use crate::filters::{Compiled, Filters};
use crate::integrity::Integrity;
use crate::kernel::{Capability, Facts, facts, unified_hierarchy};
use crate::plan::{self, Attach, Chosen, EventPlan, Hook, Kind, Program};
use crate::symbols::Layout;
use crate::syscalls::{CallPlan, CallPlans};
use crate::tasks::{Task, read_iterator, run_iterator};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sensor.bpf.o"));

/// The ring buffer has to be a power of two of at least this many bytes.
const MIN_RING: u32 = 4096;
/// Records taken from the ring at once, so that a busy machine cannot keep the reader from its other work.
const DRAIN_MOST: usize = 65_536;

/// What the sensor watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everything but the recorder.
    #[default]
    Machine,
    /// The process with this id, which must be there, and its descendants. The programs keep the list of them, so that other
    /// processes' events cost no room in the ring buffer.
    Descendants(u32),
}

/// What the sensor is to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// Names of the events to record, besides those that are always recorded. By default those that are
    /// [chosen by default](Chosen::ByDefault).
    pub events: Vec<String>,
    /// Those of them without which there is nothing to record.
    pub required: Vec<String>,
    /// Whose events.
    pub scope: Scope,
    /// Which of their events, beside those that are always recorded.
    pub filters: Filters,
    /// Size of the ring buffer, bytes. Rounded up to a power of two.
    pub ring_bytes: u32,
    /// How long an event may wait for the reader.
    pub latency: Duration,
    /// Whether executions carry their environment.
    pub environment: bool,
    /// The addresses of the kernel's own code; without, those that `/proc/kallsyms` tells. Functions that lie elsewhere are
    /// reported as hooks.
    pub kernel_text: Option<Range<u64>>,
    /// The best kind of hooks that may be used.
    pub best: Kind,
    /// Whether the verifier is to tell in detail why it refuses a program. That can take seconds.
    pub verifier_log: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            events: plan::all()
                .filter(|plan| plan.chosen == Chosen::ByDefault)
                .map(|plan| plan.event.to_owned())
                .collect(),
            required: Vec::new(),
            scope: Scope::Machine,
            filters: Filters::default(),
            ring_bytes: 16 << 20,
            latency: Duration::from_millis(20),
            environment: false,
            kernel_text: None,
            best: Kind::Trampoline,
            verifier_log: false,
        }
    }
}

/// Why the sensor cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The programs read the registers of another machine.
    #[error(
        "the live sensor supports x86_64 kernels, this one is {0}; import events recorded by another sensor instead"
    )]
    Machine(String),
    /// Privileges are missing.
    #[error(
        "recording needs {}; run it as root, or give them to the binary: setcap {}+ep $(command -v tracee-cap)",
        names(.0, ", "), names(.0, ",").to_lowercase()
    )]
    Capabilities(Vec<Capability>),
    /// The kernel does not describe its types.
    #[error(
        "this kernel has no /sys/kernel/btf/vmlinux, which the sensor needs: it must be built with CONFIG_DEBUG_INFO_BTF: {0}"
    )]
    Btf(String),
    /// The object was refused.
    #[error("the kernel refuses the sensor's maps: {0}")]
    Object(String),
    /// An event that the sensor cannot give.
    #[error("the live sensor has no event called {0}: tracee-cap doctor lists those that it has")]
    UnknownEvent(String),
    /// A required event cannot be had on this kernel.
    #[error("{event} cannot be recorded on this kernel: {}", .refused.join("; "))]
    Unavailable {
        /// The event.
        event: &'static str,
        /// The hooks that were tried, and what the kernel said.
        refused: Vec<String>,
    },
    /// A part of the object is missing: the build is broken.
    #[error("the sensor's object has no {0}")]
    Missing(&'static str),
    /// A map could not be used.
    #[error("the sensor's {map} map: {reason}")]
    Map {
        /// Its name.
        map: &'static str,
        /// What the kernel says.
        reason: String,
    },
    /// Waiting for records failed.
    #[error("waiting for the ring buffer: {0}")]
    Wait(#[from] nix::Error),
    /// A record is no record.
    #[error(transparent)]
    Record(#[from] ParseError),
}

fn names(capabilities: &[Capability], separator: &str) -> String {
    let names: Vec<_> = capabilities.iter().map(|capability| capability.name()).collect();
    names.join(separator)
}

/// How an event is got on this kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// By a hook.
    Hooked {
        /// The hook.
        hook: String,
        /// What it loses.
        loses: Vec<String>,
    },
    /// Not at all.
    Unavailable,
}

/// An event and how it is got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventReport {
    /// Name in the catalogue.
    pub event: &'static str,
    /// How it is got.
    #[serde(flatten)]
    pub status: Status,
    /// Better hooks that the kernel refused, and what it said.
    pub refused: Vec<String>,
}

/// Records counted by the programs, summed over the CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records made, per CPU and lane, those too that found the ring buffer full.
    pub produced: Vec<[u64; LANES]>,
    /// Records lost because the ring buffer was full.
    pub ring_full: u64,
    /// Records lost because more programs interrupted each other than there are lanes.
    pub no_scratch: u64,
    /// Processes that are not recorded because the table of those in scope was full.
    pub scope_full: u64,
}

/// What a program has cost so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramCost {
    /// The program's name in the object, cut to 15 bytes.
    pub name: String,
    /// How often it ran.
    pub runs: u64,
    /// How long it ran in all.
    pub time: Duration,
}

/// What a look into the ring buffer gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// The records.
    pub records: Vec<Record>,
    /// Everything that happened up to this time has arrived, ns since boot.
    pub horizon: u64,
    /// Whether the ring buffer was empty at the end.
    pub empty: bool,
}

/// The programs, attached, and their ring buffer.
///
/// Events are recorded from [`load`](Self::load) until [`stop`](Self::stop) or drop.
pub struct Sensor {
    ring: RingBuf<MapData>,
    counters: PerCpuArray<MapData, [u64; LANES + 3]>,
    /// The programs, until the sensor is stopped.
    loaded: Option<Ebpf>,
    btf: Btf,
    latency: Duration,
    reports: Vec<EventReport>,
    integrity: Option<Integrity>,
    started: u64,
}

impl Sensor {
    /// Loads the programs and attaches those that the plan gives for the selected events.
    ///
    /// An event that the kernel does not let us see is no error; [`reports`](Self::reports) names it.
    ///
    /// # Errors
    /// If privileges, BTF or room for the maps are missing, or an event is unknown.
    pub fn load(config: &Config) -> Result<Self, Error> {
        let facts = facts();
        check(&facts)?;
        let plans = selected(&config.events)?;
        let layout = layout(config, &plans);
        let btf = Btf::from_sys_fs().map_err(|error| Error::Btf(error.to_string()))?;
        let filters = config.filters.compile();
        let mut ebpf = load_object(config, &plans, &filters, &facts, &layout, &btf)?;
        filters.fill(&mut ebpf)?;

        if let Scope::Descendants(pid) = config.scope {
            let mut scope: HashMap<_, u32, u8> = map(ebpf.map_mut("scope"), "scope")?;
            scope
                .insert(pid, 1, 0)
                .map_err(|error| map_error("scope", &error))?;
        }
        let ring = map(ebpf.take_map("ring"), "ring")?;
        let counters = map(ebpf.take_map("counters"), "counters")?;
        let mut native: Array<_, CallPlan> = map(ebpf.take_map("native_calls"), "native_calls")?;
        let mut i386: Array<_, CallPlan> = map(ebpf.take_map("i386_calls"), "i386_calls")?;

        let started = boot_ns();
        let mut loader = Loader {
            ebpf: &mut ebpf,
            btf: &btf,
            best: config.best,
            hierarchy: unified_hierarchy(),
            layout: &layout,
            attached: BTreeMap::new(),
            calls: CallPlans::new(),
        };
        let reports: Vec<_> = plans.iter().map(|plan| loader.event(plan)).collect();
        if let Some(missing) = reports.iter().find(|report| {
            report.status == Status::Unavailable && config.required.iter().any(|event| event == report.event)
        }) {
            return Err(Error::Unavailable {
                event: missing.event,
                refused: missing.refused.clone(),
            });
        }
        let given = reports
            .iter()
            .filter(|report| report.status != Status::Unavailable);
        let integrity = Integrity::new(&layout, &given.map(|report| report.event).collect());
        let calls = loader.calls;
        for (name, map, table) in [
            ("native_calls", &mut native, &calls.native),
            ("i386_calls", &mut i386, &calls.i386),
        ] {
            for (nr, plan) in CallPlans::entries(table) {
                map.set(nr, plan, 0).map_err(|error| map_error(name, &error))?;
            }
        }
        Ok(Self {
            ring,
            counters,
            loaded: Some(ebpf),
            btf,
            latency: config.latency,
            reports,
            integrity,
            started,
        })
    }

    /// Looks whether the kernel still leads where it was made to lead, if events are selected that tell: what leads elsewhere,
    /// as events without a process.
    ///
    /// # Errors
    /// If the kernel refuses the iterator.
    pub fn check_integrity(&mut self) -> Result<Vec<Event>, Error> {
        match (&mut self.integrity, &mut self.loaded) {
            (Some(integrity), Some(ebpf)) => integrity.check(ebpf),
            _ => Ok(Vec::new()),
        }
    }

    /// How each selected event is got.
    #[must_use]
    pub fn reports(&self) -> &[EventReport] {
        &self.reports
    }

    /// When the programs were attached, ns since boot.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started
    }

    /// The tasks that are alive, with exact start times, from the kernel's task iterator; an error tells why the kernel has
    /// none.
    ///
    /// # Errors
    /// If the kernel refuses the iterator.
    pub fn tasks(&mut self) -> Result<Vec<Task>, Error> {
        let ebpf = self.loaded.as_mut().ok_or(Error::Missing("programs any more"))?;
        read_iterator(ebpf, &self.btf)
    }

    /// Waits until enough bytes are queued or the latency bound is over, and takes what there is.
    ///
    /// # Errors
    /// If waiting fails or a record cannot be parsed.
    pub fn wait(&mut self) -> Result<Drained, Error> {
        let timeout = PollTimeout::try_from(self.latency).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(_) | Err(nix::Error::EINTR) => self.drain(),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes what there is.
    ///
    /// # Errors
    /// If a record cannot be parsed.
    pub fn drain(&mut self) -> Result<Drained, Error> {
        let before = boot_ns();
        let mut records = Vec::new();
        while records.len() < DRAIN_MOST
            && let Some(bytes) = self.ring.next()
        {
            records.push(parse(&bytes)?);
        }
        let empty = records.len() < DRAIN_MOST;
        let horizon = match records.last() {
            Some(last) if !empty => last.head.time.min(before),
            _ => before,
        };
        Ok(Drained {
            records,
            horizon,
            empty,
        })
    }

    /// Detaches the programs. What is in the ring buffer can still be drained; the counters are final.
    pub fn stop(&mut self) {
        self.loaded = None;
    }

    /// What each attached program has cost, as far as the kernel counts it: with `kernel.bpf_stats_enabled`, or while somebody asks it to.
    /// Nothing once the sensor is stopped.
    #[must_use]
    pub fn costs(&self) -> Vec<ProgramCost> {
        let programs = self.loaded.iter().flat_map(Ebpf::programs);
        let mut costs: Vec<_> = programs
            .filter_map(|(_, program)| program.info().ok())
            .filter(|info| info.run_count() > 0)
            .map(|info| ProgramCost {
                name: info.name_as_str().unwrap_or_default().to_owned(),
                runs: info.run_count(),
                time: info.run_time(),
            })
            .collect();
        costs.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        costs
    }

    /// What the programs have counted.
    ///
    /// # Errors
    /// If the kernel does not give the counters.
    pub fn counters(&self) -> Result<Counters, Error> {
        let values = self
            .counters
            .get(&0, 0)
            .map_err(|error| map_error("counters", &error))?;
        let sum = |index: usize| values.iter().map(|cpu| cpu[index]).sum();
        Ok(Counters {
            produced: values
                .iter()
                .map(|cpu| array::from_fn(|lane| cpu[lane]))
                .collect(),
            ring_full: sum(LANES),
            no_scratch: sum(LANES + 1),
            scope_full: sum(LANES + 2),
        })
    }
}

impl AsFd for Sensor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor belongs to the ring buffer, which lives as long as the borrow of `self`.
        unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) }
    }
}

/// How each event of the plan that is no system call would be got: attaches everything, and detaches it again.
///
/// # Errors
/// As [`Sensor::load`].
pub fn probe() -> Result<Vec<EventReport>, Error> {
    let sensor = Sensor::load(&Config {
        // Nothing is read.
        ring_bytes: MIN_RING,
        events: plan::PLAN.iter().map(|plan| plan.event.to_owned()).collect(),
        ..Config::default()
    })?;
    Ok(sensor.reports)
}

/// What the kernel says to each of `programs`: attaches them, and detaches them again. The result's `Err` is its reason.
///
/// # Errors
/// As [`Sensor::load`].
pub fn verdicts(config: &Config, programs: &[Program]) -> Result<Vec<Result<(), String>>, Error> {
    let facts = facts();
    check(&facts)?;
    let plans: Vec<_> = plan::all().collect();
    let nowhere = Layout::default();
    let btf = Btf::from_sys_fs().map_err(|error| Error::Btf(error.to_string()))?;
    let mut ebpf = load_object(config, &plans, &config.filters.compile(), &facts, &nowhere, &btf)?;
    let mut loader = Loader {
        ebpf: &mut ebpf,
        btf: &btf,
        best: config.best,
        hierarchy: unified_hierarchy(),
        layout: &nowhere,
        attached: BTreeMap::new(),
        calls: CallPlans::new(),
    };
    Ok(programs.iter().map(|program| loader.attach(program)).collect())
}

fn check(facts: &Facts) -> Result<(), Error> {
    if facts.machine != "x86_64" {
        return Err(Error::Machine(facts.machine.clone()));
    }
    let needed: Vec<_> = facts
        .missing_capabilities
        .iter()
        .copied()
        .filter(|capability| *capability != Capability::CapSysPtrace)
        .collect();
    if needed.is_empty() {
        Ok(())
    } else {
        Err(Error::Capabilities(needed))
    }
}

fn selected(events: &[String]) -> Result<Vec<EventPlan>, Error> {
    if let Some(unknown) = events.iter().find(|event| plan::find(event).is_none()) {
        return Err(Error::UnknownEvent(unknown.clone()));
    }
    let events: BTreeSet<_> = events.iter().map(String::as_str).collect();
    Ok(plan::all()
        .filter(|plan| plan.chosen == Chosen::Always || events.contains(plan.event))
        .collect())
}

/// Where things are in the kernel, if a selected event needs to know.
fn layout(config: &Config, plans: &[EventPlan]) -> Layout {
    let nowhere = Layout::default();
    let mut layout = if plans.iter().any(|plan| nowhere.lacks(plan.event).is_some()) {
        Layout::of_kernel().unwrap_or_default()
    } else {
        nowhere
    };
    if let Some(text) = &config.kernel_text {
        layout.text = Some(text.clone());
    }
    layout
}

/// Size of the programs' table of events that are wanted: the internal ids of the kernel's events are below.
const WANTED: usize = 1024;

fn load_object(
    config: &Config,
    plans: &[EventPlan],
    filters: &Compiled,
    facts: &Facts,
    layout: &Layout,
    btf: &Btf,
) -> Result<Ebpf, Error> {
    let mut wanted = [0_u8; WANTED];
    let ids = plans
        .iter()
        .filter_map(|plan| Some(catalogue().get(plan.event)?.internal_id_amd64.unsigned_abs() as usize));
    for id in ids {
        if let Some(place) = wanted.get_mut(id) {
            *place = 1;
        }
    }
    let packets = PacketEvent::ALL
        .into_iter()
        .filter(|event| plans.iter().any(|plan| plan.event == event.name()));
    let packets_wanted = packets.fold(0, |bits, event| bits | event.bit());
    let ring_bytes = config
        .ring_bytes
        .max(MIN_RING)
        .checked_next_power_of_two()
        .unwrap_or(1 << 31);
    let self_tgid = std::process::id();
    let scoped = u32::from(config.scope != Scope::Machine);
    let with_env = u32::from(config.environment);
    let cgroup_v1 = u32::from(!facts.cgroup_v2);
    // A small ring is full before the usual number of bytes is queued.
    let wake_bytes = u64::from(ring_bytes / 4).min(65_536);
    let text = layout.text.clone().unwrap_or_default();
    let mut loader = EbpfLoader::new();
    filters.set(&mut loader);
    loader
        .btf(Some(btf))
        .verifier_log_level(if config.verifier_log {
            VerifierLogLevel::DEBUG
        } else {
            VerifierLogLevel::DISABLE
        })
        .map_max_entries("ring", ring_bytes)
        .override_global("self_tgid", &self_tgid, true)
        .override_global("scoped", &scoped, true)
        .override_global("with_env", &with_env, true)
        .override_global("cgroup_v1", &cgroup_v1, true)
        .override_global("wake_bytes", &wake_bytes, true)
        .override_global("kernel_text_start", &text.start, true)
        .override_global("kernel_text_end", &text.end, true)
        .override_global("wanted", &wanted[..], true)
        .override_global("packets_wanted", &packets_wanted, true)
        .load(OBJECT)
        .map_err(|error| Error::Object(with_causes(&error)))
}

pub(crate) fn map<M, T: TryFrom<M>>(found: Option<M>, name: &'static str) -> Result<T, Error>
where
    T::Error: std::fmt::Display,
{
    let found = found.ok_or(Error::Missing(name))?;
    T::try_from(found).map_err(|error| map_error(name, &error))
}

pub(crate) fn map_error(map: &'static str, error: &dyn std::fmt::Display) -> Error {
    Error::Map {
        map,
        reason: error.to_string(),
    }
}

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Many errors already say what caused them.
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    // The verifier's log is switched off.
    match text.strip_suffix(". Verifier output: ") {
        Some(text) => text.to_owned(),
        None => text,
    }
}

/// Tries hooks, each program once.
struct Loader<'a> {
    ebpf: &'a mut Ebpf,
    btf: &'a Btf,
    best: Kind,
    /// The root of the cgroup v2 hierarchy, or why there is none.
    hierarchy: Result<File, String>,
    layout: &'a Layout,
    /// Programs that have been tried.
    attached: BTreeMap<&'static str, Result<(), String>>,
    /// What the programs at the entry and the return of system calls are to do.
    calls: CallPlans,
}

impl Loader<'_> {
    fn event(&mut self, plan: &EventPlan) -> EventReport {
        if let Some(reason) = self.layout.lacks(plan.event) {
            return EventReport {
                event: plan.event,
                status: Status::Unavailable,
                refused: vec![reason],
            };
        }
        let mut refused = Vec::new();
        let best = self.best;
        for hook in plan.hooks.iter().filter(|hook| hook.within(best)) {
            match self.hook(hook) {
                Ok(()) => {
                    match hook.derived {
                        Some(derived) => self.calls.derive(derived.bit, derived.calls),
                        None => self.calls.report(plan.event),
                    }
                    return EventReport {
                        event: plan.event,
                        status: Status::Hooked {
                            hook: hook.describe(),
                            loses: hook.loses.iter().map(ToString::to_string).collect(),
                        },
                        refused,
                    };
                }
                Err(reason) => refused.push(reason),
            }
        }
        EventReport {
            event: plan.event,
            status: Status::Unavailable,
            refused,
        }
    }

    /// Attaches the programs of a hook that are not attached yet. Those that were attached before one is refused stay: on their
    /// own they report nothing, which is why the reporting program comes last in the plan.
    fn hook(&mut self, hook: &Hook) -> Result<(), String> {
        for program in hook.programs {
            let result = match self.attached.get(program.name) {
                Some(result) => result.clone(),
                None => {
                    let result = self.attach(program);
                    self.attached.insert(program.name, result.clone());
                    result
                }
            };
            result.map_err(|reason| format!("{}: {reason}", program.attach.describe()))?;
        }
        Ok(())
    }

    fn attach(&mut self, program: &Program) -> Result<(), String> {
        let found = self
            .ebpf
            .program_mut(program.name)
            .ok_or_else(|| format!("the object has no program {}", program.name))?;
        let hierarchy = self.hierarchy.as_ref().map_err(String::clone);
        let attached = match program.attach {
            Attach::RawTracepoint(tracepoint) => <&mut RawTracePoint>::try_from(found)
                .and_then(|found| found.load().and_then(|()| found.attach(tracepoint)).map(drop)),
            Attach::Fentry(function) => <&mut FEntry>::try_from(found).and_then(|found| {
                found
                    .load(function, self.btf)
                    .and_then(|()| found.attach())
                    .map(drop)
            }),
            Attach::Fexit(function) => <&mut FExit>::try_from(found).and_then(|found| {
                found
                    .load(function, self.btf)
                    .and_then(|()| found.attach())
                    .map(drop)
            }),
            // It is attached each time the reader asks.
            Attach::TaskIterator => {
                <&mut Iter>::try_from(found).and_then(|found| found.load("task", self.btf))
            }
            // Which of both it is, the object says.
            Attach::Kprobe(function) | Attach::Kretprobe(function) => <&mut KProbe>::try_from(found)
                .and_then(|found| found.load().and_then(|()| found.attach(function, 0)).map(drop)),
            Attach::Ingress => attach_to_packets(found, hierarchy?, CgroupSkbAttachType::Ingress),
            Attach::Egress => attach_to_packets(found, hierarchy?, CgroupSkbAttachType::Egress),
            Attach::SocketMade => {
                let hierarchy = hierarchy?;
                <&mut CgroupSock>::try_from(found).and_then(|found| {
                    found.load()?;
                    found.attach(hierarchy, CgroupAttachMode::Single).map(drop)
                })
            }
            Attach::OpenFiles => return run_iterator(found, "task_file", self.btf).map(drop),
        };
        attached.map_err(|error| with_causes(&error))
    }
}

/// Attached through a link, a program leaves room for others, whatever the mode.
fn attach_to_packets(
    program: &mut aya::programs::Program,
    hierarchy: &File,
    direction: CgroupSkbAttachType,
) -> Result<(), ProgramError> {
    let program = <&mut CgroupSkb>::try_from(program)?;
    program.load()?;
    program
        .attach(hierarchy, direction, CgroupAttachMode::Single)
        .map(drop)
}
