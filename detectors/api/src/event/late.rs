//! Columns that are decoded when somebody first asks for them.
//!
//! Most events interest nobody. A reader that knows which columns decide about that reads those at once, and leaves the
//! others to a [`ColumnSource`]: they are decoded for the rows that are left, each once, by whoever asks first.
//!
//! What cannot be decoded by then can no longer be refused: such a column reads as absent, and the fault is kept, for
//! [`Event::fault`](super::Event::fault).

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int32Array, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Int32Type, UInt32Type};

use super::Contexts;
use super::batch::{dangling, same_type};
use crate::columns::{CTX, Layout};

/// Where the columns of a batch come from that were not read at once.
pub trait ColumnSource: fmt::Debug + Send + Sync {
    /// The values of the column called `column` (a name of the layout) in `rows`, in order; `None` if there is no such column. Bytes,
    /// and texts in lists, may be dictionary-encoded, as texts always may.
    ///
    /// # Errors
    /// If it cannot be decoded: the text says where and why.
    fn column(&self, column: &str, rows: &Rows) -> Result<Option<ArrayRef>, String>;

    /// The process contexts that the rows refer to.
    ///
    /// # Errors
    /// If they cannot be read: the text says where and why.
    fn contexts(&self) -> Result<Contexts, String>;
}

/// Row numbers of a [`ColumnSource`], increasing. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rows(Kept);

#[derive(Clone, Debug)]
enum Kept {
    All(Range<u32>),
    Some { rows: Arc<[u32]>, at: Range<usize> },
}

impl From<Range<u32>> for Rows {
    fn from(rows: Range<u32>) -> Self {
        Self(Kept::All(rows.start..rows.end.max(rows.start)))
    }
}

impl FromIterator<Range<u32>> for Rows {
    /// The rows of increasing ranges.
    fn from_iter<I: IntoIterator<Item = Range<u32>>>(ranges: I) -> Self {
        let mut ranges = ranges.into_iter().filter(|range| !range.is_empty()).peekable();
        let mut first = ranges.next().unwrap_or_default();
        while let Some(next) = ranges.next_if(|next| next.start == first.end) {
            first.end = next.end;
        }
        if ranges.peek().is_none() {
            return first.into();
        }
        let rows: Arc<[u32]> = first.chain(ranges.flatten()).collect();
        Self(Kept::Some {
            at: 0..rows.len(),
            rows,
        })
    }
}

impl Rows {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::All(rows) => rows.len(),
            Kept::Some { at, .. } => at.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows in order, as ranges that do not touch.
    pub fn runs(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        let (all, some) = match &self.0 {
            Kept::All(rows) => (Some(rows.clone()).filter(|rows| !rows.is_empty()), &[][..]),
            Kept::Some { rows, at } => (None, &rows[at.clone()]),
        };
        let runs = some.chunk_by(|row, next| row.checked_add(1) == Some(*next));
        all.into_iter()
            .chain(runs.map(|run| run[0]..run[run.len() - 1] + 1))
    }

    /// `len` rows from the `offset`th on.
    #[must_use]
    pub fn slice(&self, offset: usize, len: usize) -> Self {
        let cut = |first: usize, rows: usize| {
            assert!(
                offset.checked_add(len).is_some_and(|end| end <= rows),
                "{len} rows from {offset} of {rows}"
            );
            first + offset..first + offset + len
        };
        Self(match &self.0 {
            // What is cut out of a range of `u32` has such bounds.
            Kept::All(rows) => {
                Kept::All(cut(0, rows.len()).start as u32 + rows.start..(offset + len) as u32 + rows.start)
            }
            Kept::Some { rows, at } => Kept::Some {
                rows: Arc::clone(rows),
                at: cut(at.start, at.len()),
            },
        })
    }

