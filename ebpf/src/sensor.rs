//! The sensor: what it is told, what it says it can see, and reading what its programs write.

use std::array;
use std::collections::BTreeSet;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use aya::maps::{Array, HashMap, MapData, PerCpuArray, RingBuf};
use aya::{Btf, Ebpf};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use crate::abi::{Event, LANES, Record, parse};
use crate::clock::boot_ns;
use crate::error::{Error, map, map_error};
use crate::filters::Filters;
use crate::integrity::Integrity;
use crate::kernel::{Capability, Facts, facts};
use crate::loader::{Loader, MIN_RING, load_object};
use crate::plan::{self, Chosen, EventPlan, Kind, Program};
use crate::symbols::Layout;
use crate::syscalls::{CallPlan, CallPlans};
use crate::tasks::{Task, read_iterator};

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
    /// Whether events of tasks carry the addresses of the user stack.
    pub stack_addresses: bool,
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
            stack_addresses: false,
            kernel_text: None,
            best: Kind::Trampoline,
            verifier_log: false,
        }
    }
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
        let mut loader = Loader::new(&mut ebpf, &btf, config.best, &layout);
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
        let calls = loader.into_calls();
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
    let mut loader = Loader::new(&mut ebpf, &btf, config.best, &nowhere);
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
