//! Properties of both directions together; see also `tests/` for recordings and messages.

use proptest::prelude::*;
use prost::Message;

use super::{Flavour, Line, LineError, read_line, write_line};
use crate::arbitrary::recorded_event;
use crate::event::{BatchBuilder, RecordedEvent};
use crate::proto::event_value::Value;
use crate::proto::{EventValue, Timespec};

fn written(event: &RecordedEvent, flavour: Flavour) -> Vec<u8> {
    let mut line = Vec::new();
    write_line(event, flavour, &mut line);
    line
}

fn read(line: &[u8]) -> RecordedEvent {
    match read_line(line) {
        Ok(Line::Event(event)) => *event,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(line)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn extended_lines_give_back_the_event(event in recorded_event()) {
        let line = written(&event, Flavour::Extended);
        prop_assert_eq!(read(&line), event);
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    }

    #[test]
    fn plain_lines_give_back_what_gives_the_same_line(event in recorded_event()) {
        let line = written(&event, Flavour::V1beta1);
        prop_assert_eq!(written(&read(&line), Flavour::V1beta1), line);
    }

    #[test]
    fn any_text_is_kept_as_unmapped(event in recorded_event(), text in ".*|\\{.*\\}|\\PC*|[ \\n]*\\{\\}") {
        let event = RecordedEvent { unmapped: Some(text), ..event };
        prop_assert_eq!(read(&written(&event, Flavour::Extended)), event);
    }

    #[test]
    fn batches_give_back_the_events(events in prop::collection::vec(recorded_event(), 1..8)) {
        let mut builder = BatchBuilder::default();
        for (seq, event) in events.iter().enumerate() {
            builder.push(seq as u64, event);
        }
        let mut count = 0;
        for batch in builder.finish().batches {
            for event in batch.events() {
                prop_assert_eq!(&event.to_recorded(), &events[event.seq() as usize]);
                count += 1;
            }
        }
        prop_assert_eq!(count, events.len());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read_line(&bytes).is_err());
    }

    #[test]
    fn no_damaged_line_panics(event in recorded_event(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut line = written(&event, Flavour::Extended);
        let at = at.index(line.len());
        line[at] = byte;
        if let Ok(Line::Event(event)) = read_line(&line) {
            prop_assert_eq!(read(&written(&event, Flavour::Extended)), *event);
        }
    }
}

#[test]
fn what_is_no_number_survives() {
    let mut event = RecordedEvent::default();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
        event.event.data.push(EventValue {
            name: "t".to_owned(),
            value: Some(Value::Timespec(Timespec { value: Some(value) })),
        });
    }
    let line = written(&event, Flavour::Extended);
    assert_eq!(read(&line).event.encode_to_vec(), event.event.encode_to_vec());
}

#[test]
fn a_changed_line_is_not_undone_by_its_exact_form() {
    let mut event = RecordedEvent::default();
    event.event.name = "before".to_owned();
    event.event.timestamp = Some(prost_types::Timestamp {
        seconds: i64::MAX,
        nanos: 0,
    });
    let line = String::from_utf8(written(&event, Flavour::Extended)).expect("it is text");
    assert_eq!(read(line.as_bytes()), event);
    let changed = line.replace("before", "after");
    assert!(matches!(
        read_line(changed.as_bytes()),
        Err(LineError::Extension { .. })
    ));
}
