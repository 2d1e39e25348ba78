//! What folds read of events: the columns of a batch are found once, and not for every event.

use std::cell::OnceCell;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, Int64Array, PrimitiveArray, StringArray,
};
use arrow::array::{UInt32Array, UInt64Array};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Int32Type, TimestampNanosecondType};
use detectors_api::columns::{CTX, TIMESTAMP, layout};
use detectors_api::event::{Contexts, Event, EventBatch, FromValue, Value};

/// An event type that changes a store, and the fields that are read of it. What it says of who did it is read, too.
#[derive(Debug)]
pub(crate) struct Reads {
    pub(crate) event_type: &'static str,
    pub(crate) fields: &'static [&'static str],
}

impl Reads {
    /// The columns in which this is kept.
    pub(crate) fn columns(&self) -> Vec<&'static str> {
        let fields = layout(self.event_type).fields().iter();
        let read = fields.filter(|field| self.fields.contains(&field.name));
        [TIMESTAMP, CTX]
            .into_iter()
            .chain(read.map(|field| field.column.as_str()))
            .collect()
    }
}

/// A batch of events of one of the types that a fold reads.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    batch: &'a EventBatch,
    seqs: &'a [u64],
    reads: &'static Reads,
    /// Place of the type among those that the fold reads.
    kind: usize,
    timestamps: Option<&'a PrimitiveArray<TimestampNanosecondType>>,
    contexts: Option<&'a UInt32Array>,
    /// In the order of [`Reads::fields`].
    fields: Vec<Column<'a>>,
    /// Whether columns are the whole truth of all events.
    plain: bool,
}

impl<'a> Source<'a> {
    /// The batch, if it is of a type that a fold with these `reads` looks at.
    pub(crate) fn of(batch: &'a EventBatch, reads: &'static [Reads]) -> Option<Self> {
        let event_type = batch.event_type();
        let kind = reads.iter().position(|reads| reads.event_type == event_type)?;
        let reads = &reads[kind];
        let column = |field: &&str| batch.field_column(field).map_or(Column::Missing, Column::of);
        Some(Self {
            batch,
            seqs: batch.seqs(),
            reads,
            kind,
            timestamps: batch
                .common_column(TIMESTAMP)
                .and_then(|column| column.as_primitive_opt()),
            contexts: batch
                .common_column(CTX)
                .and_then(|column| column.as_primitive_opt()),
            fields: reads.fields.iter().map(column).collect(),
            plain: batch.rows_with_extra().next().is_none(),
        })
    }

    pub(crate) fn seqs(&self) -> &'a [u64] {
        self.seqs
    }

    /// The event in a row.
    pub(crate) fn event(&self, row: usize) -> Seen<'_> {
        Seen {
            source: self,
            row,
            event: OnceCell::new(),
        }
    }
}

/// An event that a fold looks at. Its fields go by their place in [`Reads::fields`], so that none can be read that is not
/// among them.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    source: &'a Source<'a>,
    row: usize,
    /// Made when what is asked lies in no column of known type.
    event: OnceCell<Event<'a>>,
}

impl<'a> Seen<'a> {
    /// Place of its type among those that the fold reads.
    pub(crate) fn kind(&self) -> usize {
        self.source.kind
    }

    pub(crate) fn seq(&self) -> u64 {
        self.source.seqs[self.row]
    }

    /// When it happened: ns since the Unix epoch.
    pub(crate) fn timestamp_ns(&self) -> Option<i64> {
        let column = self.source.timestamps?;
        column.is_valid(self.row).then(|| column.value(self.row))
    }

    /// The same, where it does not lie before the epoch.
    pub(crate) fn time_ns(&self) -> Option<u64> {
        u64::try_from(self.timestamp_ns()?).ok()
    }

