//! The DNS store against a plain list of records: as of every event, however history was compacted, and after a restart.

mod naive;
mod recording;

use detectors_api::proto;
use detectors_api::proto::event_value::Value;
use detectors_api::stores::DnsStore as _;
use detectors_api::testkit::{TestEvent, batches};
use detectors_stores::{Settings, Stores};
use naive::{Naive, Response};
use proptest::prelude::*;
use proptest::sample::select;

const SECOND: i64 = 1_000_000_000;
const B: i64 = 1_700_000_000 * SECOND;
/// Sweeps in the time for which records are retained.
const SWEEPS: i64 = 8;

const NAMES: [&str; 9] = [
    "a.com",
    "A.com",
    "b.com",
    "B.COM",
    "c.com",
    "d.net",
    "2.1.1.1.in-addr.arpa",
    "3.1.1.1.In-Addr.Arpa",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
];
const ADDRESSES: [&str; 5] = ["1.1.1.2", "1.1.1.3", "1.1.1.4", "2001:db8::1", "::ffff:1.1.1.3"];

fn answer() -> impl Strategy<Value = (String, String, String, u32)> {
    let ttl = || select(vec![0_u32, 1, 5, 20, 60, 300]);
    let name = || select(&NAMES[..]).prop_map(str::to_owned);
    let address = select(&ADDRESSES[..]).prop_map(str::to_owned);
    let to_name = select(&["CNAME", "CNAME", "PTR", "MX", "SRV", "TXT"][..]).prop_map(str::to_owned);
    prop_oneof![
        (name(), Just("A".to_owned()), address, ttl()),
        (name(), to_name, name(), ttl()),
    ]
}

/// Times go on by some seconds, and now and then back.
fn responses() -> impl Strategy<Value = Vec<Response>> {
    let step = prop_oneof![8 => 0_i64..20, 1 => -30_i64..0, 1 => 50_i64..200];
    let response = (step, select(&NAMES[..]), prop::collection::vec(answer(), 1..4));
    prop::collection::vec(response, 1..24).prop_map(|steps| {
        let mut time = B;
        let all = steps.into_iter().map(|(step, question, answers)| {
            time += step * SECOND;
            Response {
                time,
                question: question.to_owned(),
                answers,
            }
        });
        all.collect()
    })
}

fn event(response: &Response) -> TestEvent {
    let answers = response.answers.iter().map(|(name, record_type, value, ttl)| {
        let mut record = proto::DnsResourceRecord {
            name: name.clone(),
            r#type: record_type.clone(),
            ttl: *ttl,
            ..Default::default()
        };
        match record_type.as_str() {
            "A" => record.ip.clone_from(value),
            "CNAME" => record.cname.clone_from(value),
            "PTR" => record.ptr.clone_from(value),
            "MX" => record.mx.get_or_insert_default().name.clone_from(value),
            "SRV" => record.srv.get_or_insert_default().name.clone_from(value),
            _ => record.txt.clone_from(value),
        }
        record
    });
    let packet = proto::Dns {
        qr: 1,
        questions: vec![proto::DnsQuestion {
            name: response.question.clone(),
            r#type: "ANY".to_owned(),
            ..Default::default()
        }],
        answers: answers.collect(),
        ..Default::default()
    };
    TestEvent::new("net_packet_dns")
        .at_ns(response.time)
        .set("proto_dns", Value::Dns(packet))
}

/// What is known after each event; the first entry is before all of them.
fn states(responses: &[Response], retention: Option<i64>) -> Vec<Naive> {
    let mut states = vec![Naive::default()];
    let mut swept = 0;
    for response in responses {
        let mut next = states[states.len() - 1].clone();
        next.apply(response);
        if let Some(retention) = retention
            && response.time / (retention / SWEEPS) > swept
        {
            swept = response.time / (retention / SWEEPS);
            next.forget(response.time - retention);
        }
        states.push(next);
    }
    states
}

/// Compares the answers to all questions as of the events from `first` on.
fn check(
    stores: &Stores,
    states: &[Naive],
    responses: &[Response],
    first: usize,
) -> Result<(), TestCaseError> {
    for (seq, naive) in states.iter().enumerate().skip(first) {
        let time = seq.checked_sub(1).map_or(B, |index| responses[index].time);
        for now in [0, 1, 19, 61, -25, 400].map(|seconds| time + seconds * SECOND) {
            let view = stores.dns().at(seq as u64, now);
            let moment = naive.at(now);
            for query in NAMES.iter().chain(&ADDRESSES) {
                let found = view.get_dns_response(query).ok().map(|found| {
                    let texts = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
                    (texts(found.domains), texts(found.ips))
                });
                prop_assert_eq!(found, moment.answer(query), "{} as of {} at {}", query, seq, now);
            }
        }
    }
    Ok(())
}

fn new_stores(retention: Option<i64>) -> Stores {
    Stores::with(Settings {
        retention_ns: retention.map(i64::cast_unsigned),
        ..Settings::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_moment_is_as_a_plain_list_has_it(
        responses in responses(),
        retention in prop::option::of((8_i64..200).prop_map(|seconds| seconds * SECOND)),
    ) {
        let states = states(&responses, retention);
        let events: Vec<_> = responses.iter().map(event).collect();
        let mut stores = new_stores(retention);
        stores.apply(&batches(&events)).expect("in order");
        check(&stores, &states, &responses, 0)?;
    }

    #[test]
    fn compaction_and_restarts_change_no_later_answer(
        responses in responses(),
        retention in prop::option::of((8_i64..200).prop_map(|seconds| seconds * SECOND)),
        steps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 1..6),
    ) {
        let states = states(&responses, retention);
        let events: Vec<_> = responses.iter().map(event).collect();
        let batches = batches(&events);
        let count = responses.len();
        // Each step: events so far, compaction within them, and whether the stores are made anew from keyframes.
        let mut steps: Vec<_> = steps
            .into_iter()
            .map(|(applied, compacted, restart)| {
                let applied = applied.index(count + 1);
                (applied, compacted.index(applied + 2), restart)
            })
            .collect();
        steps.sort_unstable();
        let mut stores = new_stores(retention);
        let (mut done, mut first) = (0, 0);
        for (applied, compacted, restart) in steps {
            let next: Vec<_> = batches.iter().map(|batch| batch.slice(done, applied - done)).collect();
            stores.advance(&next, applied as u64 + 1).expect("in order");
            done = applied;
            stores.compact(compacted as u64);
            first = first.max(compacted);
            if restart {
                let frames: Vec<_> = stores
                    .keyframes()
                    .into_iter()
                    .map(|(name, rows)| (name.to_owned(), rows))
                    .collect();
                stores = new_stores(retention);
                stores.restore(applied as u64 + 1, &frames, Vec::new()).expect("just made");
                first = applied + 1;
            }
            check(&stores, &states[..=done], &responses, first)?;
        }
        let rest: Vec<_> = batches.iter().map(|batch| batch.slice(done, count - done)).collect();
        stores.advance(&rest, count as u64 + 1).expect("in order");
        check(&stores, &states, &responses, first)?;
    }
}
