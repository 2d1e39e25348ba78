//! Who did something: what an event says of its process, thread, parent and container.
//!
//! Events refer to it by number, to rows of a table. Its columns are found once, and not for every event.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Int32Array, PrimitiveArray, RecordBatch, StringArray, UInt32Array,
};
use arrow::datatypes::{Int32Type, TimestampNanosecondType};
use detectors_api::event::{Contexts, Event};

use super::facts::Known;
use super::intern::{Text, Texts};
use super::mention::Mention;
use crate::reads::Seen;

/// Who did it. Ids are 0 where they are unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Actor {
    /// Entity id of the process.
    pub(super) id: u32,
    pub(super) host_pid: Option<u32>,
    pub(super) pid: Known,
    pub(super) uid: Known,
    /// Path of the binary.
    pub(super) exe: Text,
    /// Entity id of the thread.
    pub(super) thread_id: u32,
    pub(super) host_tid: Option<u32>,
    pub(super) tid: Known,
    /// comm of the thread.
    pub(super) comm: Text,
    /// When the thread started: ns since the Unix epoch; 0 if unknown.
    pub(super) start_ns: u64,
    pub(super) container: Text,
    /// Entity id of the parent.
    pub(super) parent_id: u32,
    pub(super) parent_host_pid: Option<u32>,
    pub(super) parent_pid: Known,
}

impl Actor {
    /// What the event tells, wherever that lies.
    fn of(event: &Event<'_>, texts: &mut Texts) -> Self {
        let (process, thread, parent) = (event.process(), event.thread(), event.parent());
        let start_ns = thread.start_time_ns().and_then(|ns| u64::try_from(ns).ok());
        Self {
            id: process.entity_id().unwrap_or_default(),
            host_pid: process.host_pid(),
            pid: process.pid().into(),
            uid: process.uid().into(),
            exe: texts.number(process.executable_path()),
            thread_id: thread.entity_id().unwrap_or_default(),
            host_tid: thread.host_tid(),
            tid: thread.tid().into(),
            comm: texts.number(thread.name()),
            start_ns: start_ns.unwrap_or_default(),
            container: texts.number(event.container().id()),
            parent_id: parent.entity_id().unwrap_or_default(),
            parent_host_pid: parent.host_pid(),
            parent_pid: parent.pid().into(),
        }
    }

    /// The process, as the event mentions it; `None` if it does not say which.
    pub(super) fn mention(&self) -> Option<Mention> {
        Some(Mention {
            id: Some(self.id).filter(|id| *id != 0)?,
            host_pid: self.host_pid.unwrap_or_default(),
            start_ns: Some(self.start_ns).filter(|ns| *ns != 0 && self.is_leader()),
            coarse: false,
        })
    }

    /// Whether it was the leader of its process.
    pub(super) fn is_leader(&self) -> bool {
        self.host_tid
            .is_some_and(|tid| tid == self.host_pid.unwrap_or_default())
    }
}

/// The contexts that were met last, in the columns that are read of them. They have numbers of texts: when texts are numbered anew,
/// there must be new [`Actors`].
#[derive(Debug, Default)]
pub(super) struct Actors {
    /// As long as these are held, no others can be taken for them.
    contexts: Contexts,
    /// In order of their numbers.
    stretches: Vec<Stretch>,
}

impl Actors {
    /// Who did it.
    pub(super) fn who(&mut self, event: &Seen<'_>, texts: &mut Texts) -> Actor {
        event
            .context()
            .and_then(|(number, contexts)| self.read(number, contexts, texts))
            .unwrap_or_else(|| Actor::of(event.event(), texts))
    }

    /// Whom a context tells of; `None` if that does not fit into its columns.
    fn read(&mut self, number: u32, contexts: &Contexts, texts: &mut Texts) -> Option<Actor> {
        if !self.contexts.is_same(contexts) {
            self.contexts = contexts.clone();
            self.stretches = contexts.batches().filter_map(Stretch::of).collect();
        }
        let after = self.stretches.partition_point(|stretch| stretch.first <= number);
        let stretch = &mut self.stretches[after.checked_sub(1)?];
        stretch.actor((number - stretch.first) as usize, texts)
    }
}

/// A column of texts.
#[derive(Debug)]
enum Column {
    Plain(StringArray),
    Numbered {
        column: Int32Array,
        texts: StringArray,
        /// What these texts are for the store, as far as they were met.
        known: Vec<Option<Text>>,
    },
}

impl Column {
    fn of(column: &ArrayRef) -> Option<Self> {
        let Some(numbered) = column.as_dictionary_opt::<Int32Type>() else {
            return column.as_string_opt().cloned().map(Self::Plain);
        };
        let texts = numbered.values().as_string_opt()?.clone();
        Some(Self::Numbered {
            column: numbered.keys().clone(),
            known: vec![None; texts.len()],
            texts,
        })
    }

    /// The text in a row; the empty one, if there is none.
    fn text(&mut self, row: usize, all: &mut Texts) -> Text {
        match self {
            Self::Plain(column) if column.is_valid(row) => all.number(column.value(row)),
            Self::Numbered { column, texts, known } if column.is_valid(row) => {
                let Ok(number) = usize::try_from(column.value(row)) else {
                    return Text::default();
                };
                match known.get_mut(number) {
                    Some(known) if texts.is_valid(number) => {
                        *known.get_or_insert_with(|| all.number(texts.value(number)))
                    }
                    _ => Text::default(),
                }
            }
            _ => Text::default(),
        }
    }
}

