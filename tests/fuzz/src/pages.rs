//! Pages: of a damaged file, few rows of a column say what all rows say there, or cannot be read.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::DataType;
use capture::{CaptureReader, Error, Table};
use detectors_api::columns::layout;
use detectors_api::event::{EventBatch, RecordedEvent};
use detectors_api::testkit::TestEvent;
use tempfile::TempDir;

use crate::sample;

const EVENT: &str = "security_file_open";
const ROWS: u64 = 600;

/// Changes the pages of a small file of events as the text says, and reads them. Each line is a change, or a row:
///
/// * `row NUMBER`: it is one of the few that are read;
/// * `NUMBER MASK`: the byte at this place is XORed with the mask.
///
/// Other lines mean nothing.
///
/// # Panics
/// If few rows of a column and all of them can be read and do not agree.
pub fn pages(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    thread_local! {
        static SAMPLE: (Vec<u8>, Range<usize>) = sample().expect("a small capture can be packed");
    }
    let (mut pack, pages) = SAMPLE.with(Clone::clone);
    // Rows that are so far from each other are few.
    let mut rows = BTreeSet::from([0, ROWS as u32 - 1]);
    for line in text.lines().take(64) {
        let Some((place, value)) = line.split_once(' ') else {
            continue;
        };
        if place == "row" {
            rows.extend(value.parse::<u64>().ok().map(|row| (row % ROWS) as u32));
        } else if let (Ok(place), Ok(mask)) = (place.parse::<usize>(), value.parse::<u8>()) {
            pack[pages.start + place % pages.len()] ^= mask;
        }
    }
    let reader = CaptureReader::open_stream(pack.as_slice(), "x.tcap.tar").expect("only pages were changed");
    let rows: Vec<u32> = rows.into_iter().collect();
    // What is wrong with the columns that every reader needs is not the question.
    let Ok(batch) = one_batch(&reader) else {
        return;
    };
    for field in layout(EVENT).schema().fields() {
        let Ok(all) = all(&reader, field.name()) else {
            continue;
        };
        let few = batch.take(&rows);
        let found = few.common_column(field.name()).cloned();
        if few.faults().next().is_none() {
            let rows = UInt32Array::from(rows.clone());
            let expected = all.map(|all| take(&all, &rows, None).expect("they are there"));
            assert_eq!(found.map(plain), expected.map(plain), "{}", field.name());
        }
    }
}

/// All events, whose columns are read when they are asked for.
fn one_batch(reader: &CaptureReader) -> Result<EventBatch, Error> {
    let batches = reader.scan(EVENT).columns([])?.others_on_demand().batches()?;
    let batches = batches.collect::<Result<Vec<_>, _>>()?;
    let [batch] = batches.as_slice() else {
        panic!("one row group gave {} batches", batches.len());
    };
    assert_eq!(batch.len() as u64, ROWS);
    Ok(batch.clone())
}

/// A column, read at once.
fn all(reader: &CaptureReader, column: &str) -> Result<Option<ArrayRef>, Error> {
    let batches = reader
        .scan(EVENT)
        .columns([column])?
        .batches()?
        .collect::<Result<Vec<_>, _>>()?;
    let columns: Option<Vec<_>> = batches
        .iter()
        .map(|batch| Some(batch.common_column(column)?.as_ref()))
        .collect();
    Ok(columns.map(|columns| concat(&columns).expect("they are of one type")))
}

/// The values, however they are kept.
fn plain(column: ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Dictionary(_, values) => cast(&column, values).expect("its values"),
        DataType::List(items) if matches!(items.data_type(), DataType::Dictionary(..)) => {
            let list = column.as_list::<i32>();
            let plain = plain(list.values().clone());
            cast(
                &column,
                &DataType::new_list(plain.data_type().clone(), items.is_nullable()),
            )
            .expect("its values")
        }
        _ => column,
    }
}

/// An event with values of many kinds: any numbers, but always the same.
fn event(number: u64) -> RecordedEvent {
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let event = TestEvent::new(EVENT)
        .set(
            "pathname",
            format!("/usr/lib/{}", (random >> 60) * (random >> 58)).as_str(),
        )
        .set("inode", random)
        .set("dev", (random >> 62) as u32)
        .set("ctime", number * 1_000 + (random >> 56));
    let event = match number % 5 {
        0 => event.without("syscall_pathname"),
        _ => event.set("syscall_pathname", number.to_string().as_str()),
    };
    event.to_recorded()
}

/// A pack of one file of events and what belongs to it, and where the pages of that file lie.
fn sample() -> Result<(Vec<u8>, Range<usize>), Error> {
    let directory = TempDir::new().expect("a directory can be made");
    let reader = sample::capture(directory.path(), (0..ROWS).map(event))?;
    let table = Table::Events(EVENT);
    let part = reader.parts(&table).next().expect("there are events");
    let file = fs::read(reader.part_path(part)).expect("it is there");
    let mut pack = Vec::new();
    reader.pack(&mut pack, &|_| ())?;
    let start = pack.windows(file.len()).position(|place| place == file);
    let start = start.expect("a pack has files as they are");
    // Behind the pages and what helps to find them come the footer, its length and the magic number.
    let end = file.len() - 8;
    let length = file[end..].first_chunk().copied().map_or(0, u32::from_le_bytes);
    Ok((pack, start + 4..start + end - length as usize))
}
