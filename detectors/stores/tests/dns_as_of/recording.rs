//! The DNS store on a real recording: 24,010 DNS packets of Tracee.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};

use detectors_api::event::{BatchBuilder, EventBatch};
use detectors_api::json::{Line, read_line};
use detectors_api::stores::DnsStore as _;
use detectors_stores::Stores;
use flate2::bufread::GzDecoder;
use serde_json::Value;

use crate::naive::{Answer, Naive, Response};

const RECORDING: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../fixtures/data/tracee/legacy/dns_events.ndjson.gz"
);

const SECOND: i64 = 1_000_000_000;

/// What a line of the recording says, read without the code under test.
struct Packet {
    time: i64,
    /// Every name and address in it.
    subjects: Vec<String>,
    /// If it has answers.
    response: Option<Response>,
}

fn packet(line: &[u8]) -> Packet {
    let line: Value = serde_json::from_slice(line).expect("JSON");
    let time = line["timestamp"].as_i64().expect("a time");
    let args = line["args"].as_array().expect("a list");
    let dns = args
        .iter()
        .find(|arg| arg["name"] == "proto_dns")
        .expect("a packet");
    let dns = &dns["value"];
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let question = text(&dns["questions"][0]["name"]);
    let answers: Vec<_> = dns["answers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|answer| {
            let record_type = text(&answer["type"]);
            let value = match record_type.as_str() {
                "A" | "AAAA" => &answer["IP"],
                "MX" | "SRV" => &answer[&record_type]["name"],
                _ => &answer[&record_type],
            };
            let ttl = answer["TTL"].as_u64().and_then(|ttl| u32::try_from(ttl).ok());
            (
                text(&answer["name"]),
                record_type,
                text(value),
                ttl.expect("seconds"),
            )
        })
        .collect();
    let mut subjects = vec![question.clone()];
    subjects.extend(
        answers
            .iter()
            .flat_map(|(name, _, value, _)| [name.clone(), value.clone()]),
    );
    let is_response = dns["QR"] == 1 && !answers.is_empty();
    Packet {
        time,
        subjects,
        response: is_response.then_some(Response {
            time,
            question,
            answers,
        }),
    }
}

/// The packets, and the same as events numbered from 1.
fn recording() -> (Vec<Packet>, Vec<EventBatch>) {
    let file = std::fs::File::open(RECORDING).expect("the recording is part of the repository");
    let lines = BufReader::new(GzDecoder::new(BufReader::new(file))).split(b'\n');
    let lines: Vec<_> = lines.map(|line| line.expect("it can be unpacked")).collect();
    std::thread::scope(|threads| {
        let packets = threads.spawn(|| lines.iter().map(|line| packet(line)).collect());
        let mut builder = BatchBuilder::default();
        for (seq, line) in (1..).zip(&lines) {
            match read_line(line) {
                Ok(Line::Event(event)) => builder.push(seq, &event),
                other => panic!("line {seq}: {other:?}"),
            }
        }
        (
            packets.join().expect("every line is a packet"),
            builder.finish().batches,
        )
    })
}

fn answer(stores: &Stores, seq: u64, now: i64, query: &str) -> Option<Answer> {
    let view = stores.dns().at(seq, now);
    let found = view.get_dns_response(query).ok()?;
    let texts = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
    Some((texts(found.domains), texts(found.ips)))
}

#[test]
fn every_name_and_address_of_a_real_recording_is_answered_as_computed_by_hand() {
    let (packets, batches) = recording();
    assert_eq!(packets.len(), 24_010);
    let subjects: BTreeSet<_> = packets.iter().flat_map(|packet| &packet.subjects).collect();

    let mut stores = Stores::new();
    stores.apply(&batches).expect("numbered in order");
    assert_eq!(stores.dns().unusable_events(), 0);

    // The second half again, from a keyframe in the middle, compacted at the end.
    let middle = 12_000;
    let mut before = Stores::new();
    let first: Vec<_> = batches.iter().map(|batch| batch.slice(0, middle - 1)).collect();
    before.advance(&first, middle as u64).expect("numbered in order");
    before.compact(middle as u64);
    let frames = before.keyframes().into_iter();
    let frames: Vec<_> = frames.map(|(name, rows)| (name.to_owned(), rows)).collect();
    let mut later = Stores::new();
    later
        .restore(middle as u64, &frames, Vec::new())
        .expect("just made");
    let second = |batch: &EventBatch| batch.slice(middle - 1, batch.len() + 1 - middle);
    let second: Vec<_> = batches.iter().map(second).collect();
    later.apply(&second).expect("numbered in order");
    later.compact(packets.len() as u64);

    let mut naive = Naive::default();
    let mut found = Vec::new();
    for (seq, packet) in (1_u64..).zip(&packets) {
        if let Some(response) = &packet.response {
            naive.apply(response);
        }
        if ![100, 12_000, 24_010].contains(&seq) {
            continue;
        }
        for after in if seq < 24_010 {
            &[0, 600][..]
        } else {
            &[0, 600, 90_000]
        } {
            let now = packet.time + *after * SECOND;
            let moment = naive.at(now);
            let mut known = 0;
            for query in &subjects {
                let expected = moment.answer(query);
                known += usize::from(expected.is_some());
                assert_eq!(
                    answer(&stores, seq, now, query),
                    expected,
                    "{query} as of {seq}, {after} s later"
                );
                if seq == 24_010 {
                    assert_eq!(
                        answer(&later, seq, now, query),
                        expected,
                        "{query}, from a keyframe"
                    );
                }
            }
            found.push((seq, *after, known));
        }
    }
    // How many of the names and addresses were known: the comparison is about something.
    assert_eq!(
        found,
        [
            (100, 0, 122),
            (100, 600, 47),
            (12_000, 0, 7048),
            (12_000, 600, 4956),
            (24_010, 0, 12_690),
            (24_010, 600, 9259),
            (24_010, 90_000, 5442),
        ]
    );
}
