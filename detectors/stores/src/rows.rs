//! Rows of the tables in which a capture keeps what stores need: Arrow batches to and from structs.
//!
//! Columns are found by name. Others are ignored and nullable ones may be missing, so that tables of newer and older
//! versions can be read.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, ListArray, ListBuilder, RecordBatch,
    StringArray, StringBuilder, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, SchemaRef};

/// Rows that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// A column is missing.
    #[error("the table {table} has no column `{column}`")]
    MissingColumn {
        /// Name of the table.
        table: &'static str,
        /// Name of the column.
        column: &'static str,
    },
    /// A column has another type.
    #[error("column `{column}` of the table {table} is {found}, not {expected}")]
    ColumnType {
        /// Name of the table.
        table: &'static str,
        /// Name of the column.
        column: &'static str,
        /// What it must be.
        expected: DataType,
        /// What it is.
        found: DataType,
    },
    /// A value is missing.
    #[error("column `{column}` of the table {table} has a null in row {row}")]
    Null {
        /// Name of the table.
        table: &'static str,
        /// Name of the column.
        column: &'static str,
        /// Row of the batch.
        row: usize,
    },
    /// A value makes no sense.
    #[error("column `{column}` of the table {table} has `{value}` in row {row}: {reason}")]
    Value {
        /// Name of the table.
        table: &'static str,
        /// Name of the column.
        column: &'static str,
        /// Row of the batch.
        row: usize,
        /// What is there.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A row of a table, as a struct.
pub trait Row: Sized {
    /// Name of the table.
    const TABLE: &'static str;

    /// The columns.
    fn schema() -> &'static SchemaRef;

    /// The table of `rows`.
    fn to_batch(rows: &[Self]) -> RecordBatch;

    /// The rows of a table.
    ///
    /// # Errors
    /// If a column is missing, of the wrong type, or has a null that it must not have.
    fn from_batch(batch: &RecordBatch) -> Result<Vec<Self>, RowsError>;
}

/// A value of a column.
pub(crate) trait Cell: Sized + 'static {
    /// The array of such values.
    type Array: Array + 'static;
    /// Whether it can be null; then the column may be missing.
    const NULLABLE: bool;

    fn data_type() -> DataType;

    fn array<'a>(values: impl Iterator<Item = &'a Self>) -> ArrayRef;

    /// The value in a row. Only nullable cells are asked for nulls.
    fn value(array: &Self::Array, row: usize) -> Self;

    /// The value in a row of a column that is missing.
    fn missing() -> Option<Self> {
        None
    }
}

/// A cell that can also be null.
pub(crate) trait OptionalCell: Cell {
    fn optional_array<'a>(values: impl Iterator<Item = Option<&'a Self>>) -> ArrayRef;
}

macro_rules! primitive_cell {
    ($($native:ty => $array:ident $data_type:ident),*) => {$(
        impl Cell for $native {
            type Array = $array;
            const NULLABLE: bool = false;

            fn data_type() -> DataType {
                DataType::$data_type
            }

            fn array<'a>(values: impl Iterator<Item = &'a Self>) -> ArrayRef {
                Self::optional_array(values.map(Some))
            }

            fn value(array: &$array, row: usize) -> Self {
                array.value(row)
            }
        }

        impl OptionalCell for $native {
            fn optional_array<'a>(values: impl Iterator<Item = Option<&'a Self>>) -> ArrayRef {
                Arc::new(values.map(|value| value.copied()).collect::<$array>())
            }
        }
    )*};
}
primitive_cell!(u16 => UInt16Array UInt16, u32 => UInt32Array UInt32, u64 => UInt64Array UInt64);
primitive_cell!(i32 => Int32Array Int32, i64 => Int64Array Int64, bool => BooleanArray Boolean);

impl Cell for String {
    type Array = StringArray;
    const NULLABLE: bool = false;

    fn data_type() -> DataType {
        DataType::Utf8
    }

    fn array<'a>(values: impl Iterator<Item = &'a Self>) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(values))
    }

    fn value(array: &StringArray, row: usize) -> Self {
        array.value(row).to_owned()
    }
}

impl OptionalCell for String {
    fn optional_array<'a>(values: impl Iterator<Item = Option<&'a Self>>) -> ArrayRef {
        Arc::new(values.collect::<StringArray>())
    }
}

