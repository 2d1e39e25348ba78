//! Detectors by chance. What they give depends on all that they were shown, so that nothing can go wrong unnoticed.

use detectors_api::catalogue::catalogue;
use detectors_api::detector::Detector;
use detectors_api::prelude::*;
use detectors_api::stores::ContainerFilter;
use detectors_engine::MAX_LEVELS;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::drawn::{data_filters, scope_filters};
use crate::filters::field;

/// What a probe panics with, always on purpose.
pub(crate) const PANIC: &str = "an unlucky number";

/// The recorded events that probes ask for.
const EVENTS: [&str; 16] = [
    "security_file_open",
    "sched_process_fork",
    "sched_process_exec",
    "sched_process_exit",
    "magic_write",
    "ptrace",
    "sys_enter",
    "pipe",
    "openat",
    "connect",
    "security_socket_connect",
    "net_packet_dns",
    "net_packet_ipv4",
    "cgroup_mkdir",
    "vfs_write",
    "close",
];

/// What a probe does; it has its place in the set as its number.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Without one it remembers nothing.
    reach: Option<Reach>,
    recorded: Vec<Recorded>,
    chained: Vec<Chained>,
    reads: Reads,
    /// Whether it asks all stores.
    asks: bool,
    /// It gives this many outputs more, modulo 3.
    outputs: u64,
    /// It fails whenever its sum is divisible by this.
    fails: u64,
    populates: [bool; 3],
    ancestry: Option<u32>,
}

/// A recorded event that a probe consumes.
#[derive(Clone, Debug)]
struct Recorded {
    event: &'static str,
    data: Vec<String>,
    scope: Vec<String>,
}

/// Events of an earlier probe that a probe consumes: all, or those with a sum up to this.
#[derive(Clone, Debug)]
struct Chained {
    number: usize,
    most: Option<u64>,
    scope: Vec<String>,
}

/// What a probe reads of an event.
#[derive(Clone, Copy, Debug)]
enum Reads {
    Nothing,
    /// Some field.
    One(&'static str),
    Process,
    All,
}

/// Sums up what it reads: with memory over all that shares a state, without over the event alone.
struct Probe {
    number: usize,
    plan: Plan,
}

/// Id of the probe with this number. The order of ids is not that of the chain.
fn id(number: usize) -> String {
    format!("{}-{number}", char::from(b'Z' - (number % 5) as u8))
}

/// The event that the probe with this number produces.
pub(crate) fn event(number: usize) -> String {
    format!("probed_{number}")
}

impl Probe {
    fn definition(&self) -> DetectorDefinition {
        let flags = [
            AutoPopulate::THREAT,
            AutoPopulate::DETECTED_FROM,
            AutoPopulate::ANCESTRY,
        ];
        let flags = flags.into_iter().zip(self.plan.populates).filter(|(_, set)| *set);
        let mut definition = DetectorDefinition::new(id(self.number), event(self.number))
            .field("sum", FieldType::UInt64)
            .field("seen", FieldType::String)
            .threat(Threat::low("Something was probed").tactic("Discovery"))
            .auto_populate(flags.fold(AutoPopulate::NONE, |all, (flag, _)| all | flag));
        for Recorded { event, data, scope } in &self.plan.recorded {
            let requirement = EventRequirement::new(*event);
            let requirement = data.iter().fold(requirement, EventRequirement::data);
            definition = definition.on(scope.iter().fold(requirement, EventRequirement::scope));
        }
        for Chained { number, most, scope } in &self.plan.chained {
            let requirement = EventRequirement::new(event(*number));
            let requirement = most
                .iter()
                .fold(requirement, |all, most| all.data(format!("sum<={most}")));
            definition = definition.on(scope.iter().fold(requirement, EventRequirement::scope));
        }
        definition
    }

