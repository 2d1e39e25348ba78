//! All stores together: those of one machine, or of several whose events are in one order.
//!
//! Of several machines, each has stores of its own, and nothing that happens on one changes what is known of another. The sequence
//! number tells whose an event is: of `n` machines, event `seq` is of machine `seq % n`, and so is an input.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arrow::array::RecordBatch;
use detectors_api::event::EventBatch;
use detectors_api::stores::Store;

use crate::container::ContainerStore;
use crate::custom::CustomStores;
use crate::dns::DnsStore;
use crate::keyframes::{join_keyframes, part_of_keyframe, split_keyframes};
use crate::machine::{INPUTS, KEYFRAME, MachineStores};
use crate::process::ProcessStore;
use crate::reads::Source;
use crate::rows::RowsError;
use crate::symbol::SymbolStore;
use crate::syscall::SyscallStore;
use crate::system::SystemStore;
use crate::view::StoresAt;

/// What is fixed for the recording of a machine.
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
#[derive(Debug)]
pub struct Stores {
    /// Those of each machine. There is at least one.
    machines: Vec<MachineStores>,
    /// Everything before this sequence number has been applied.
    settled: u64,
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
    /// The tables of a keyframe do not fit together.
    #[error("the tables of a keyframe do not fit together: {0}")]
    Keyframe(String),
    /// Rows that cannot be read.
    #[error(transparent)]
    Rows(#[from] RowsError),
}

impl Default for Stores {
    fn default() -> Self {
        Self::new()
    }
}

impl Stores {
    /// The keyframe table of what belongs to no single store. Every keyframe has it.
    pub const KEYFRAME: &str = KEYFRAME;

    /// The names of the input tables that this version knows; keyframes have the same names, and `stores`.
    pub const INPUTS: [&str; 6] = INPUTS;

    /// Stores that know nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    /// Stores that know nothing yet, of a recording with these settings.
    #[must_use]
    pub fn with(settings: Settings) -> Self {
        Self::of_machines([settings])
    }