/// Contexts that lie together in a table.
#[derive(Debug)]
struct Stretch {
    /// Number of the first.
    first: u32,
    numbers: [UInt32Array; NUMBERS.len()],
    texts: [Column; TEXTS.len()],
    starts: PrimitiveArray<TimestampNanosecondType>,
    /// Holds what does not fit into the other columns.
    extra: BinaryArray,
}

/// Columns of numbers that are read.
const NUMBERS: [&str; 10] = [
    "process_id",
    "host_pid",
    "pid",
    "uid",
    "thread_id",
    "host_tid",
    "tid",
    "parent_id",
    "parent_host_pid",
    "parent_pid",
];
/// Columns of texts that are read.
const TEXTS: [&str; 3] = ["exe", "comm", "container_id"];

impl Stretch {
    /// The columns of a table of contexts; `None` if it has none.
    fn of(table: &RecordBatch) -> Option<Self> {
        let column = |name| table.column_by_name(name);
        let numbers = NUMBERS.map(|name| column(name)?.as_primitive_opt().cloned());
        let texts = TEXTS.map(|name| Column::of(column(name)?));
        let first: &UInt32Array = column("ctx")?.as_primitive_opt()?;
        Some(Self {
            first: *first.values().first()?,
            numbers: all(numbers)?,
            texts: all(texts)?,
            starts: column("start_time")?.as_primitive_opt()?.clone(),
            extra: column("_extra")?.as_binary_opt()?.clone(),
        })
    }

    /// What a row tells; `None` if that does not fit into the columns.
    fn actor(&mut self, row: usize, texts: &mut Texts) -> Option<Actor> {
        if row >= self.extra.len() || self.extra.is_valid(row) {
            return None;
        }
        let [
            id,
            host_pid,
            pid,
            uid,
            thread_id,
            host_tid,
            tid,
            parent_id,
            parent_host_pid,
            parent_pid,
        ] = self
            .numbers
            .each_ref()
            .map(|column| column.is_valid(row).then(|| column.value(row)));
        let [exe, comm, container] = self.texts.each_mut().map(|column| column.text(row, texts));
        let start_ns = self.starts.is_valid(row).then(|| self.starts.value(row));
        Some(Actor {
            id: id.unwrap_or_default(),
            host_pid,
            pid: pid.into(),
            uid: uid.into(),
            exe,
            thread_id: thread_id.unwrap_or_default(),
            host_tid,
            tid: tid.into(),
            comm,
            start_ns: start_ns.and_then(|ns| u64::try_from(ns).ok()).unwrap_or_default(),
            container,
            parent_id: parent_id.unwrap_or_default(),
            parent_host_pid,
            parent_pid: parent_pid.into(),
        })
    }
}

fn all<T, const N: usize>(found: [Option<T>; N]) -> Option<[T; N]> {
    let found: Option<Vec<T>> = found.into_iter().collect();
    found?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use detectors_api::event::{BatchBuilder, EventBatch, RecordedEvent};
    use detectors_api::testkit::TestEvent;

    use super::*;
    use crate::reads::{Reads, Source};

    const EXITS: [Reads; 1] = [Reads {
        event_type: "sched_process_exit",
        fields: &[],
    }];

    /// Exits of all kinds of actors: one told in full, one with more ancestors than columns hold, a thread, and none at all.
    fn exits(program: &str) -> EventBatch {
        let exit = || TestEvent::new("sched_process_exit");
        let full = exit()
            .process(7, 70)
            .pid(2)
            .parent(1, 10)
            .uid(1000)
            .comm(program)
            .exe(&format!("/bin/{program}"))
            .container("0123", true);
        let mut deep = full.to_recorded();
        let process = deep
            .event
            .workload
            .as_mut()
            .and_then(|workload| workload.process.as_mut());
        let ancestors = &mut process.expect("a process").ancestors;
        ancestors.extend_from_within(..);
        let mut nobody = full.to_recorded();
        nobody.event.workload = None;
        let thread = full.clone().thread(8, 80).to_recorded();
        let events: [RecordedEvent; 4] = [full.to_recorded(), deep, thread, nobody];
        let mut builder = BatchBuilder::default();
        for (seq, event) in (1..).zip(&events) {
            builder.push(seq, event);
        }
        builder.finish().batches.remove(0)
    }

    #[test]
    fn columns_tell_what_the_event_tells_and_numbers_are_those_of_their_own_table() {
        let (mut actors, mut texts) = (Actors::default(), Texts::default());
        let mut found = Vec::new();
        for batch in [exits("a"), exits("b"), exits("a")] {
            let source = Source::of(&batch, &EXITS).expect("a batch of exits");
            for row in 0..batch.len() {
                let event = source.event(row);
                let actor = actors.who(&event, &mut texts);
                assert_eq!(actor, Actor::of(event.event(), &mut texts), "row {row}");
                found.push((event.context().map(|(number, _)| number), actor));
            }
        }
        let (a, b) = (found[0], found[4]);
        assert_eq!(a.0, b.0);
        assert_ne!(a.1.exe, b.1.exe);
        assert_eq!(texts.get(a.1.exe), "/bin/a");
        assert_eq!((a.1.host_pid, a.1.parent_host_pid), (Some(7), Some(1)));
        assert!(a.1.is_leader() && !found[2].1.is_leader());
        assert_eq!(found[3].1.mention(), None);
        assert_eq!(found[..4], found[8..]);
    }
}