    /// The event itself.
    pub(crate) fn event(&self) -> &Event<'a> {
        self.event.get_or_init(|| self.source.batch.event(self.row))
    }

    /// The number of what tells who did it, and among which: events of the same number were done by the same.
    pub(crate) fn context(&self) -> Option<(u32, &'a Contexts)> {
        let column = self.source.contexts?;
        column
            .is_valid(self.row)
            .then(|| (column.value(self.row), self.source.batch.contexts()))
    }

    /// A whole number; `None` if the field has no value, or none that `T` can hold.
    #[inline]
    pub(crate) fn number<T>(&self, field: usize) -> Option<T>
    where
        T: TryFrom<i32> + TryFrom<i64> + TryFrom<u32> + TryFrom<u64> + TryFrom<i128>,
    {
        fn valid<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
            array.is_valid(row).then(|| array.value(row))
        }
        match self.column(field) {
            Column::Missing => None,
            Column::Int32(array) => T::try_from(valid(array, self.row)?).ok(),
            Column::Int64(array) => T::try_from(valid(array, self.row)?).ok(),
            Column::UInt32(array) => T::try_from(valid(array, self.row)?).ok(),
            Column::UInt64(array) => T::try_from(valid(array, self.row)?).ok(),
            _ => T::try_from(self.value(field)?.as_integer()?).ok(),
        }
    }

    /// A text; `None` if the field has no value, or another one.
    #[inline]
    pub(crate) fn text(&self, field: usize) -> Option<&str> {
        match self.column(field) {
            Column::Missing => None,
            Column::Text(array) => array.is_valid(self.row).then(|| array.value(self.row)),
            Column::Dictionary(keys, texts) => {
                let key = keys.is_valid(self.row).then(|| keys.value(self.row))?;
                let key = usize::try_from(key).ok()?;
                (key < texts.len() && texts.is_valid(key)).then(|| texts.value(key))
            }
            _ => <&str>::from_value(self.value(field)?),
        }
    }

    /// Whether something is the case; `None` if the field has no value, or another one.
    #[inline]
    pub(crate) fn flag(&self, field: usize) -> Option<bool> {
        match self.column(field) {
            Column::Missing => None,
            Column::Bool(array) => array.is_valid(self.row).then(|| array.value(self.row)),
            _ => bool::from_value(self.value(field)?),
        }
    }

    /// A value that is kept as bytes; `None` if it is read in some other way.
    pub(crate) fn bytes(&self, field: usize) -> Option<&[u8]> {
        match self.column(field) {
            Column::Bytes(array) => array.is_valid(self.row).then(|| array.value(self.row)),
            _ => None,
        }
    }

    /// A value of any type.
    pub(crate) fn value(&self, field: usize) -> Option<Value<'_>> {
        self.event().value(self.source.reads.fields[field])
    }

    /// The column of a field, if it is the whole truth.
    #[inline]
    fn column(&self, field: usize) -> &Column<'a> {
        if self.source.plain {
            &self.source.fields[field]
        } else {
            &Column::Other
        }
    }
}

/// A column whose type is known.
#[derive(Debug)]
enum Column<'a> {
    Missing,
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    UInt32(&'a UInt32Array),
    UInt64(&'a UInt64Array),
    Bool(&'a BooleanArray),
    Text(&'a StringArray),
    /// Text by number.
    Dictionary(&'a Int32Array, &'a StringArray),
    Bytes(&'a BinaryArray),
    /// Read in some other way.
    Other,
}

impl<'a> Column<'a> {
    fn of(column: &'a ArrayRef) -> Self {
        let typed = match column.data_type() {
            DataType::Int32 => column.as_primitive_opt().map(Self::Int32),
            DataType::Int64 => column.as_primitive_opt().map(Self::Int64),
            DataType::UInt32 => column.as_primitive_opt().map(Self::UInt32),
            DataType::UInt64 => column.as_primitive_opt().map(Self::UInt64),
            DataType::Boolean => column.as_boolean_opt().map(Self::Bool),
            DataType::Binary => column.as_binary_opt().map(Self::Bytes),
            DataType::Utf8 => column.as_string_opt().map(Self::Text),
            DataType::Dictionary(..) => column.as_dictionary_opt::<Int32Type>().and_then(|dictionary| {
                let texts = dictionary.values().as_string_opt()?;
                Some(Self::Dictionary(dictionary.keys(), texts))
            }),
            _ => None,
        };
        typed.unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::Stores;

    #[test]
    fn columns_are_told_of_all_types_that_stores_look_at_and_of_no_others() {
        let exit = [
            "timestamp",
            "ctx",
            "exit_code",
            "signal_code",
            "process_group_exit",
        ];
        assert_eq!(Stores::columns("sched_process_exit"), Some(&exit[..]));
        assert_eq!(Stores::columns("openat"), None);
        let types: BTreeSet<_> = Stores::event_types().into_iter().collect();
        assert_eq!(types.len(), Stores::event_types().len());
        for event in types {
            assert!(
                Stores::columns(event).is_some_and(|columns| columns.len() > 2),
                "{event}"
            );
        }
    }
}
