//! The context of a finding is an event that the reader of flat events gets back as it was.

use detectors_api::catalogue::catalogue;
use detectors_api::json::{Line, read_line};
use detectors_api::proto;
use detectors_api::testkit::TestEvent;
use fixtures::generator::Generator;
use replay::Signatures;

/// What the context of a detection in `event` reads back as.
fn reread(event: &proto::Event) -> proto::Event {
    let detection = proto::Event {
        name: "found".to_owned(),
        data: Vec::new(),
        detected_from: Some(proto::DetectedFrom {
            id: event.id.cast_unsigned(),
            name: event.name.clone(),
            data: event.data.clone(),
            parent: None,
        }),
        ..event.clone()
    };
    let finding = Signatures::default().finding(&detection);
    let line = finding["Context"].to_string();
    match read_line(line.as_bytes()) {
        Ok(Line::Event(recorded)) => {
            assert_eq!(recorded.unmapped, None, "{line}");
            recorded.event
        }
        other => panic!("{other:?}: {line}"),
    }
}

#[test]
fn generated_events_come_back() {
    for recorded in Generator::new(7).take(3000) {
        assert_eq!(reread(&recorded.event), recorded.event);
    }
}

#[test]
fn every_event_of_the_catalogue_comes_back() {
    for definition in catalogue().iter() {
        let event = TestEvent::new(definition.name).to_recorded().event;
        assert_eq!(reread(&event), event, "{}", definition.name);
    }
}
