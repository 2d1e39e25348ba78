//! Parquet.

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::basic::Compression;
use arrow::compute::concat_batches;
use detectors_api::proto::Event;
use detectors_engine::Detection;
use replay::{Ending, Format, Writer, detection_rows, detection_schema};

use super::detections::{sample, written};

/// `fs::File` and `Bytes` can be read; the latter is not one of our dependencies.
fn file(bytes: &[u8]) -> std::fs::File {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().expect("there is room for temporary files");
    file.write_all(bytes)
        .and_then(|()| file.rewind())
        .expect("there is room");
    file
}

#[test]
fn the_rows_are_those_of_a_capture() {
    let sample = sample();
    let bytes = sample.in_form(Format::Parquet);
    let builder = ParquetRecordBatchReaderBuilder::try_new(file(&bytes)).expect("a Parquet file");
    assert_eq!(builder.schema().fields(), detection_schema().fields());
    let rows: Vec<_> = builder
        .build()
        .expect("all columns")
        .collect::<Result<_, _>>()
        .expect("all rows");
    let rows = concat_batches(detection_schema(), &rows).expect("one schema");
    assert_eq!(rows, detection_rows(&sample.detections));
}

/// Detections that do not compress.
fn many(count: u64) -> impl Iterator<Item = Detection> {
    (0..count).map(|seq| Detection {
        seq,
        level: 1,
        detector_id: "ACME-1".into(),
        index: 0,
        event: Box::new(Event {
            name: blake3::hash(&seq.to_le_bytes()).to_string(),
            ..Event::default()
        }),
    })
}

#[test]
fn row_groups_are_bounded_and_leave_as_they_fill_up() {
    const ROWS: u64 = 70_000;
    let mut bytes = Vec::new();
    let mut writer = Writer::new(Format::Parquet, &mut bytes);
    many(ROWS).for_each(|detection| writer.write(detection).expect("memory takes all"));
    drop(writer);
    assert!(bytes.len() > 1 << 20, "only {} bytes before the end", bytes.len());

    let bytes = written(Format::Parquet, None, many(ROWS).collect(), &Ending::default());
    let reader = ParquetRecordBatchReaderBuilder::try_new(file(&bytes)).expect("a Parquet file");
    let groups = reader.metadata().row_groups();
    let rows: Vec<_> = groups.iter().map(|group| group.num_rows()).collect();
    assert_eq!(rows, [65_536, 4464]);
    assert_eq!(reader.metadata().file_metadata().created_by(), Some("tracee-cap"));
    for column in groups.iter().flat_map(|group| group.columns()) {
        assert!(matches!(column.compression(), Compression::ZSTD(_)));
    }
}

#[test]
fn the_same_detections_give_the_same_file() {
    let sample = sample();
    assert_eq!(sample.in_form(Format::Parquet), sample.in_form(Format::Parquet));
}
