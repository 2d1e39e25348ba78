//! What folds read of events: the columns of a batch are found once, and not for every event.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, PrimitiveArray, StringArray,
};
use arrow::array::{UInt32Array, UInt64Array};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Int32Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type,
};
use detectors_api::columns::{CTX, TIMESTAMP, layout};
use detectors_api::event::{Event, EventBatch, FromValue, Value};

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
    reads: &'static Reads,
    /// Place of the type among those that the fold reads.
    kind: usize,
    timestamps: Option<&'a PrimitiveArray<TimestampNanosecondType>>,
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
            reads,
            kind,
            timestamps: batch
                .common_column(TIMESTAMP)
                .and_then(|column| column.as_primitive_opt()),
            fields: reads.fields.iter().map(column).collect(),
            plain: batch.rows_with_extra().next().is_none(),
        })
    }

    pub(crate) fn seqs(&self) -> &'a [u64] {
        self.batch.seqs()
    }

    /// The event in a row.
    pub(crate) fn event(&self, row: usize) -> Seen<'_> {
        Seen {
            source: self,
            row,
            event: self.batch.event(row),
        }
    }
}

/// An event that a fold looks at. Its fields go by their place in [`Reads::fields`], so that none can be read that is not
/// among them.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    source: &'a Source<'a>,
    row: usize,
    event: Event<'a>,
}

impl Seen<'_> {
    /// Place of its type among those that the fold reads.
    pub(crate) fn kind(&self) -> usize {
        self.source.kind
    }

    pub(crate) fn seq(&self) -> u64 {
        self.event.seq()
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

    /// Who did it.
    pub(crate) fn actor(&self) -> &Event<'_> {
        &self.event
    }

    /// A field; `None` if it has no value, or none that `T` can hold.
    #[inline]
    pub(crate) fn get<'e, T: FromValue<'e>>(&'e self, field: usize) -> Option<T> {
        T::from_value(self.value(field)?)
    }

    #[inline]
    pub(crate) fn value(&self, field: usize) -> Option<Value<'_>> {
        if self.source.plain {
            match self.source.fields[field].value(self.row) {
                Cell::Value(value) => return value,
                Cell::Other => {}
            }
        }
        self.event.value(self.source.reads.fields[field])
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
    /// Read in some other way.
    Other,
}

enum Cell<'a> {
    Value(Option<Value<'a>>),
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
            DataType::Utf8 => column.as_string_opt().map(Self::Text),
            DataType::Dictionary(..) => column.as_dictionary_opt::<Int32Type>().and_then(|dictionary| {
                let texts = dictionary.values().as_string_opt()?;
                Some(Self::Dictionary(dictionary.keys(), texts))
            }),
            _ => None,
        };
        typed.unwrap_or(Self::Other)
    }

    #[inline]
    fn value(&self, row: usize) -> Cell<'a> {
        fn number<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
            array.is_valid(row).then(|| array.value(row))
        }
        Cell::Value(match self {
            Self::Missing => None,
            Self::Int32(array) => number::<Int32Type>(array, row).map(Value::Int32),
            Self::Int64(array) => number::<Int64Type>(array, row).map(Value::Int64),
            Self::UInt32(array) => number::<UInt32Type>(array, row).map(Value::UInt32),
            Self::UInt64(array) => number::<UInt64Type>(array, row).map(Value::UInt64),
            Self::Bool(array) => array.is_valid(row).then(|| Value::Bool(array.value(row))),
            Self::Text(array) => array.is_valid(row).then(|| Value::Str(array.value(row))),
            Self::Dictionary(keys, texts) => {
                let key = number::<Int32Type>(keys, row).and_then(|key| usize::try_from(key).ok());
                let key = key.filter(|key| *key < texts.len() && texts.is_valid(*key));
                key.map(|key| Value::Str(texts.value(key)))
            }
            Self::Other => return Cell::Other,
        })
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