    /// The rows at the places `of`, which increase.
    fn take(&self, of: &[u32]) -> Self {
        let rows: Arc<[u32]> = match &self.0 {
            Kept::All(rows) => of.iter().map(|place| rows.start + place).collect(),
            Kept::Some { rows, at } => {
                let rows = &rows[at.clone()];
                of.iter().map(|place| rows[*place as usize]).collect()
            }
        };
        Self(Kept::Some {
            at: 0..rows.len(),
            rows,
        })
    }
}

/// The columns of a batch that were not read at once. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Late {
    source: Arc<dyn ColumnSource>,
    rows: Rows,
    contexts: Arc<OnceLock<Result<Contexts, String>>>,
    columns: Arc<Columns>,
}

/// A column, once it is decoded: absent in the source, there, or broken.
type Decoded = Result<Option<ArrayRef>, String>;

#[derive(Debug)]
struct Columns {
    /// In the order of the layout.
    decoded: Box<[OnceLock<Decoded>]>,
    /// Whether somebody wanted to know what is in it. What was only decoded in case somebody would is nobody's fault.
    asked: Box<[AtomicBool]>,
    /// A slice has its columns decoded with those of the batch that it is cut from: what they share is decoded once.
    cut_from: Option<(Late, usize)>,
}

impl Columns {
    fn new(columns: usize, cut_from: Option<(Late, usize)>) -> Arc<Self> {
        Arc::new(Self {
            decoded: std::iter::repeat_with(OnceLock::new).take(columns).collect(),
            asked: std::iter::repeat_with(AtomicBool::default)
                .take(columns)
                .collect(),
            cut_from,
        })
    }
}

impl Late {
    pub(super) fn new(layout: &Layout, source: Arc<dyn ColumnSource>, rows: Rows) -> Self {
        Self {
            source,
            rows,
            contexts: Arc::default(),
            columns: Columns::new(layout.schema().fields().len(), None),
        }
    }

    /// The column of the layout at `slot`.
    pub(super) fn column(&self, layout: &Layout, slot: usize) -> Result<Option<&ArrayRef>, &str> {
        let asked = &self.columns.asked[slot];
        // Many threads ask for the same: a flag that is only read stays in the caches of all.
        if !asked.load(Ordering::Relaxed) {
            asked.store(true, Ordering::Relaxed);
        }
        let decoded = self.decoded(layout, slot);
        decoded.as_ref().map(Option::as_ref).map_err(String::as_str)
    }

    fn decoded(&self, layout: &Layout, slot: usize) -> &Decoded {
        self.columns.decoded[slot].get_or_init(|| match &self.columns.cut_from {
            Some((whole, offset)) => self.cut(whole.decoded(layout, slot), *offset),
            None => self.decode(layout, slot),
        })
    }

    /// These rows of a column of what they are cut from.
    fn cut(&self, whole: &Decoded, offset: usize) -> Decoded {
        let cut = |column: &ArrayRef| column.slice(offset, self.rows.len());
        whole
            .as_ref()
            .map(|column| column.as_ref().map(cut))
            .map_err(Clone::clone)
    }

    /// The column at `slot`, if it was decoded, here or for what these rows are cut from.
    fn known(&self, slot: usize) -> Option<Decoded> {
        match (self.columns.decoded[slot].get(), &self.columns.cut_from) {
            (Some(decoded), _) => Some(decoded.clone()),
            (None, Some((whole, offset))) => Some(self.cut(whole.columns.decoded[slot].get()?, *offset)),
            (None, None) => None,
        }
    }

    /// Decodes the columns at `slots` before anybody asks.
    pub(super) fn read_ahead(&self, layout: &Layout, slots: impl Iterator<Item = usize>) {
        slots.for_each(|slot| {
            self.decoded(layout, slot);
        });
    }

    /// The slots of the columns that somebody asked for.
    pub(super) fn asked(&self) -> impl Iterator<Item = usize> {
        let asked = self.columns.asked.iter().enumerate();
        asked
            .filter(|(_, asked)| asked.load(Ordering::Relaxed))
            .map(|(slot, _)| slot)
    }

