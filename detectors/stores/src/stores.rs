//! All stores together.

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use detectors_api::event::EventBatch;
use detectors_api::stores::Store;

use crate::container::ContainerStore;
use crate::custom::{CUSTOM, CustomStores};
use crate::dns::DnsStore;
use crate::fold::Fold;
use crate::process::{ProcessStore, part};
use crate::reads::Source;
use crate::rows::{Row, RowsError, rows};
use crate::symbol::SymbolStore;
use crate::syscall::SyscallStore;
use crate::system::SystemStore;
use crate::view::StoresAt;

/// Sweeps in the time for which ended things are kept, if there are enough events.
const SWEEPS: u64 = 8;
/// Things that a sweep may look at for every event since the last one.
const LOOKS: u64 = 16;

/// What is fixed for a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How long what has ended is kept: ns of event time; for ever, if `None`.
    pub retention_ns: Option<u64>,
    /// Architecture of the recorded host, as `uname -m`; empty if unknown.
    pub architecture: String,
    /// Whether DNS events were recorded, or would have been had there been any.
    pub dns: bool,
}

/// What a store is told beside events.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Name of the store.
    pub store: String,
    /// It takes effect before the event with this sequence number.
    pub seq: u64,
    /// Rows of the store's input table.
    pub rows: RecordBatch,
}

/// All stores of a recording, with their history.
#[derive(Debug, Default)]
pub struct Stores {
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
    /// Names of the core stores that can be asked, sorted.
    available: Vec<&'static str>,
    /// Everything before this sequence number has been applied.
    settled: u64,
    /// Stretch of time in which ended things were last forgotten.
    swept: u64,
    /// Number of events since then.
    since_sweep: u64,
    /// Number of events that a store has looked at.
    applied: u64,
}