impl Cell for Vec<String> {
    type Array = ListArray;
    const NULLABLE: bool = false;

    fn data_type() -> DataType {
        DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
    }

    fn array<'a>(values: impl Iterator<Item = &'a Self>) -> ArrayRef {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for texts in values {
            builder.append_value(texts.iter().map(Some));
        }
        Arc::new(builder.finish())
    }

    fn value(array: &ListArray, row: usize) -> Self {
        let texts = array.value(row);
        let texts = texts.as_string::<i32>();
        texts.iter().flatten().map(str::to_owned).collect()
    }
}

impl<T: OptionalCell> Cell for Option<T> {
    type Array = T::Array;
    const NULLABLE: bool = true;

    fn data_type() -> DataType {
        T::data_type()
    }

    fn array<'a>(values: impl Iterator<Item = &'a Self>) -> ArrayRef {
        T::optional_array(values.map(Option::as_ref))
    }

    fn value(array: &T::Array, row: usize) -> Self {
        array.is_valid(row).then(|| T::value(array, row))
    }

    fn missing() -> Option<Self> {
        Some(None)
    }
}

/// A column of a batch.
pub(crate) struct Column<'a, T: Cell>(Option<&'a T::Array>);

impl<'a, T: Cell> Column<'a, T> {
    pub(crate) fn of(
        batch: &'a RecordBatch,
        table: &'static str,
        column: &'static str,
    ) -> Result<Self, RowsError> {
        let Some(array) = batch.column_by_name(column) else {
            if T::NULLABLE {
                return Ok(Self(None));
            }
            return Err(RowsError::MissingColumn { table, column });
        };
        let typed = (*array.data_type() == T::data_type())
            .then(|| array.as_any().downcast_ref::<T::Array>())
            .flatten();
        let Some(typed) = typed else {
            return Err(RowsError::ColumnType {
                table,
                column,
                expected: T::data_type(),
                found: array.data_type().clone(),
            });
        };
        if !T::NULLABLE && array.null_count() > 0 {
            return Err(RowsError::Null {
                table,
                column,
                row: (0..array.len())
                    .find(|row| array.is_null(*row))
                    .unwrap_or_default(),
            });
        }
        Ok(Self(Some(typed)))
    }

    /// The array, unless the column is missing.
    pub(crate) fn array(&self) -> Option<&'a T::Array> {
        self.0
    }

    pub(crate) fn value(&self, row: usize) -> T {
        match self.0 {
            Some(array) => T::value(array, row),
            None => T::missing().expect("only nullable columns may be missing"),
        }
    }
}

impl<'a, T: Cell<Array = StringArray>> Column<'a, T> {
    /// The text in a row, where it lies; empty if there is none.
    pub(crate) fn text(&self, row: usize) -> &'a str {
        match self.0 {
            Some(array) if array.is_valid(row) => array.value(row),
            _ => "",
        }
    }
}