    /// The source is a file that nobody has checked: what accessors rely on is checked here.
    fn decode(&self, layout: &Layout, slot: usize) -> Decoded {
        let field = layout.schema().field(slot);
        let Some(column) = self.source.column(field.name(), &self.rows)? else {
            return Ok(None);
        };
        let wrong = |found: &dyn fmt::Display, expected: &dyn fmt::Display| {
            let (column, event) = (field.name(), layout.name());
            format!("column `{column}` of event type {event} has {found}, not {expected}")
        };
        if !same_type(field.data_type(), column.data_type())
            && !is_numbered(field.data_type(), column.data_type())
        {
            return Err(wrong(column.data_type(), field.data_type()));
        }
        if column.len() != self.rows.len() {
            return Err(wrong(
                &format_args!("{} rows", column.len()),
                &format_args!("{}", self.rows.len()),
            ));
        }
        if field.name() == CTX {
            let contexts = self.read_contexts().map_err(str::to_owned)?;
            if let Some((_, ctx)) = dangling(column.as_primitive::<UInt32Type>(), contexts) {
                return Err(format!(
                    "an event of type {} refers to process context {ctx}, which is not in the process table",
                    layout.name()
                ));
            }
        }
        Ok(Some(own_texts(column)))
    }

    /// The process contexts; none, if they cannot be read.
    pub(super) fn contexts(&self) -> &Contexts {
        static NONE: OnceLock<Contexts> = OnceLock::new();
        self.read_contexts()
            .unwrap_or_else(|_| NONE.get_or_init(Contexts::default))
    }

    fn read_contexts(&self) -> Result<&Contexts, &str> {
        self.contexts
            .get_or_init(|| self.source.contexts())
            .as_ref()
            .map_err(String::as_str)
    }

    /// What is wrong with the column at `slot`, if it was decoded.
    pub(super) fn fault(&self, slot: usize) -> Option<&str> {
        match (self.columns.decoded[slot].get(), &self.columns.cut_from) {
            (Some(decoded), _) => decoded.as_ref().err().map(String::as_str),
            (None, Some((whole, _))) => whole.fault(slot),
            (None, None) => None,
        }
    }

    /// What is wrong with columns that were asked for and could not be decoded.
    pub(super) fn faults(&self) -> impl Iterator<Item = &str> {
        self.asked().filter_map(|slot| self.fault(slot))
    }

    pub(super) fn slice(&self, offset: usize, len: usize) -> Self {
        let (whole, before) = match &self.columns.cut_from {
            Some((whole, before)) => (whole.clone(), *before),
            None => (self.clone(), 0),
        };
        Self {
            rows: self.rows.slice(offset, len),
            columns: self.columns_of_part(Some((whole, before + offset))),
            ..self.clone()
        }
    }

    /// Columns of some of the rows. Whoever asked about all of them asked about these.
    fn columns_of_part(&self, cut_from: Option<(Self, usize)>) -> Arc<Columns> {
        let columns = Columns::new(self.columns.decoded.len(), cut_from);
        for slot in self.asked() {
            columns.asked[slot].store(true, Ordering::Relaxed);
        }
        columns
    }

    /// The rows at the places `of`. What is decoded stays so; what is not will be decoded for these rows only.
    pub(super) fn take(&self, of: &UInt32Array) -> Self {
        let columns = self.columns_of_part(None);
        for (slot, taken) in columns.decoded.iter().enumerate() {
            let Some(decoded) = self.known(slot) else { continue };
            taken.get_or_init(|| {
                let column = decoded?.map(|column| take(&column, of, None)).transpose();
                column.map_err(|error| error.to_string())
            });
        }
        Self {
            rows: self.rows.take(of.values()),
            columns,
            ..self.clone()
        }
    }
}

