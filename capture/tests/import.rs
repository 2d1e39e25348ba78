//! Whatever an event looks like, it comes back from a capture, and from an export of it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use capture::{CaptureReader, CaptureWriter, Header, Import, Input, InputFormat, WriterOptions};
use common::read_all;
use detectors_api::arbitrary::recorded_event;
use detectors_api::json::{Flavour, write_line};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn events_come_back(events in prop::collection::vec(recorded_event(), 1..30), segment_rows in 1_u64..40) {
        let directory = tempfile::tempdir().unwrap();
        let first = directory.path().join("first");
        let options = WriterOptions { segment_rows, ..WriterOptions::default() };
        let mut writer = CaptureWriter::create(&first, Header::default(), options).unwrap();
        for (n, event) in events.iter().enumerate() {
            writer.push(event);
            if n % 7 == 6 {
                writer.flush().unwrap();
            }
        }
        writer.finish().unwrap();
        let reader = CaptureReader::open(&first).unwrap();
        let expected: Vec<_> = (0_u64..).zip(events).collect();
        prop_assert_eq!(&read_all(&reader), &expected);
        prop_assert_eq!(reader.verify(&|_| ()).faults, []);

        let mut exported = Vec::new();
        for (_, event) in &expected {
            write_line(event, Flavour::Extended, &mut exported);
        }
        let file = directory.path().join("exported");
        std::fs::write(&file, exported).unwrap();
        let second = directory.path().join("second");
        let mut writer = CaptureWriter::create(&second, Header::default(), WriterOptions::default()).unwrap();
        let import = Import::open(&Input::File(file), InputFormat::Ndjson).unwrap();
        let imported = import.run(&mut writer, &mut |_| (), &|_| ()).unwrap();
        prop_assert_eq!(imported.unreadable, 0);
        writer.finish().unwrap();
        prop_assert_eq!(&read_all(&CaptureReader::open(&second).unwrap()), &expected);
    }
}