/// What cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// Events went backwards.
    #[error("event {seq} has already been applied to the stores: they are at {settled}")]
    OutOfOrder {
        /// The event's sequence number.
        seq: u64,
        /// The next one that can be applied.
        settled: u64,
    },
    /// An input comes too late.
    #[error(
        "the {store} store is told what holds since event {seq}, but events before {settled} have been applied"
    )]
    LateInput {
        /// The store.
        store: String,
        /// The input's sequence number.
        seq: u64,
        /// The next event that can be applied.
        settled: u64,
    },
    /// Rows for a store that this version does not have.
    #[error("there is no store `{store}`")]
    UnknownStore {
        /// Its name.
        store: String,
    },
    /// A keyframe after events.
    #[error("a keyframe can only be taken by stores that have seen nothing")]
    LateKeyframe,
    /// Rows that cannot be read.
    #[error(transparent)]
    Rows(#[from] RowsError),
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

impl Stores {
    /// The keyframe table of what belongs to no single store. Every keyframe has it.
    pub const KEYFRAME: &str = "stores";

    /// The names of the input tables that this version knows; keyframes have the same names, and `stores`.
    pub const INPUTS: [&str; 6] = [
        Store::Process.name(),
        Store::Container.name(),
        Store::Dns.name(),
        Store::Symbol.name(),
        Store::System.name(),
        CUSTOM,
    ];

    /// Stores that know nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    /// Stores that know nothing yet, of a recording with these settings.
    #[must_use]
    pub fn with(settings: Settings) -> Self {
        let mut stores = Self {
            syscalls: SyscallStore::for_architecture(&settings.architecture),
            settings,
            ..Self::default()
        };
        stores.find_available();
        stores
    }

    /// Whether this version knows a keyframe table of this name.
    #[must_use]
    pub fn is_keyframe_name(name: &str) -> bool {
        name == Self::KEYFRAME || Self::INPUTS.contains(&name)
    }

    /// The event types that [`advance`](Self::advance) looks at, sorted.
    #[must_use]
    pub fn event_types() -> Vec<&'static str> {
        columns_read().keys().copied().collect()
    }

    /// The columns of the [layout](detectors_api::columns::Layout) that [`advance`](Self::advance) reads of events of a type,
    /// beside `seq` and `_extra`, which every batch has; `None` if no store looks at such events. Others may be left out.
    #[must_use]
    pub fn columns(event_type: &str) -> Option<&'static [&'static str]> {
        columns_read().get(event_type).map(Vec::as_slice)
    }

    /// Takes what holds since event `input.seq`. It takes effect when that event is applied; what holds from the beginning, at
    /// once.
    ///
    /// # Errors
    /// If there is no such store, or the event has been applied already, or the rows cannot be read.
    pub fn add_input(&mut self, input: Input) -> Result<(), FoldError> {
        if input.seq < self.settled {
            return Err(FoldError::LateInput {
                store: input.store,
                seq: input.seq,
                settled: self.settled,
            });
        }
        if !self.folds().iter().any(|(name, _)| *name == input.store) {
            return Err(FoldError::UnknownStore { store: input.store });
        }
        let after = self.queue.partition_point(|other| other.seq <= input.seq);
        self.queue.insert(after, input);
        // So that it is known from the beginning which stores there are.
        self.take_inputs(0)
    }

    /// Applies the events of the next stretch of the order, however they are cut into batches: all up to, but not including,
    /// sequence number `end`. Events of types that no store looks at change nothing.
    ///
    /// # Errors
    /// If an event does not come after all those applied before (then none has been applied), or an input is malformed.
    pub fn advance(&mut self, batches: &[EventBatch], end: u64) -> Result<(), FoldError> {
        let mut sources = Vec::new();
        for (place, (_, fold)) in self.folds().into_iter().enumerate() {
            let reads = fold.reads();
            let read = batches.iter().filter_map(|batch| Source::of(batch, reads));
            sources.extend(read.map(|source| (place, source)));
        }
        let events = sources.iter().map(|(_, source)| source.seqs().len()).sum();
        let mut order: Vec<(u64, u32, u32)> = Vec::with_capacity(events);
        for (place, (_, source)) in (0..).zip(&sources) {
            order.extend((0..).zip(source.seqs()).map(|(row, seq)| (*seq, place, row)));
        }
        // Batches are in order mostly, and this sort merges what is.
        order.sort_by_key(|(seq, ..)| *seq);
        if let Some((seq, ..)) = order.first()
            && *seq < self.settled
        {
            return Err(FoldError::OutOfOrder {
                seq: *seq,
                settled: self.settled,
            });
        }
        for (seq, source, row) in order {
            self.take_inputs(seq)?;
            let (fold, source) = &sources[source as usize];
            let event = source.event(row as usize);
            self.fold(*fold).event(&event);
            self.since_sweep += 1;
            if let Some(ns) = event.time_ns() {
                self.sweep(seq, ns);
            }
            self.settled = seq;
            self.applied += 1;
        }
        if let Some(last) = end.checked_sub(1) {
            self.take_inputs(last)?;
        }
        self.settled = self.settled.max(end);
        Ok(())
    }

    /// [`advance`](Self::advance) to the end of `batches`.
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    pub fn apply(&mut self, batches: &[EventBatch]) -> Result<(), FoldError> {
        let last = batches.iter().filter_map(|batch| batch.seqs().last()).max();
        match last {
            Some(last) => self.advance(batches, last.saturating_add(1)),
            None => Ok(()),
        }
    }

    /// Everything before this sequence number has been applied.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// Number of events that a store has looked at.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// What the stores made of all events so far: tables by name. It stands for these events, and for the inputs before
    /// [`settled`](Self::settled) of the stores that it has a table of.
    #[must_use]
    pub fn keyframes(&mut self) -> Vec<(&'static str, RecordBatch)> {
        let sweep = Sweep {
            swept: self.swept,
            events: Some(self.since_sweep),
        };
        let mut frames = vec![(Self::KEYFRAME, Sweep::to_batch(&[sweep]))];
        for (name, fold) in self.folds() {
            frames.extend(fold.keyframe().map(|rows| (name, rows)));
        }
        frames
    }

    /// Number of rows that [`keyframes`](Self::keyframes) would have, about.
    #[must_use]
    pub fn keyframe_rows(&mut self) -> u64 {
        self.folds().iter().map(|(_, fold)| fold.weight()).sum()
    }

    /// Begins with keyframes that were made of all events before `seq`. Inputs before `seq` are still to be added for the
    /// stores that have no keyframe; of the others they are passed over.
    ///
    /// # Errors
    /// If something has been applied already, or a table is malformed or of no store.
    pub fn restore(
        &mut self,
        seq: u64,
        frames: &[(String, RecordBatch)],
        inputs: Vec<Input>,
    ) -> Result<(), FoldError> {
        if self.settled > 0 || !self.queue.is_empty() {
            return Err(FoldError::LateKeyframe);
        }
        for input in inputs {
            if input.seq >= seq || !frames.iter().any(|(name, _)| *name == input.store) {
                self.add_input(input)?;
            }
        }
        if let Some(last) = seq.checked_sub(1) {
            self.take_inputs(last)?;
        }
        for (name, rows) in frames {
            if name == Self::KEYFRAME {
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
        self.settled = seq;
        Ok(())
    }

    /// The `kept` rows of the keyframe table called `name`, by their numbers in increasing order, as a keyframe table of its own: its
    /// rows may name each other by their places. What makes no sense without a row that is not kept is not kept either, or does not
    /// name it any more, as far as that is possible; [`restore`](Self::restore) decides whether it is.
    ///
    /// # Errors
    /// If the table is malformed, or of no store.
    pub fn part_of_keyframe(name: &str, rows: &RecordBatch, kept: &[u32]) -> Result<RecordBatch, FoldError> {
        if !Self::is_keyframe_name(name) {
            let store = name.to_owned();
            return Err(FoldError::UnknownStore { store });
        }
        if name == Store::Process.name() {
            return Ok(part(rows, kept)?);
        }
        let kept = kept.iter().filter(|row| (**row as usize) < rows.num_rows());
        let kept: UInt32Array = kept.copied().collect();
        Ok(take_record_batch(rows, &kept).expect("rows of any type can be taken, and these exist"))
    }

    /// Drops history that only questions about events before `seq` depend on. Answers about later ones do not change.
    pub fn compact(&mut self, seq: u64) {
        for (_, fold) in self.folds() {
            fold.compact(seq);
        }
    }

    /// The stores as of event `seq`, which happened at `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, seq: u64, time_ns: i64) -> StoresAt<'_> {
        StoresAt::new(self, seq, time_ns)
    }

    /// How long what has ended is kept: ns of event time; for ever, if `None`.
    #[must_use]
    pub fn retention_ns(&self) -> Option<u64> {
        self.settings.retention_ns
    }

    /// The core stores that can be asked.
    pub fn available(&self) -> impl Iterator<Item = Store> {
        self.available.iter().filter_map(|name| Store::from_name(name))
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

    fn folds(&mut self) -> [(&'static str, &mut dyn Fold); 6] {
        let [process, container, dns, symbol, system, custom] = Self::INPUTS;
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
    fn take_inputs(&mut self, seq: u64) -> Result<(), FoldError> {
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

/// The columns that are read of each event type.
fn columns_read() -> &'static BTreeMap<&'static str, Vec<&'static str>> {
    static READ: LazyLock<BTreeMap<&str, Vec<&str>>> = LazyLock::new(|| {
        let mut stores = Stores::default();
        let folds = stores.folds();
        let reads = folds.iter().flat_map(|(_, fold)| fold.reads());
        reads.map(|reads| (reads.event_type, reads.columns())).collect()
    });
    &READ
}