/// Makes a struct a [`Row`]: one column a member. `columns NAME;` after the table also makes a struct of the columns of a
/// table, for reading members one by one.
macro_rules! rows {
    (
        table $table:literal;
        columns $columns:ident;
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $($(#[$member_meta:meta])* $member_vis:vis $member:ident: $cell:ty,)*
        }
    ) => {
        $crate::rows::rows! {
            table $table;
            $(#[$meta])*
            $vis struct $name {
                $($(#[$member_meta])* $member_vis $member: $cell,)*
            }
        }

        /// The columns of the table.
        $vis struct $columns<'a> {
            $($member_vis $member: $crate::rows::Column<'a, $cell>,)*
        }

        impl<'a> $columns<'a> {
            $vis fn of(batch: &'a ::arrow::array::RecordBatch) -> Result<Self, $crate::rows::RowsError> {
                Ok(Self {
                    $($member: $crate::rows::Column::of(batch, $table, stringify!($member))?,)*
                })
            }
        }
    };
    (
        table $table:literal;
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $($(#[$member_meta:meta])* $member_vis:vis $member:ident: $cell:ty,)*
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $($(#[$member_meta])* $member_vis $member: $cell,)*
        }

        impl $crate::rows::Row for $name {
            const TABLE: &'static str = $table;

            fn schema() -> &'static ::arrow::datatypes::SchemaRef {
                use $crate::rows::Cell;
                static SCHEMA: ::std::sync::LazyLock<::arrow::datatypes::SchemaRef> =
                    ::std::sync::LazyLock::new(|| {
                        ::std::sync::Arc::new(::arrow::datatypes::Schema::new(vec![$(
                            ::arrow::datatypes::Field::new(
                                stringify!($member),
                                <$cell as Cell>::data_type(),
                                <$cell as Cell>::NULLABLE,
                            ),
                        )*]))
                    });
                &SCHEMA
            }

            fn to_batch(rows: &[Self]) -> ::arrow::array::RecordBatch {
                let columns = vec![$(
                    <$cell as $crate::rows::Cell>::array(rows.iter().map(|row| &row.$member)),
                )*];
                ::arrow::array::RecordBatch::try_new(::std::sync::Arc::clone(Self::schema()), columns)
                    .expect("the columns follow the schema")
            }

            fn from_batch(
                batch: &::arrow::array::RecordBatch,
            ) -> Result<Vec<Self>, $crate::rows::RowsError> {
                $(let $member = $crate::rows::Column::<$cell>::of(batch, $table, stringify!($member))?;)*
                Ok((0..batch.num_rows())
                    .map(|row| Self { $($member: $member.value(row),)* })
                    .collect())
            }
        }
    };
}
pub(crate) use rows;

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;

    use super::*;

    rows! {
        table "stores/zoo";
        /// A row with a cell of every kind.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        struct Animal {
            name: String,
            nickname: Option<String>,
            legs: u16,
            age: Option<u32>,
            born_ns: u64,
            debt: i32,
            seen_ns: Option<i64>,
            tame: bool,
            food: Vec<String>,
        }
    }

    #[test]
    fn rows_come_back() {
        let animals = [
            Animal {
                name: "Ada".to_owned(),
                nickname: Some("A".to_owned()),
                legs: 4,
                age: Some(3),
                born_ns: u64::MAX,
                debt: -1,
                seen_ns: Some(i64::MIN),
                tame: true,
                food: vec!["hay".to_owned(), String::new()],
            },
            Animal::default(),
        ];
        assert_eq!(
            Animal::from_batch(&Animal::to_batch(&animals)),
            Ok(animals.to_vec())
        );
        assert_eq!(Animal::from_batch(&Animal::to_batch(&[])), Ok(Vec::new()));
    }

    #[test]
    fn nullable_columns_may_be_missing_and_unknown_ones_are_ignored() {
        let batch = Animal::to_batch(&[Animal::default()]);
        let (schema, columns, _) = batch.into_parts();
        let fields: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| match field.name().as_str() {
                "nickname" => Field::new("of_a_newer_version", DataType::Utf8, true),
                _ => field.as_ref().clone(),
            })
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("same types");
        assert_eq!(Animal::from_batch(&batch), Ok(vec![Animal::default()]));
    }

    #[test]
    fn a_foreign_table_is_refused_by_column() {
        let batch = Animal::to_batch(&[Animal::default()]);
        let missing = batch.project(&[0, 1]).expect("columns exist");
        assert_eq!(
            Animal::from_batch(&missing)
                .expect_err("columns are missing")
                .to_string(),
            "the table stores/zoo has no column `legs`"
        );
        let renamed = Schema::new(vec![Field::new("name", DataType::UInt32, true)]);
        let wrong = RecordBatch::try_new(
            Arc::new(renamed),
            vec![Arc::new(UInt32Array::from(vec![1])) as ArrayRef],
        )
        .expect("one column");
        assert_eq!(
            Animal::from_batch(&wrong).expect_err("wrong type").to_string(),
            "column `name` of the table stores/zoo is UInt32, not Utf8"
        );
        let nulls = Schema::new(vec![Field::new("name", DataType::Utf8, true)]);
        let nulls = RecordBatch::try_new(
            Arc::new(nulls),
            vec![Arc::new(StringArray::from(vec![Some("a"), None])) as ArrayRef],
        )
        .expect("one column");
        assert_eq!(
            Animal::from_batch(&nulls).expect_err("a null").to_string(),
            "column `name` of the table stores/zoo has a null in row 1"
        );
    }
}
