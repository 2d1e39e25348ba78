use std::sync::Arc;

use arrow::array::{
    Array, DictionaryArray, Int32Array, PrimitiveArray, RecordBatch, StringArray, UInt32Array,
};
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::{ArrowPrimitiveType, Field, Int32Type, Int64Type, Schema, UInt32Type, UInt64Type};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::serialized_reader::SerializedPageReader;
use proptest::prelude::*;

use super::super::decode::guard;
use super::*;

/// How a column is written.
#[derive(Clone, Copy, Debug)]
struct Manner {
    dictionary: bool,
    delta: bool,
    second_version: bool,
    page_rows: usize,
    /// Dictionaries of more bytes are given up.
    dictionary_bytes: usize,
}

fn write(column: &ArrayRef, nullable: bool, manner: Manner) -> Bytes {
    let field = Field::new("column", column.data_type().clone(), nullable);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(column)]).expect("one column");
    let version = if manner.second_version {
        WriterVersion::PARQUET_2_0
    } else {
        WriterVersion::PARQUET_1_0
    };
    let mut properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(manner.dictionary)
        .set_dictionary_page_size_limit(manner.dictionary_bytes)
        .set_write_batch_size(manner.page_rows)
        .set_data_page_row_count_limit(manner.page_rows);
    if !manner.dictionary {
        let delta = manner.delta && column.data_type().is_numeric();
        properties = properties.set_encoding(if delta {
            Encoding::DELTA_BINARY_PACKED
        } else {
            Encoding::PLAIN
        });
    }
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, schema, Some(properties.build())).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    file.into()
}

/// What the general reader makes of it.
fn expected(file: &Bytes, wanted: &[u32]) -> ArrayRef {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.clone()).expect("a file");
    let schema = Arc::clone(builder.schema());
    let batches: Vec<_> = builder
        .build()
        .expect("a reader")
        .map(|batch| batch.expect("rows"))
        .collect();
    let all = concat_batches(&schema, &batches).expect("one batch");
    take(all.column(0), &UInt32Array::from(wanted.to_vec()), None).expect("they are there")
}

/// What is found in the first row group. `data_type` is that of the column.
fn found(
    file: &Bytes,
    data_type: &DataType,
    wanted: &[u32],
    change: Option<(usize, u8)>,
) -> Option<ArrayRef> {
    let reader = SerializedFileReader::new(file.clone()).expect("a file");
    let group = reader.metadata().row_group(0);
    let chunk = group.column(0);
    let file = match change {
        None => file.clone(),
        Some((place, byte)) => {
            let (start, length) = chunk.byte_range();
            let mut changed = file.to_vec();
            changed[start as usize + place % length as usize] ^= byte;
            changed.into()
        }
    };
    let rows = group.num_rows() as usize;
    let pages = SerializedPageReader::new(Arc::new(file), chunk, rows, None).ok()?;
    Sparse::of(chunk.column_descr(), data_type)?.take(pages, wanted)
}

fn columns() -> impl Strategy<Value = (ArrayRef, bool)> {
    let numbers = prop_oneof![
        prop::collection::vec(any::<i64>(), 1..400),
        prop::collection::vec(0..5_i64, 1..400),
        // Long runs.
        prop::collection::vec((0..3_i64, 1..60_usize), 1..12).prop_map(|runs| {
            let runs = runs.into_iter();
            runs.flat_map(|(number, times)| std::iter::repeat_n(number, times))
                .collect()
        }),
        // Like times.
        prop::collection::vec(0..5000_i64, 1..400).prop_map(|steps| {
            let steps = steps.into_iter();
            steps
                .scan(1_700_000_000_000_000_000, |now, step| {
                    *now += step;
                    Some(*now)
                })
                .collect()
        }),
    ];
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let data_types = prop::sample::select(vec![
        DataType::Int32,
        DataType::UInt32,
        DataType::Int64,
        DataType::UInt64,
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        text,
        DataType::Binary,
    ]);
    (
        numbers,
        data_types,
        any::<bool>(),
        prop::collection::vec(0..4_u8, 1..40),
    )
        .prop_map(|(numbers, data_type, nullable, gaps)| {
            let gaps = gaps.iter().cycle().map(|gap| nullable && *gap == 0);
            let values = numbers
                .into_iter()
                .zip(gaps)
                .map(|(number, gap)| (!gap).then_some(number));
            (column(values, &data_type), nullable)
        })
}

