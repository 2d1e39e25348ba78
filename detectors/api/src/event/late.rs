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
mod tests;
