//! The stores of one machine.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use detectors_api::stores::Store;

use crate::container::ContainerStore;
use crate::custom::{CUSTOM, CustomStores};
use crate::dns::DnsStore;
use crate::fold::Fold;
use crate::process::ProcessStore;
use crate::reads::Seen;
use crate::rows::{Row, rows};
use crate::symbol::SymbolStore;
use crate::syscall::SyscallStore;
use crate::system::SystemStore;
use crate::{FoldError, Input, Settings};

/// Sweeps in the time for which ended things are kept, if there are enough events.
const SWEEPS: u64 = 8;
/// Things that a sweep may look at for every event since the last one.
const LOOKS: u64 = 16;

/// The keyframe table of what belongs to no single store. Every keyframe has it.
pub(crate) const KEYFRAME: &str = "stores";

/// The names of the input tables.
pub(crate) const INPUTS: [&str; 6] = [
    Store::Process.name(),
    Store::Container.name(),
    Store::Dns.name(),
    Store::Symbol.name(),
    Store::System.name(),
    CUSTOM,
];

/// All stores of one machine, with their history.
#[derive(Debug, Default)]
pub struct MachineStores {
    settings: Settings,
    processes: ProcessStore,
    containers: ContainerStore,
    dns: DnsStore,
    symbols: SymbolStore,
    system: SystemStore,
    syscalls: SyscallStore,
    custom: CustomStores,
    /// Inputs that have not yet taken effect, by sequence number.
    queue: VecDeque<Input>,
    /// The lowest sequence number that an event of this machine can have: what comes before it holds from the beginning.
    first: u64,
    /// Names of the core stores that can be asked, sorted.
    available: Vec<&'static str>,
    /// Stretch of time in which ended things were last forgotten.
    swept: u64,
    /// Number of events since then.
    since_sweep: u64,
}

rows! {
    table "keyframes/stores";
    /// What a keyframe holds beside the stores.
    #[derive(Clone, Debug)]
    struct Sweep {
        /// Stretch of time in which ended things were last forgotten.
        swept: u64,
        /// Number of events since then that a store has looked at.
        events: Option<u64>,
    }
}

impl MachineStores {
    pub(crate) fn with(settings: Settings, first: u64) -> Self {
        let mut stores = Self {
            syscalls: SyscallStore::for_architecture(&settings.architecture),
            settings,
            first,
            ..Self::default()
        };
        stores.find_available();
        stores
    }