    /// Stores that know nothing yet, of the recordings of several machines, each with settings of its own. Without any, there is one
    /// machine of which nothing is known.
    #[must_use]
    pub fn of_machines(settings: impl IntoIterator<Item = Settings>) -> Self {
        let machines = (0..).zip(settings);
        let mut machines: Vec<_> = machines
            .map(|(number, settings)| MachineStores::with(settings, number))
            .collect();
        if machines.is_empty() {
            machines.push(MachineStores::with(Settings::default(), 0));
        }
        Self {
            machines,
            settled: 0,
            applied: 0,
        }
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

    /// The stores of each machine.
    #[must_use]
    pub fn machines(&self) -> &[MachineStores] {
        &self.machines
    }

    /// The stores of the machine that event `seq` is of.
    #[must_use]
    pub fn of(&self, seq: u64) -> &MachineStores {
        &self.machines[self.machine(seq)]
    }

    fn machine(&self, seq: u64) -> usize {
        // It fits: it is less than the number of machines.
        (seq % self.machines.len() as u64) as usize
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
        let machine = self.machine(input.seq);
        self.machines[machine].add_input(input)
    }

    /// Applies the events of the next stretch of the order, however they are cut into batches: all up to, but not including,
    /// sequence number `end`. Events of types that no store looks at change nothing.
    ///
    /// # Errors
    /// If an event does not come after all those applied before (then none has been applied), or an input is malformed.
    pub fn advance(&mut self, batches: &[EventBatch], end: u64) -> Result<(), FoldError> {
        let mut sources = Vec::new();
        // All machines have the same stores.
        for (place, (_, fold)) in self.machines[0].folds().into_iter().enumerate() {
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
            let machine = self.machine(seq);
            let machine = &mut self.machines[machine];
            machine.take_inputs(seq)?;
            let (fold, source) = &sources[source as usize];
            machine.event(*fold, seq, &source.event(row as usize));
            self.settled = seq;
            self.applied += 1;
        }
        if let Some(last) = end.checked_sub(1) {
            for machine in &mut self.machines {
                machine.take_inputs(last)?;
            }
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
    /// [`settled`](Self::settled) of the stores that it has a table of. Of several machines, each row has the number of its own.
    #[must_use]
    pub fn keyframes(&mut self) -> Vec<(&'static str, RecordBatch)> {
        let machines = self.machines.iter_mut().map(MachineStores::keyframes).collect();
        join_keyframes(machines).expect("tables of one name are made with one schema")
    }

    /// Number of rows that [`keyframes`](Self::keyframes) would have, about.
    #[must_use]
    pub fn keyframe_rows(&mut self) -> u64 {
        self.machines.iter_mut().map(MachineStores::keyframe_rows).sum()
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
        if self.settled > 0 || !self.machines.iter().all(MachineStores::is_idle) {
            return Err(FoldError::LateKeyframe);
        }
        if self.machines.len() == 1 {
            self.machines[0].restore(seq, frames, inputs)?;
        } else {
            let frames = split_keyframes(frames, self.machines.len())?;
            let mut own: Vec<Vec<Input>> = self.machines.iter().map(|_| Vec::new()).collect();
            for input in inputs {
                own[self.machine(input.seq)].push(input);
            }
            for ((machine, frames), inputs) in self.machines.iter_mut().zip(frames).zip(own) {
                machine.restore(seq, &frames, inputs)?;
            }
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
        part_of_keyframe(name, rows, kept)
    }

    /// Drops history that only questions about events before `seq` depend on. Answers about later ones do not change.
    pub fn compact(&mut self, seq: u64) {
        for machine in &mut self.machines {
            machine.compact(seq);
        }
    }

    /// The stores as of event `seq`, which happened at `time_ns` (ns since the Unix epoch): those of the machine that it is of.
    #[must_use]
    pub fn at(&self, seq: u64, time_ns: i64) -> StoresAt<'_> {
        StoresAt::new(self.of(seq), seq, time_ns)
    }

    /// How long what has ended is kept: ns of event time; for ever, if `None`. Of several machines, the longest.
    #[must_use]
    pub fn retention_ns(&self) -> Option<u64> {
        let all: Option<Vec<_>> = self.machines.iter().map(MachineStores::retention_ns).collect();
        all?.into_iter().max()
    }

    /// The core stores that can be asked, on some machine at least.
    pub fn available(&self) -> impl Iterator<Item = Store> {
        let has = |store: &Store| {
            self.machines
                .iter()
                .any(|one| one.available_names().contains(&store.name()))
        };
        Store::ALL.into_iter().filter(has)
    }

    /// The process store of the machine, if there is one; of several, that of the first: see [`of`](Self::of).
    #[must_use]
    pub fn processes(&self) -> &ProcessStore {
        self.machines[0].processes()
    }

    /// The container store of the machine, if there is one; of several, that of the first: see [`of`](Self::of).
    #[must_use]
    pub fn containers(&self) -> &ContainerStore {
        self.machines[0].containers()
    }

    /// The DNS store of the machine, if there is one; of several, that of the first: see [`of`](Self::of).
    #[must_use]
    pub fn dns(&self) -> &DnsStore {
        self.machines[0].dns()
    }

    /// The kernel symbol store of the machine, if there is one; of several, that of the first: see [`of`](Self::of).
    #[must_use]
    pub fn symbols(&self) -> &SymbolStore {
        self.machines[0].symbols()
    }

    /// The system store of the machine, if there is one; of several, that of the first: see [`of`](Self::of).
    #[must_use]
    pub fn system(&self) -> &SystemStore {
        self.machines[0].system()
    }

    /// The system-call store of the machine, if there is one; of several, that of the first: see [`of`](Self::of).
    #[must_use]
    pub fn syscalls(&self) -> &SyscallStore {
        self.machines[0].syscalls()
    }

    /// The custom stores of the machine, if there is one; of several, that of the first: see [`of`](Self::of).
    #[must_use]
    pub fn custom(&self) -> &CustomStores {
        self.machines[0].custom()
    }
}

/// The columns that are read of each event type.
fn columns_read() -> &'static BTreeMap<&'static str, Vec<&'static str>> {
    static READ: LazyLock<BTreeMap<&str, Vec<&str>>> = LazyLock::new(|| {
        let mut stores = MachineStores::default();
        let folds = stores.folds();
        let reads = folds.iter().flat_map(|(_, fold)| fold.reads());
        reads.map(|reads| (reads.event_type, reads.columns())).collect()
    });
    &READ
}