    fn look(&self, sum: &mut u64, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        let text = match self.plan.reads {
            Reads::Nothing => String::new(),
            Reads::One(field) => format!("{:?}", event.value(field)),
            Reads::Process => format!(
                "{:?} {} {:?}",
                event.process().entity_id(),
                event.container().id(),
                event.timestamp_ns()
            ),
            Reads::All => format!("{:?} {:?}", event.to_proto(), event.kernel_context()),
        };
        *sum = fold(*sum, &format!("{} {} {text}", event.seq(), event.name()));
        if self.plan.asks {
            *sum = fold(*sum, &answers(event, cx));
        }
        let chance = *sum >> 32;
        if chance.is_multiple_of(5) {
            cx.warn("divisible by five");
        }
        if chance.is_multiple_of(self.plan.fails) {
            if chance.is_multiple_of(2) {
                std::panic::panic_any(PANIC);
            }
            return Err("an odd number".into());
        }
        let output = |number: u64| {
            let mut output = Output::new()
                .with("sum", sum.wrapping_add(number) % 1_000)
                .with("seen", format!("{:x}", *sum));
            output.ancestry_depth = self.plan.ancestry.filter(|_| number == 0);
            output
        };
        Ok((0..(chance + self.plan.outputs) % 3).map(output).collect())
    }
}

/// FNV-1a of what was before and of `text`.
fn fold(sum: u64, text: &str) -> u64 {
    let bytes = sum.to_le_bytes().into_iter().chain(text.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// All that stores say about an event.
fn answers(event: &Event<'_>, cx: &Context<'_>) -> String {
    let stores = cx.stores();
    let id = event.process().entity_id().unwrap_or_default();
    let pid = event.process().host_pid().unwrap_or_default();
    let ancestors = stores.processes().get_ancestry(id, 6);
    let oldest = ancestors
        .iter()
        .flatten()
        .last()
        .map_or(id, |process| process.entity_id);
    let names = ["www.google.com", "github.com", "1.1.1.1"];
    let dns: Vec<_> = names
        .iter()
        .map(|name| stores.dns().get_dns_response(name))
        .collect();
    format!(
        "{:?} {:?} {ancestors:?} {:?} {:?} {:?} {dns:?} {:?} {:?} {:?}",
        stores.processes().get_process(id),
        stores.processes().get_process_by_host_pid(pid),
        stores.processes().get_child_processes(oldest),
        stores.containers().get_container(event.container().id()),
        stores.containers().list_containers(&ContainerFilter::default()),
        stores.system().get_system_info(),
        stores.ip_reputation().get_reputation("203.0.113.7"),
        stores.list(),
    )
}

impl EventDetector for Probe {
    fn definition(&self) -> DetectorDefinition {
        self.definition()
    }

    fn on_event(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        self.look(&mut 0, event, cx)
    }
}

macro_rules! remembering {
    ($($name:ident, $reach:expr;)*) => {$(
        struct $name(Probe);

        impl StatefulDetector for $name {
            type State = u64;
            const REACH: Reach = $reach;

            fn definition(&self) -> DetectorDefinition {
                self.0.definition()
            }

            fn on_event(&self, sum: &mut u64, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
                self.0.look(sum, event, cx)
            }
        }
    )*};
}
remembering! {
    OfProcess, Reach::PerProcess;
    OfContainer, Reach::PerContainer;
    OfAll, Reach::Global;
}

/// The probes of `plans`.
pub(crate) fn probes(plans: &[Plan]) -> Vec<Box<dyn Detector>> {
    let probe = |(number, plan): (usize, &Plan)| -> Box<dyn Detector> {
        let probe = Probe {
            number,
            plan: plan.clone(),
        };
        match plan.reach {
            None => Box::new(probe),
            Some(Reach::PerProcess) => Box::new(Stateful(OfProcess(probe))),
            Some(Reach::PerContainer) => Box::new(Stateful(OfContainer(probe))),
            Some(Reach::Global) => Box::new(Stateful(OfAll(probe))),
        }
    };
    plans.iter().enumerate().map(probe).collect()
}

/// Probes that consume recorded events and those of probes before them; chains are no longer than allowed.
pub(crate) fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let reach = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Reach::PerProcess)),
        1 => Just(Some(Reach::PerContainer)),
        1 => Just(Some(Reach::Global)),
    ];
    let no_filters = || Just(Vec::new());
    let recorded = (
        select(EVENTS.to_vec()),
        prop_oneof![
            2 => no_filters(),
            1 => data_filters().prop_map(|filters| filters.into_iter().take(4).collect())
        ],
        prop_oneof![3 => no_filters(), 1 => scope_filters()],
    );
    let recorded = recorded.prop_map(|(event, data, scope): (_, Vec<String>, _)| {
        // Filters are drawn for all events; those on fields of others are not for this one.
        let definition = catalogue().get(event).expect("known");
        let of_this = |filter: &String| definition.field(field(filter)).is_some();
        Recorded {
            event,
            data: data.into_iter().filter(of_this).collect(),
            scope,
        }
    });
    let most = prop_oneof![Just(None), (0..1_000_u64).prop_map(Some)];
    let chained = (
        any::<Index>(),
        most,
        prop_oneof![3 => no_filters(), 1 => scope_filters()],
    );
    let reads = prop_oneof![
        Just(Reads::Nothing),
        select(vec![
            "pathname",
            "flags",
            "argv",
            "bytes",
            "returnValue",
            "remote_addr",
            "metadata"
        ])
        .prop_map(Reads::One),
        Just(Reads::Process),
        Just(Reads::All),
    ];
    let plan = (
        (
            reach,
            prop_oneof![1 => Just(Vec::new()), 7 => prop::collection::vec(recorded, 1..8)],
            prop::collection::vec(chained, 0..3),
        ),
        (reads, any::<bool>(), 0..3_u64, 4..30_u64),
        any::<[bool; 3]>(),
        prop_oneof![3 => Just(None), 1 => (0..4_u32).prop_map(Some)],
    );
    prop::collection::vec(plan, 1..8).prop_map(|plans| {
        let mut levels: Vec<usize> = Vec::new();
        let mut all = Vec::new();
        for ((reach, recorded, chained), (reads, asks, outputs, fails), populates, ancestry) in plans {
            let number = levels.len();
            let chained: Vec<Chained> = chained
                .into_iter()
                .filter(|_| number > 0)
                .map(|(of, most, scope): (Index, _, _)| Chained {
                    number: of.index(number),
                    most,
                    scope,
                })
                .filter(|chained| levels[chained.number] < MAX_LEVELS)
                .collect();
            let producers = chained.iter().map(|chained| levels[chained.number] + 1);
            levels.push(producers.max().unwrap_or(1));
            all.push(Plan {
                reach,
                recorded,
                chained,
                reads,
                asks,
                outputs,
                fails,
                populates,
                ancestry,
            });
        }
        all
    })
}
