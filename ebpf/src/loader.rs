//! Loading the object and attaching its programs, as far as the kernel takes them.

use std::collections::BTreeMap;
use std::fs::File;

use aya::programs::{
    CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSock, FEntry, FExit, Iter, KProbe, ProgramError,
    RawTracePoint,
};
use aya::{Btf, Ebpf, EbpfLoader, VerifierLogLevel};
use detectors_api::catalogue::catalogue;

use crate::abi::PacketEvent;
use crate::error::{Error, with_causes};
use crate::filters::Compiled;
use crate::kernel::{Facts, unified_hierarchy};
use crate::plan::{Attach, EventPlan, Hook, Kind, Program};
use crate::sensor::{Config, EventReport, Scope, Status};
use crate::symbols::Layout;
use crate::syscalls::CallPlans;
use crate::tasks::run_iterator;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sensor.bpf.o"));

/// The ring buffer has to be a power of two of at least this many bytes.
pub(crate) const MIN_RING: u32 = 4096;
/// Size of the programs' table of events that are wanted: the internal ids of the kernel's events are below.
const WANTED: usize = 1024;

/// Loads the object, told what is known before its programs run.
pub(crate) fn load_object(
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
    let with_stack = u32::from(config.stack_addresses);
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
        .override_global("with_stack", &with_stack, true)
        .override_global("cgroup_v1", &cgroup_v1, true)
        .override_global("wake_bytes", &wake_bytes, true)
        .override_global("kernel_text_start", &text.start, true)
        .override_global("kernel_text_end", &text.end, true)
        .override_global("wanted", &wanted[..], true)
        .override_global("packets_wanted", &packets_wanted, true)
        .load(OBJECT)
        .map_err(|error| Error::Object(with_causes(&error)))
}

/// Tries hooks, each program once.
pub(crate) struct Loader<'a> {
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

impl<'a> Loader<'a> {
    /// Uses no hooks better than `best`.
    pub(crate) fn new(ebpf: &'a mut Ebpf, btf: &'a Btf, best: Kind, layout: &'a Layout) -> Self {
        Self {
            ebpf,
            btf,
            best,
            hierarchy: unified_hierarchy(),
            layout,
            attached: BTreeMap::new(),
            calls: CallPlans::new(),
        }
    }

    /// What the programs at the entry and the return of system calls are to do for the events that have been hooked.
    pub(crate) fn into_calls(self) -> CallPlans {
        self.calls
    }

    /// Hooks an event as well as the kernel lets it.
    pub(crate) fn event(&mut self, plan: &EventPlan) -> EventReport {
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

    /// Loads a program and attaches it; the error is the kernel's reason.
    pub(crate) fn attach(&mut self, program: &Program) -> Result<(), String> {
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