/// A column of this type: what does not fit is cut off.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "these are any numbers"
)]
fn column(values: impl Iterator<Item = Option<i64>>, data_type: &DataType) -> ArrayRef {
    fn numbers<T: ArrowPrimitiveType>(values: impl Iterator<Item = Option<T::Native>>) -> ArrayRef {
        Arc::new(values.collect::<PrimitiveArray<T>>())
    }
    let column = match data_type {
        DataType::Int32 => numbers::<Int32Type>(values.map(|value| value.map(|value| value as i32))),
        DataType::UInt32 => numbers::<UInt32Type>(values.map(|value| value.map(|value| value as u32))),
        DataType::UInt64 => numbers::<UInt64Type>(values.map(|value| value.map(|value| value as u64))),
        DataType::Dictionary(..) | DataType::Binary => {
            let text = |number: i64| "x".repeat((number % 7).unsigned_abs() as usize) + &number.to_string();
            Arc::new(values.map(|value| value.map(text)).collect::<StringArray>())
        }
        _ => numbers::<Int64Type>(values),
    };
    cast(&column, data_type).expect("such values have this type")
}

fn manners() -> impl Strategy<Value = Manner> {
    (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        1..300_usize,
        prop::sample::select(vec![64, 1 << 20]),
    )
        .prop_map(
            |(dictionary, delta, second_version, page_rows, dictionary_bytes)| Manner {
                dictionary,
                delta,
                second_version,
                page_rows,
                dictionary_bytes,
            },
        )
}

/// Rows that a column of so many rows has.
fn some_rows(rows: usize, chosen: &[prop::sample::Index]) -> Vec<u32> {
    let mut wanted: Vec<_> = chosen.iter().map(|chosen| chosen.index(rows) as u32).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

proptest! {
    #[test]
    fn the_same_as_the_general_reader(
        (column, nullable) in columns(),
        manner in manners(),
        chosen in prop::collection::vec(any::<prop::sample::Index>(), 1..30),
    ) {
        let file = write(&column, nullable, manner);
        let wanted = some_rows(column.len(), &chosen);
        let Some(found) = found(&file, column.data_type(), &wanted, None) else {
            // When their dictionary is full, writers of the second version go on in an encoding that captures do not have.
            prop_assert!(manner.second_version && manner.dictionary && !column.data_type().is_primitive());
            return Ok(());
        };
        let by_number = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Binary));
        let expected_type = if *column.data_type() == DataType::Binary { &by_number } else { column.data_type() };
        prop_assert_eq!(found.data_type(), expected_type);
        let plain = |column: &ArrayRef| match column.data_type() {
            DataType::Dictionary(_, values) => cast(column, values).expect("its values"),
            _ => Arc::clone(column),
        };
        prop_assert_eq!(&plain(&found), &plain(&expected(&file, &wanted)));
    }

    #[test]
    fn nothing_in_a_broken_file_is_a_panic(
        (column, nullable) in columns(),
        manner in manners(),
        chosen in prop::collection::vec(any::<prop::sample::Index>(), 1..30),
        place in any::<usize>(),
        byte in 1..=u8::MAX,
    ) {
        let file = write(&column, nullable, manner);
        let wanted = some_rows(column.len(), &chosen);
        // Those of the reader of pages are caught.
        let found = guard(|| Ok::<_, String>(found(&file, column.data_type(), &wanted, Some((place, byte)))));
        if let Ok(Some(found)) = found {
            prop_assert_eq!(found.len(), wanted.len());
            prop_assert!(found.to_data().validate_full().is_ok());
        }
    }
}

#[test]
fn columns_of_other_types_are_left_to_the_general_reader() {
    let column: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![true, false]));
    let manner = Manner {
        dictionary: true,
        delta: false,
        second_version: false,
        page_rows: 10,
        dictionary_bytes: 64,
    };
    let file = write(&column, false, manner);
    assert!(found(&file, &DataType::Boolean, &[0], None).is_none());
    let column: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let file = write(&column, false, manner);
    assert!(found(&file, &DataType::UInt64, &[0], None).is_none());
    // A row that is not there.
    assert!(found(&file, &DataType::Int32, &[2], None).is_none());
}

#[test]
fn a_text_that_many_rows_have_is_kept_once() {
    let texts = ["a".repeat(1000), "b".repeat(1000)];
    let values = (0..5000).map(|row| Some(texts[row / 3000].as_str()));
    let column: ArrayRef = Arc::new(values.collect::<DictionaryArray<Int32Type>>());
    let manner = Manner {
        dictionary: true,
        delta: false,
        second_version: false,
        page_rows: 700,
        dictionary_bytes: 1 << 20,
    };
    let file = write(&column, false, manner);
    let wanted: Vec<_> = (0..5000).step_by(7).collect();
    let found = found(&file, column.data_type(), &wanted, None).expect("an ordinary column");
    let found = found.as_any().downcast_ref::<DictionaryArray<Int32Type>>();
    assert_eq!(
        found.map(|found| (found.len(), found.values().len())),
        Some((wanted.len(), 2))
    );
}