    /// Whether nothing is waiting.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn add_input(&mut self, input: Input) -> Result<(), FoldError> {
        if !INPUTS.contains(&input.store.as_str()) {
            return Err(FoldError::UnknownStore { store: input.store });
        }
        let after = self.queue.partition_point(|other| other.seq <= input.seq);
        self.queue.insert(after, input);
        // So that it is known from the beginning which stores there are.
        self.take_inputs(self.first)
    }

    /// Applies an event to the fold at `place` of [`folds`](Self::folds). All inputs before it have taken effect.
    pub(crate) fn event(&mut self, place: usize, seq: u64, event: &Seen<'_>) {
        self.fold(place).event(event);
        self.since_sweep += 1;
        if let Some(ns) = event.time_ns() {
            self.sweep(seq, ns);
        }
    }

    pub(crate) fn keyframes(&mut self) -> Vec<(&'static str, RecordBatch)> {
        let sweep = Sweep {
            swept: self.swept,
            events: Some(self.since_sweep),
        };
        let mut frames = vec![(KEYFRAME, Sweep::to_batch(&[sweep]))];
        for (name, fold) in self.folds() {
            frames.extend(fold.keyframe().map(|rows| (name, rows)));
        }
        frames
    }

    pub(crate) fn keyframe_rows(&mut self) -> u64 {
        self.folds().iter().map(|(_, fold)| fold.weight()).sum()
    }

    pub(crate) fn restore(
        &mut self,
        seq: u64,
        frames: &[(String, RecordBatch)],
        inputs: Vec<Input>,
    ) -> Result<(), FoldError> {
        for input in inputs {
            if input.seq >= seq || !frames.iter().any(|(name, _)| *name == input.store) {
                self.add_input(input)?;
            }
        }
        if let Some(last) = seq.checked_sub(1) {
            self.take_inputs(last)?;
        }
        for (name, rows) in frames {
            if name == KEYFRAME {
                if let Some(sweep) = Sweep::from_batch(rows)?.last() {
                    (self.swept, self.since_sweep) = (sweep.swept, sweep.events.unwrap_or_default());
                }
                continue;
            }
            let folds = self.folds();
            let Some((_, fold)) = folds.into_iter().find(|(store, _)| store == name) else {
                return Err(FoldError::UnknownStore { store: name.clone() });
            };
            fold.restore(seq, rows)?;
        }
        Ok(())
    }

    pub(crate) fn compact(&mut self, seq: u64) {
        for (_, fold) in self.folds() {
            fold.compact(seq);
        }
    }

    pub(crate) fn retention_ns(&self) -> Option<u64> {
        self.settings.retention_ns
    }

    /// The process store.
    #[must_use]
    pub fn processes(&self) -> &ProcessStore {
        &self.processes
    }

    /// The container store.
    #[must_use]
    pub fn containers(&self) -> &ContainerStore {
        &self.containers
    }

    /// The DNS store.
    #[must_use]
    pub fn dns(&self) -> &DnsStore {
        &self.dns
    }

    /// The kernel symbol store.
    #[must_use]
    pub fn symbols(&self) -> &SymbolStore {
        &self.symbols
    }

    /// The system store.
    #[must_use]
    pub fn system(&self) -> &SystemStore {
        &self.system
    }

    /// The system-call store.
    #[must_use]
    pub fn syscalls(&self) -> &SyscallStore {
        &self.syscalls
    }

    /// The custom stores.
    #[must_use]
    pub fn custom(&self) -> &CustomStores {
        &self.custom
    }

    /// The core stores that can be asked.
    pub fn available(&self) -> impl Iterator<Item = Store> {
        self.available.iter().filter_map(|name| Store::from_name(name))
    }

    pub(crate) fn folds(&mut self) -> [(&'static str, &mut dyn Fold); 6] {
        let [process, container, dns, symbol, system, custom] = INPUTS;
        [
            (process, &mut self.processes),
            (container, &mut self.containers),
            (dns, &mut self.dns),
            (symbol, &mut self.symbols),
            (system, &mut self.system),
            (custom, &mut self.custom),
        ]
    }

    /// The fold at `place` of [`folds`](Self::folds).
    fn fold(&mut self, place: usize) -> &mut dyn Fold {
        match place {
            0 => &mut self.processes,
            1 => &mut self.containers,
            2 => &mut self.dns,
            3 => &mut self.symbols,
            4 => &mut self.system,
            _ => &mut self.custom,
        }
    }

    /// Lets all inputs up to and including `seq` take effect.
    pub(crate) fn take_inputs(&mut self, seq: u64) -> Result<(), FoldError> {
        while let Some(input) = self.queue.pop_front_if(|input| input.seq <= seq) {
            let mut folds = self.folds();
            if let Some((_, fold)) = folds.iter_mut().find(|(name, _)| *name == input.store) {
                fold.input(input.seq, &input.rows)?;
            }
            self.find_available();
        }
        Ok(())
    }

    /// Forgets what ended long before `now_ns`, now and then: always at the same events, however they are fed.
    fn sweep(&mut self, seq: u64, now_ns: u64) {
        let Some(retention) = self.settings.retention_ns else {
            return;
        };
        let stretch = now_ns / (retention / SWEEPS).max(1);
        if stretch > self.swept && self.can_afford_sweep() {
            self.swept = stretch;
            self.since_sweep = 0;
            for (_, fold) in self.folds() {
                fold.forget(seq, now_ns.saturating_sub(retention));
            }
        }
    }

    /// Whether there have been enough events since the last sweep to pay for another one: otherwise a short retention, which
    /// an untrusted capture may have, would make every event look at everything.
    fn can_afford_sweep(&mut self) -> bool {
        let things: u64 = self.folds().iter().map(|(_, fold)| fold.things()).sum();
        self.since_sweep.saturating_mul(LOOKS) >= things
    }

    /// Names of the core stores that can be asked, sorted.
    pub(crate) fn available_names(&self) -> &[&'static str] {
        &self.available
    }

    fn find_available(&mut self) {
        let has = |store| match store {
            Store::Process | Store::Container => true,
            Store::Syscall => self.syscalls.is_known(),
            Store::Dns => self.settings.dns,
            Store::System => self.system.is_known(),
            Store::Symbol => self.symbols.is_known(),
        };
        self.available = Store::ALL
            .into_iter()
            .filter(|store| has(*store))
            .map(Store::name)
            .collect();
    }
}