/// Whether `found` is the type `expected` with values by number: of bytes, of texts, or of texts in lists.
pub(super) fn is_numbered(expected: &DataType, found: &DataType) -> bool {
    match (expected, found) {
        (DataType::Binary | DataType::Utf8, DataType::Dictionary(numbers, values)) => {
            **numbers == DataType::Int32 && **values == *expected
        }
        (DataType::List(expected), DataType::List(found)) => {
            is_numbered(expected.data_type(), found.data_type())
        }
        _ => false,
    }
}

/// The rows `of` of `column`.
pub(super) fn take_column(column: &ArrayRef, of: &UInt32Array) -> ArrayRef {
    own_texts(take(column, of, None).expect("rows of any type can be taken, and these exist"))
}

/// `column` without the part of its dictionary that it does not use, if that is most of it: few rows shall not keep the
/// texts of all others in memory.
fn own_texts(column: ArrayRef) -> ArrayRef {
    match column.as_dictionary_opt::<Int32Type>() {
        Some(dictionary) if dictionary.values().len() / 2 > dictionary.len() => {
            let (keys, texts) = (dictionary.keys(), dictionary.values());
            let texts = take(texts, keys, None).expect("keys are in the dictionary");
            // There are fewer rows than texts were, and those had numbers of this type.
            let rows = Int32Array::from_iter_values(0..keys.len() as i32);
            let keys = Int32Array::new(rows.values().clone(), keys.nulls().cloned());
            Arc::new(DictionaryArray::new(keys, texts))
        }
        _ => column,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use arrow::array::RecordBatch;
    use arrow::datatypes::{Field, Schema};

    use super::*;
    use crate::columns::{EXTRA, SEQ, layout};
    use crate::event::{BatchBuilder, EventBatch, RecordedEvent};
    use crate::proto::{self, EventValue, event_value};

    /// Columns in memory, and what was asked of them.
    #[derive(Debug)]
    struct Memory {
        whole: RecordBatch,
        contexts: Contexts,
        asked: Mutex<Vec<(String, Vec<u32>)>>,
    }

    impl ColumnSource for Memory {
        fn column(&self, column: &str, rows: &Rows) -> Result<Option<ArrayRef>, String> {
            let rows: Vec<u32> = rows.runs().flatten().collect();
            let of = UInt32Array::from(rows.clone());
            self.asked
                .lock()
                .expect("nobody panicked")
                .push((column.to_owned(), rows));
            let column = self.whole.column_by_name(column);
            column
                .map(|column| take(column, &of, None).map_err(|error| error.to_string()))
                .transpose()
        }

        fn contexts(&self) -> Result<Contexts, String> {
            Ok(self.contexts.clone())
        }
    }

    fn close(fd: i32) -> RecordedEvent {
        let mut event = proto::Event {
            name: "close".to_owned(),
            id: 3,
            data: vec![
                EventValue {
                    name: "fd".to_owned(),
                    value: Some(event_value::Value::Int32(fd)),
                },
                EventValue {
                    name: "returnValue".to_owned(),
                    value: Some(event_value::Value::Int64(0)),
                },
            ],
            ..Default::default()
        };
        let process = proto::Process {
            host_pid: Some(fd as u32),
            ..Default::default()
        };
        event.workload = Some(proto::Workload {
            process: Some(process),
            ..Default::default()
        });
        event.into()
    }

    /// Ten events with only `seq` and `_extra` read at once.
    fn late(change: impl FnOnce(&mut Memory)) -> (EventBatch, Arc<Memory>) {
        let mut builder = BatchBuilder::new(0);
        for n in 0..10 {
            builder.push(n, &close(n as i32));
        }
        let whole = builder.finish().batches.remove(0);
        let columns = whole.record_batch();
        let schema = columns.schema();
        let at_once: Vec<_> = [SEQ, EXTRA]
            .iter()
            .map(|name| schema.index_of(name).expect("is in every layout"))
            .collect();
        let at_once = columns.project(&at_once).expect("has these columns");
        let mut memory = Memory {
            whole: columns.clone(),
            contexts: whole.contexts().clone(),
            asked: Mutex::default(),
        };
        change(&mut memory);
        let memory = Arc::new(memory);
        let batch = EventBatch::try_new("close", at_once, Contexts::default()).expect("is well-formed");
        (
            batch.with_late_columns(Arc::clone(&memory) as _, (0..10).into()),
            memory,
        )
    }

    fn asked(memory: &Memory) -> Vec<(String, Vec<u32>)> {
        std::mem::take(&mut *memory.asked.lock().expect("nobody panicked"))
    }

    #[test]
    fn a_column_is_decoded_once_and_for_the_rows_that_are_left() {
        let (batch, memory) = late(|_| ());
        assert_eq!(asked(&memory), []);
        let few = batch.take(&[1, 2, 5, 9]);
        let (first, second) = (few.slice(0, 2), few.slice(2, 2));
        for (batch, fds) in [(&second, [5, 9]), (&first, [1, 2]), (&first, [1, 2])] {
            let found: Vec<_> = batch
                .events()
                .filter_map(|event| event.get::<i32>("fd"))
                .collect();
            assert_eq!(found, fds);
        }
        // The slices share what they were cut from.
        assert_eq!(asked(&memory), [("fd".to_owned(), vec![1, 2, 5, 9])]);
        // What is decoded is not decoded again.
        assert_eq!(few.take(&[3]).event(0).get::<i32>("fd"), Some(9));
        assert_eq!(asked(&memory), []);
        let inner = second.slice(1, 1).take(&[0]);
        assert_eq!(inner.event(0).get::<i64>("returnValue"), Some(0));
        assert_eq!(asked(&memory), [("returnValue".to_owned(), vec![9])]);
        assert_eq!(inner.event(0).process().host_pid(), Some(9));
        assert_eq!(inner.event(0).to_recorded(), close(9));
    }

    /// Every column has the numbers of `seq`.
    fn mistype(memory: &mut Memory) {
        let schema = memory.whole.schema();
        let fields = schema.fields().iter();
        let fields: Vec<_> = fields
            .map(|field| Field::new(field.name(), DataType::UInt64, true))
            .collect();
        let arrays = vec![Arc::clone(memory.whole.column(0)); fields.len()];
        memory.whole = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("as it says");
    }

    #[test]
    fn what_a_source_gives_is_checked() {
        type Change = fn(&mut Memory);
        let cases: [(Change, &str); 3] = [
            (
                |memory| memory.contexts = Contexts::default(),
                "refers to process context 0",
            ),
            (mistype, "column `ctx` of event type close has UInt64, not UInt32"),
            (
                |memory| memory.whole = memory.whole.project(&[]).expect("nothing is asked for"),
                "",
            ),
        ];
        for (change, expected) in cases {
            let (batch, _) = late(change);
            let event = batch.event(0);
            assert_eq!(event.process().host_pid(), None);
            let fault = event.fault().unwrap_or_default();
            assert!(
                fault.contains(expected) && fault.is_empty() == expected.is_empty(),
                "{fault}"
            );
            assert_eq!(batch.faults().collect::<Vec<_>>().join(" "), fault);
        }
    }

    #[test]
    fn what_is_read_ahead_is_nobody_s_fault() {
        let (batch, memory) = late(mistype);
        let slot = |name| layout("close").schema().index_of(name).expect("is there");
        let few = batch.take(&[1, 2, 9]);
        few.read_ahead(&[slot("fd"), slot(CTX), 1_000]);
        assert_eq!(asked(&memory).len(), 2);
        let (first, second) = (few.slice(0, 1), few.slice(1, 2));
        assert_eq!(few.faults().chain(first.faults()).next(), None);
        assert!(few.late_columns_asked_for().is_empty());
        assert_eq!(second.event(1).get::<i32>("fd"), None);
        assert!(second.faults().all(|fault| fault.contains("fd")) && second.faults().count() == 1);
        assert_eq!(few.faults().chain(first.faults()).next(), None);
        assert_eq!(second.late_columns_asked_for(), [slot("fd")]);
        // Nothing was decoded again.
        assert_eq!(asked(&memory), []);
        // Whoever asks about a batch asks about all parts of it.
        assert_eq!(few.event(0).get::<i32>("fd"), None);
        assert!(
            [few.slice(2, 1), few.take(&[0])]
                .iter()
                .all(|part| part.faults().count() == 1)
        );
    }

    #[test]
    fn few_rows_keep_few_texts() {
        let texts: Vec<_> = (0..100)
            .map(|n| (n % 7 > 0).then(|| format!("text {}", n / 2)))
            .collect();
        let column: DictionaryArray<Int32Type> = texts.iter().map(Option::as_deref).collect();
        let column: ArrayRef = Arc::new(column);
        let texts_of = |column: &ArrayRef| {
            let rows = 0..column.len();
            rows.map(|row| crate::event::value::text(column, row).map(str::to_owned))
                .collect::<Vec<_>>()
        };
        for (of, kept) in [(vec![3, 14, 15, 99], 4), ((0..40).collect(), 50)] {
            let taken = take_column(&column, &UInt32Array::from(of.clone()));
            let wanted: Vec<_> = of.iter().map(|row| texts[*row as usize].clone()).collect();
            assert_eq!(texts_of(&taken), wanted);
            assert_eq!(taken.as_dictionary::<Int32Type>().values().len(), kept);
        }
        assert_eq!(
            take_column(&column, &UInt32Array::from(Vec::<u32>::new())).len(),
            0
        );
    }

    #[test]
    fn rows() {
        let runs = |rows: &Rows| format!("{:?}", rows.runs().collect::<Vec<_>>());
        let all = Rows::from(3..9);
        assert_eq!(runs(&all), "[3..9]");
        assert_eq!(runs(&all.slice(2, 3)), "[5..8]");
        assert_eq!(runs(&all.slice(6, 0)), "[]");
        let some = all.take(&[0, 1, 3, 5]);
        assert_eq!(runs(&some), "[3..5, 6..7, 8..9]");
        assert_eq!(runs(&some.slice(1, 2)), "[4..5, 6..7]");
        assert_eq!(runs(&some.slice(1, 2).take(&[1])), "[6..7]");
        assert_eq!(runs(&[0..2, 2..4, 4..4].into_iter().collect()), "[0..4]");
        assert_eq!(runs(&[0..2, 3..4].into_iter().collect()), "[0..2, 3..4]");
        assert_eq!(runs(&std::iter::empty().collect()), "[]");
    }

    #[test]
    fn common_columns_have_their_slots_in_every_layout() {
        use crate::columns::*;
        use crate::event::batch::slot;
        let names = [
            (slot::SEQ, SEQ),
            (slot::TIMESTAMP, TIMESTAMP),
            (slot::CTX, CTX),
            (slot::EVENT_ID, EVENT_ID),
            (slot::THREAD_SYSCALL, THREAD_SYSCALL),
            (slot::USER_STACK, USER_STACK),
            (slot::PROCESSOR, PROCESSOR),
        ];
        let types = crate::catalogue::catalogue()
            .iter()
            .map(|definition| definition.name);
        for layout in types.chain([OTHER]).map(layout) {
            for (slot, name) in names {
                assert_eq!(layout.schema().field(slot).name(), name);
            }
            for (field, slot) in layout.fields().iter().zip(layout.slots()) {
                assert_eq!(layout.schema().field(*slot).name(), &field.column);
            }
            assert_eq!(
                layout.schema().fields().last().map(|field| field.name().as_str()),
                Some(EXTRA)
            );
        }
        assert_eq!(layout(OTHER).schema().field(slot::NAME).name(), NAME);
    }
}
