//! The DNS store, told what resolvers answer.

use std::net::IpAddr;

use arrow::array::RecordBatch;
use detectors_api::event::BatchBuilder;
use detectors_api::proto;
use detectors_api::proto::event_value::Value;
use detectors_api::stores::{DataStore as _, DnsStore as _};
use detectors_api::testkit::{TestEvent, batches};
use detectors_stores::dns::{DnsAt, DnsState, MAX_LINKS, MAX_NODES, RecordType};
use detectors_stores::rows::Row as _;
use detectors_stores::{Settings, Stores};

const B: i64 = 1_700_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

fn at(seconds: i64) -> i64 {
    B + seconds * SECOND
}

fn record(name: &str, record_type: &str, value: &str, ttl: u32) -> proto::DnsResourceRecord {
    let mut record = proto::DnsResourceRecord {
        name: name.to_owned(),
        r#type: record_type.to_owned(),
        class: "IN".to_owned(),
        ttl,
        ..Default::default()
    };
    let value = value.to_owned();
    match record_type {
        "A" | "AAAA" => record.ip = value,
        "CNAME" => record.cname = value,
        "PTR" => record.ptr = value,
        "NS" => record.ns = value,
        "MX" => {
            record.mx = Some(proto::Dnsmx {
                name: value,
                ..Default::default()
            });
        }
        "SRV" => {
            record.srv = Some(proto::Dnssrv {
                name: value,
                ..Default::default()
            });
        }
        _ => record.txt = value,
    }
    record
}

fn packet(question: (&str, &str), answers: Vec<proto::DnsResourceRecord>) -> proto::Dns {
    proto::Dns {
        qr: 1,
        questions: vec![proto::DnsQuestion {
            name: question.0.to_owned(),
            r#type: question.1.to_owned(),
            class: "IN".to_owned(),
        }],
        answers,
        ..Default::default()
    }
}

fn event(time: i64, packet: proto::Dns) -> TestEvent {
    TestEvent::new("net_packet_dns")
        .at_ns(time)
        .set("proto_dns", Value::Dns(packet))
}

/// A response to a question of type `question.1`; answers are name, type, value and seconds to live.
fn response(time: i64, question: (&str, &str), answers: &[(&str, &str, &str, u32)]) -> TestEvent {
    let answers = answers
        .iter()
        .map(|(name, record_type, value, ttl)| record(name, record_type, value, *ttl))
        .collect();
    event(time, packet(question, answers))
}

/// A response that tells the addresses of a name.
fn addresses(time: i64, name: &str, addresses: &[&str], ttl: u32) -> TestEvent {
    let answers: Vec<_> = addresses
        .iter()
        .map(|address| (name, "A", *address, ttl))
        .collect();
    response(time, (name, "A"), &answers)
}

/// The short form of a response, whose answers do not tell what they are about.
fn short(time: i64, question: (&str, &str), answers: &[(&str, &str, u32)]) -> TestEvent {
    let answers = answers
        .iter()
        .map(|(record_type, answer, ttl)| proto::DnsAnswer {
            r#type: (*record_type).to_owned(),
            answer: (*answer).to_owned(),
            ttl: *ttl,
        })
        .collect();
    let data = proto::DnsResponseData {
        dns_query_data: Some(proto::DnsQueryData {
            query: question.0.to_owned(),
            query_type: question.1.to_owned(),
            query_class: "IN".to_owned(),
        }),
        dns_answer: answers,
    };
    TestEvent::new("net_packet_dns_response").at_ns(time).set(
        "dns_response",
        Value::DnsResponses(proto::DnsResponses {
            responses: vec![data],
        }),
    )
}

/// Events get the sequence numbers 1, 2 …
fn told(events: &[TestEvent]) -> Stores {
    let mut stores = Stores::new();
    stores.apply(&batches(events)).expect("events are in order");
    stores
}

/// Domains and addresses, each joined by spaces; `None` if nothing is known.
fn ask(view: DnsAt<'_>, query: &str) -> Option<(String, String)> {
    let response = view.get_dns_response(query).ok()?;
    assert_eq!(response.query, query, "as it was given");
    assert!(!response.truncated);
    Some((response.domains.join(" "), response.ips.join(" ")))
}

/// What is known `seconds` after the beginning, after all events.
fn after(stores: &Stores, seconds: i64, query: &str) -> Option<(String, String)> {
    ask(stores.dns().at(u64::MAX, at(seconds)), query)
}

#[track_caller]
fn expect(stores: &Stores, seconds: i64, query: &str, domains: &str, ips: &str) {
    assert_eq!(
        after(stores, seconds, query),
        Some((domains.to_owned(), ips.to_owned())),
        "{query} after {seconds} s"
    );
}

fn chain(time: i64, addresses: &[&str]) -> TestEvent {
    let mut answers = vec![
        ("www.x.com", "CNAME", "edge.x.net", 60),
        ("edge.x.net", "CNAME", "g.akam.net", 60),
    ];
    answers.extend(addresses.iter().map(|address| ("g.akam.net", "A", *address, 60)));
    response(time, ("www.x.com", "A"), &answers)
}

#[test]
fn every_link_of_a_chain_tells_the_whole_chain() {
    let stores = told(&[chain(at(0), &["1.1.1.1", "1.1.1.2"])]);
    for query in ["www.x.com", "edge.x.net", "g.akam.net"] {
        expect(
            &stores,
            1,
            query,
            "www.x.com edge.x.net g.akam.net",
            "1.1.1.1 1.1.1.2",
        );
    }
    expect(
        &stores,
        1,
        "1.1.1.1",
        "www.x.com edge.x.net g.akam.net",
        "1.1.1.1",
    );
}

#[test]
fn an_address_known_from_another_name_is_still_an_address_of_this_one() {
    let stores = told(&[
        chain(at(0), &["1.1.1.1", "1.1.1.2"]),
        addresses(at(1), "other.com", &["1.1.1.1"], 60),
    ]);
    expect(&stores, 2, "other.com", "other.com", "1.1.1.1");
    expect(
        &stores,
        2,
        "1.1.1.1",
        "other.com www.x.com edge.x.net g.akam.net",
        "1.1.1.1",
    );
}

#[test]
fn a_later_answer_adds_to_what_still_holds() {
    let stores = told(&[chain(at(0), &["1.1.1.1", "1.1.1.2"]), chain(at(30), &["1.1.1.3"])]);
    expect(
        &stores,
        31,
        "www.x.com",
        "www.x.com edge.x.net g.akam.net",
        "1.1.1.1 1.1.1.2 1.1.1.3",
    );
    expect(
        &stores,
        61,
        "www.x.com",
        "www.x.com edge.x.net g.akam.net",
        "1.1.1.3",
    );
}

#[test]
fn a_reverse_look_up_is_about_the_address_itself() {
    let reverse = ("4.3.2.1.in-addr.arpa", "PTR");
    let answer = |time| response(time, reverse, &[(reverse.0, "PTR", "host.example", 60)]);
    for stores in [told(&[answer(at(0))]), told(&[answer(at(0)), answer(at(1))])] {
        for query in ["1.2.3.4", "4.3.2.1.in-addr.arpa", "4.3.2.1.IN-ADDR.ARPA."] {
            expect(&stores, 2, query, "host.example", "1.2.3.4");
        }
        expect(&stores, 2, "host.example", "host.example", "1.2.3.4");
        assert_eq!(after(&stores, 2, "4.3.2.1"), None, "that is another address");
    }

    let name = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    let stores = told(&[response(
        at(0),
        (name, "PTR"),
        &[(name, "PTR", "six.example", 60)],
    )]);
    for query in [name, "2001:db8::1", "2001:DB8:0:0::1"] {
        expect(&stores, 1, query, "six.example", "2001:db8::1");
    }
}

#[test]
fn a_delegated_reverse_look_up_keeps_its_alias() {
    let alias = "4.0-25.3.2.1.in-addr.arpa";
    let stores = told(&[response(
        at(0),
        ("4.3.2.1.in-addr.arpa", "PTR"),
        &[
            ("4.3.2.1.in-addr.arpa", "CNAME", alias, 60),
            (alias, "PTR", "host.example", 60),
        ],
    )]);
    let domains = format!("{alias} host.example");
    expect(&stores, 1, "1.2.3.4", &domains, "1.2.3.4");
    expect(&stores, 1, "host.example", &domains, "1.2.3.4");
}

#[test]
fn answers_are_gone_when_their_time_is_over_but_the_question_is_known() {
    let stores = told(&[
        response(
            at(0),
            ("e.com", "A"),
            &[("e.com", "CNAME", "f.com", 60), ("f.com", "A", "9.9.9.9", 60)],
        ),
        addresses(at(0), "e2.com", &["9.9.9.8"], 60),
    ]);
    expect(&stores, 60, "e.com", "e.com f.com", "9.9.9.9");
    expect(&stores, 3600, "e.com", "e.com", "");
    expect(&stores, 3600, "e2.com", "e2.com", "");
    for query in ["f.com", "9.9.9.9", "9.9.9.8"] {
        assert_eq!(after(&stores, 3600, query), None, "{query}");
    }
}

#[test]
fn a_record_holds_up_to_and_including_its_last_moment() {
    let stores = told(&[
        addresses(at(0), "a.com", &["1.1.1.1"], 60),
        addresses(at(0), "b.com", &["2.2.2.2"], 0),
    ]);
    let found = |query, time| ask(stores.dns().at(u64::MAX, time), query).is_some();
    assert!(found("1.1.1.1", at(60)));
    assert!(!found("1.1.1.1", at(60) + 1));
    assert!(found("2.2.2.2", at(0)), "as of the response itself");
    assert!(!found("2.2.2.2", at(0) + 1));
    assert!(!found("1.1.1.1", at(0) - 1), "not yet seen");
}

#[test]
fn every_link_ends_by_itself() {
    let stores = told(&[response(
        at(0),
        ("r.com", "A"),
        &[("r.com", "CNAME", "m.com", 60), ("m.com", "A", "4.4.4.4", 3600)],
    )]);
    expect(&stores, 100, "4.4.4.4", "m.com", "4.4.4.4");
    expect(&stores, 100, "m.com", "m.com", "4.4.4.4");
    expect(&stores, 100, "r.com", "r.com", "");
}

#[test]
fn the_longest_of_several_times_counts() {
    let stores = told(&[
        addresses(at(0), "a.com", &["1.1.1.1"], 3600),
        addresses(at(10), "a.com", &["1.1.1.1"], 60),
        addresses(at(5000), "a.com", &["1.1.1.1"], 60),
    ]);
    expect(&stores, 100, "a.com", "a.com", "1.1.1.1");
    expect(&stores, 3601, "a.com", "a.com", "");
    expect(&stores, 5001, "a.com", "a.com", "1.1.1.1");
    let early = stores.dns().at(2, at(5001));
    assert_eq!(ask(early, "a.com"), Some(("a.com".to_owned(), String::new())));
}

#[test]
fn answers_that_lead_nowhere_leave_the_question_alone() {
    let stores = told(&[
        response(at(0), ("t.com", "TXT"), &[("t.com", "TXT", "v=spf1 -all", 60)]),
        response(at(0), ("t2.com", "NS"), &[("t2.com", "NS", "ns.t2.com", 60)]),
        response(at(0), ("t3.com", "MX"), &[("t3.com", "MX", "", 60)]),
    ]);
    expect(&stores, 1, "t.com", "t.com", "");
    expect(&stores, 1, "t2.com", "t2.com", "");
    expect(&stores, 1, "t3.com", "t3.com", "");
    assert_eq!(after(&stores, 1, "ns.t2.com"), None);
    assert_eq!(after(&stores, 1, ""), None);
    assert_eq!(stores.dns().unusable_events(), 0);
}

#[test]
fn mail_and_service_hosts_are_followed() {
    let stores = told(&[
        response(
            at(0),
            ("x.com", "MX"),
            &[("x.com", "MX", "mx1.x.com", 60), ("x.com", "MX", "mx2.x.com", 60)],
        ),
        addresses(at(1), "mx2.x.com", &["2.2.2.2"], 60),
        response(
            at(2),
            ("_ldap._tcp.x.com", "SRV"),
            &[("_ldap._tcp.x.com", "SRV", "dc.x.com", 60)],
        ),
        response(
            at(3),
            ("dc.x.com", "AAAA"),
            &[("dc.x.com", "AAAA", "2001:db8::5", 60)],
        ),
    ]);
    expect(&stores, 4, "x.com", "x.com mx1.x.com mx2.x.com", "2.2.2.2");
    expect(&stores, 4, "2.2.2.2", "x.com mx2.x.com", "2.2.2.2");
    expect(
        &stores,
        4,
        "2001:db8::5",
        "_ldap._tcp.x.com dc.x.com",
        "2001:db8::5",
    );
}

#[test]
fn a_question_that_another_answer_mentions_stays_known() {
    let stores = told(&[
        addresses(at(0), "r.com", &["1.1.1.1"], 3600),
        response(at(1), ("s.com", "A"), &[("s.com", "CNAME", "r.com", 1)]),
    ]);
    expect(&stores, 2, "s.com", "s.com r.com", "1.1.1.1");
    expect(&stores, 3, "r.com", "r.com", "1.1.1.1");
    expect(&stores, 3, "s.com", "s.com", "");
}

#[test]
fn nothing_is_pushed_out_by_what_comes_later() {
    let stores = told(&[
        addresses(at(0), "a.com", &["1.1.1.1"], 60),
        addresses(at(1), "b.com", &["1.1.1.1", "1.1.1.2"], 60),
        addresses(at(2), "c.com", &["3.3.3.3"], 60),
    ]);
    expect(&stores, 3, "1.1.1.1", "b.com a.com", "1.1.1.1");
    expect(&stores, 3, "a.com", "a.com", "1.1.1.1");
    expect(&stores, 3, "b.com", "b.com", "1.1.1.1 1.1.1.2");
}

#[test]
fn the_name_that_was_linked_last_comes_first() {
    let stores = told(&[
        addresses(at(0), "p1.com", &["1.1.1.1"], 60),
        addresses(at(1), "p2.com", &["1.1.1.1"], 60),
        addresses(at(2), "p3.com", &["1.1.1.1"], 60),
    ]);
    expect(&stores, 3, "1.1.1.1", "p3.com p2.com p1.com", "1.1.1.1");
}

#[test]
fn a_shared_alias_is_followed_from_both_names_and_named_once() {
    let alias = |time, name| {
        response(
            time,
            (name, "A"),
            &[(name, "CNAME", "mid.com", 60), ("mid.com", "A", "1.1.1.1", 60)],
        )
    };
    let stores = told(&[alias(at(0), "d1.com"), alias(at(1), "d2.com")]);
    expect(&stores, 2, "1.1.1.1", "d2.com d1.com mid.com", "1.1.1.1");
    expect(&stores, 2, "d2.com", "d2.com mid.com", "1.1.1.1");
    expect(&stores, 2, "d1.com", "d1.com mid.com", "1.1.1.1");
}

#[test]
fn names_are_compared_without_case_and_keep_the_case_that_was_seen_first() {
    let stores = told(&[
        response(at(0), ("MiXed.com", "A"), &[("mixed.com", "A", "1.1.1.1", 60)]),
        addresses(at(1), "MIXED.COM", &["1.1.1.2"], 60),
    ]);
    for query in ["mixed.com", "MiXed.com", "MIXED.com", "mixed.com."] {
        expect(&stores, 2, query, "MiXed.com", "1.1.1.1 1.1.1.2");
    }
}

#[test]
fn an_address_with_a_name_and_a_name_with_that_address_are_not_two() {
    let reverse = "4.3.2.1.in-addr.arpa";
    let stores = told(&[
        addresses(at(0), "host.example", &["1.2.3.4"], 60),
        response(at(1), (reverse, "PTR"), &[(reverse, "PTR", "host.example", 60)]),
    ]);
    expect(&stores, 2, "1.2.3.4", "host.example", "1.2.3.4");
    expect(&stores, 2, "host.example", "host.example", "1.2.3.4");
}

#[test]
fn loops_end() {
    let stores = told(&[
        response(at(0), ("a.com", "A"), &[("a.com", "CNAME", "b.com", 60)]),
        response(at(1), ("b.com", "A"), &[("b.com", "CNAME", "a.com", 60)]),
        response(at(2), ("self.com", "A"), &[("self.com", "CNAME", "self.com", 60)]),
    ]);
    expect(&stores, 3, "a.com", "a.com b.com", "");
    expect(&stores, 3, "b.com", "b.com a.com", "");
    expect(&stores, 3, "self.com", "self.com", "");
}

#[test]
fn a_question_about_an_alias_continues_the_chain() {
    let stores = told(&[
        response(at(0), ("x.com", "A"), &[("x.com", "CNAME", "y.com", 60)]),
        addresses(at(1), "y.com", &["1.1.1.1"], 60),
    ]);
    for query in ["x.com", "y.com"] {
        expect(&stores, 2, query, "x.com y.com", "1.1.1.1");
    }
}

#[test]
fn answers_belong_to_the_name_that_they_carry_in_any_order() {
    let stores = told(&[response(
        at(0),
        ("x.com", "A"),
        &[("y.com", "A", "1.1.1.1", 60), ("x.com", "CNAME", "y.com", 60)],
    )]);
    expect(&stores, 1, "x.com", "x.com y.com", "1.1.1.1");
    expect(&stores, 1, "y.com", "x.com y.com", "1.1.1.1");

    let unasked = told(&[response(
        at(0),
        ("x.com", "A"),
        &[("bank.com", "A", "6.6.6.6", 60)],
    )]);
    expect(&unasked, 1, "x.com", "x.com", "");
    expect(&unasked, 1, "6.6.6.6", "bank.com", "6.6.6.6");
}

#[test]
fn the_owner_of_an_address_cannot_name_it_into_the_answers_about_others() {
    let reverse = "6.6.6.6.in-addr.arpa";
    let stores = told(&[
        addresses(at(0), "good.com", &["1.1.1.1"], 60),
        addresses(at(0), "evil.com", &["6.6.6.6"], 60),
        response(at(1), (reverse, "PTR"), &[(reverse, "PTR", "good.com", 60)]),
    ]);
    expect(&stores, 2, "1.1.1.1", "good.com", "1.1.1.1");
    expect(&stores, 2, "evil.com", "evil.com", "6.6.6.6");
    // What was said of the address itself is told, from both ends.
    expect(&stores, 2, "6.6.6.6", "evil.com good.com", "6.6.6.6");
    expect(&stores, 2, "good.com", "good.com", "6.6.6.6 1.1.1.1");
    assert_eq!(stores.dns().at(9, at(2)).addresses_of("good.com"), ["1.1.1.1"]);
    let address: IpAddr = "::ffff:6.6.6.6".parse().expect("an address");
    assert_eq!(
        stores.dns().at(9, at(2)).names_of(address),
        ["evil.com", "good.com"]
    );
}

#[test]
fn the_short_form_tells_the_same_where_a_recording_has_only_that() {
    let long = chain(at(0), &["1.1.1.1"]);
    let brief = short(
        at(0),
        ("www.x.com", "A"),
        &[
            ("CNAME", "edge.x.net", 60),
            ("CNAME", "g.akam.net", 60),
            ("A", "1.1.1.1", 60),
        ],
    );
    let alone = told(std::slice::from_ref(&brief));
    expect(&alone, 1, "1.1.1.1", "www.x.com edge.x.net g.akam.net", "1.1.1.1");
    expect(
        &alone,
        1,
        "www.x.com",
        "www.x.com edge.x.net g.akam.net",
        "1.1.1.1",
    );
    // Both forms of one response are one.
    for both in [told(&[long.clone(), brief.clone()]), told(&[brief, long])] {
        assert_eq!(both.dns().history().len(), 3);
        expect(&both, 1, "1.1.1.1", "www.x.com edge.x.net g.akam.net", "1.1.1.1");
    }
    // The host of a service is not in the short form: what is there instead is no name.
    let service = told(&[short(
        at(0),
        ("_s._tcp.x.com", "SRV"),
        &[("SRV", "not implemented", 60)],
    )]);
    expect(&service, 1, "_s._tcp.x.com", "_s._tcp.x.com", "");
}

#[test]
fn a_question_is_answered_as_of_an_event() {
    let stores = told(&[
        addresses(at(0), "a.com", &["1.1.1.1"], 60),
        addresses(at(1), "a.com", &["1.1.1.2"], 60),
    ]);
    let view = |seq| stores.dns().at(seq, at(1));
    assert_eq!(ask(view(0), "a.com"), None);
    assert_eq!(
        ask(view(1), "a.com"),
        Some(("a.com".to_owned(), "1.1.1.1".to_owned()))
    );
    assert_eq!(
        ask(view(2), "a.com"),
        Some(("a.com".to_owned(), "1.1.1.1 1.1.1.2".to_owned()))
    );
    assert_eq!(view(2).metrics().item_count, 1);
    let error = view(0)
        .get_dns_response("a.com")
        .expect_err("nothing happened yet");
    assert!(error.is_not_found());
    assert_eq!(
        error.to_string(),
        "dns.get_dns_response: no answer about `a.com` is known"
    );
}

#[test]
fn what_is_no_answer_changes_nothing_and_what_is_malformed_is_counted() {
    let query = proto::Dns {
        qr: 0,
        ..packet(("a.com", "A"), vec![record("a.com", "A", "1.1.1.1", 60)])
    };
    let two = {
        let mut packet = packet(("a.com", "A"), vec![record("a.com", "A", "1.1.1.1", 60)]);
        packet.questions.push(packet.questions[0].clone());
        packet
    };
    let none = proto::Dns {
        questions: Vec::new(),
        ..two.clone()
    };
    let a = || addresses(at(0), "a.com", &["1.1.1.1"], 60);
    for (what, event, unusable) in [
        ("a question", event(at(0), query), 0),
        ("no answers", event(at(0), packet(("a.com", "A"), Vec::new())), 0),
        ("two questions", event(at(0), two), 1),
        ("no question", event(at(0), none), 1),
        ("no packet", a().without("proto_dns"), 1),
        (
            "text",
            a().set_exactly("proto_dns", Value::from("a.com A 1.1.1.1")),
            1,
        ),
    ] {
        let stores = told(&[event]);
        assert_eq!(after(&stores, 0, "a.com"), None, "{what}");
        assert_eq!(stores.dns().unusable_events(), unusable, "{what}");
    }

    let mut timeless = a().to_recorded();
    timeless.event.timestamp = None;
    let mut builder = BatchBuilder::new(0);
    builder.push(1, &timeless);
    let mut stores = Stores::new();
    stores.apply(&builder.finish().batches).expect("in order");
    assert_eq!(after(&stores, 0, "a.com"), None);
    assert_eq!(stores.dns().unusable_events(), 1);

    let half = told(&[addresses(at(0), "a.com", &["1.1.1.1.1", "1.1.1.2"], 60)]);
    expect(&half, 0, "a.com", "a.com", "1.1.1.2");
    assert_eq!(half.dns().unusable_events(), 1);
}

#[test]
fn history_has_a_row_for_every_sighting() {
    let reverse = "4.3.2.1.in-addr.arpa";
    let stores = told(&[
        addresses(at(0), "a.com", &["1.1.1.1", "1.1.1.2"], 60),
        response(at(1), (reverse, "PTR"), &[(reverse, "PTR", "Host.example", 30)]),
        addresses(at(2), "A.com", &["1.1.1.1"], 60),
    ]);
    let history = stores.dns().history();
    let rows: Vec<_> = history
        .iter()
        .map(|row| {
            (
                row.seq,
                row.name.as_ref(),
                row.record_type,
                row.value.as_ref(),
                row.ttl,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (1, "a.com", RecordType::A, "1.1.1.1", 60),
            (1, "a.com", RecordType::A, "1.1.1.2", 60),
            (2, reverse, RecordType::Ptr, "Host.example", 30),
            (3, "a.com", RecordType::A, "1.1.1.1", 60),
        ]
    );
    let last = &history[3];
    assert_eq!((last.question.as_ref(), last.question_type), ("a.com", "A"));
    assert_eq!((last.time_ns, last.valid_until_ns), (at(2), at(62)));

    let holding = |seq, seconds| -> Vec<_> {
        let records = stores.dns().at(seq, at(seconds)).all();
        records
            .map(|record| (record.seq, record.value.into_owned()))
            .collect()
    };
    assert_eq!(
        holding(3, 31),
        [
            (3, "1.1.1.1".to_owned()),
            (1, "1.1.1.2".to_owned()),
            (2, "Host.example".to_owned())
        ]
    );
    assert_eq!(holding(3, 61), [(3, "1.1.1.1".to_owned())]);
}

#[test]
fn a_hostile_answer_is_cut_off_and_says_so() {
    let names: Vec<_> = (0..MAX_NODES + 5)
        .map(|number| format!("n{number}.com"))
        .collect();
    let answers: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), "A", "1.1.1.1", 60))
        .collect();
    let stores = told(&[response(at(0), ("n0.com", "A"), &answers)]);
    let view = stores.dns().at(1, at(1));
    let found = view.get_dns_response("1.1.1.1").expect("known");
    assert!(found.truncated);
    assert_eq!(found.domains.len() + found.ips.len(), MAX_NODES);

    // A long chain neither recurses nor goes on for ever.
    let chain: Vec<_> = names
        .windows(2)
        .map(|pair| (pair[0].as_str(), "CNAME", pair[1].as_str(), 60))
        .collect();
    let stores = told(&[response(at(0), ("n0.com", "A"), &chain)]);
    let view = stores.dns().at(1, at(1));
    let found = view.get_dns_response("n0.com").expect("known");
    assert!(found.truncated);
    assert_eq!(found.domains.len(), MAX_NODES);
}

#[test]
fn what_is_retained_for_an_hour_is_forgotten_after_it() {
    let mut stores = Stores::with(Settings {
        retention_ns: Some((3600 * SECOND).cast_unsigned()),
        ..Settings::default()
    });
    let events = [
        addresses(at(0), "Old.com", &["1.1.1.1"], 60),
        addresses(at(0), "long.com", &["2.2.2.2"], 40_000),
        addresses(at(20_000), "new.com", &["3.3.3.3"], 60),
        addresses(at(20_001), "OLD.com", &["1.1.1.1"], 60),
    ];
    stores.apply(&batches(&events)).expect("in order");
    let view = |seq, seconds| stores.dns().at(seq, at(seconds));
    let known = |domains: &str, ips: &str| Some((domains.to_owned(), ips.to_owned()));
    assert_eq!(
        ask(view(2, 20_000), "old.com"),
        known("Old.com", ""),
        "asked, as of then"
    );
    assert_eq!(ask(view(3, 20_000), "old.com"), None);
    assert_eq!(ask(view(3, 20_000), "long.com"), known("long.com", "2.2.2.2"));
    assert_eq!(ask(view(3, 20_000), "2.2.2.2"), known("long.com", "2.2.2.2"));
    assert_eq!(
        ask(view(4, 20_001), "old.com"),
        known("OLD.com", "1.1.1.1"),
        "seen anew"
    );
    assert_eq!(
        ask(view(1, 1), "old.com"),
        known("Old.com", "1.1.1.1"),
        "history stays"
    );
}

#[test]
fn a_name_with_very_many_records_is_answered_with_the_newest() {
    let answers: Vec<_> = (0..MAX_LINKS).map(|number| format!("{number}.old.com")).collect();
    let answers: Vec<_> = answers
        .iter()
        .map(|name| (name.as_str(), "A", "1.1.1.1", 1))
        .collect();
    let stores = told(&[
        response(at(0), ("old.com", "A"), &answers),
        addresses(at(5), "new.com", &["1.1.1.1"], 60),
    ]);
    let view = stores.dns().at(2, at(6));
    let found = view.get_dns_response("1.1.1.1").expect("known");
    assert_eq!(found.domains, ["new.com"]);
    assert!(found.truncated, "not all were looked at");
}

fn keyframe(stores: &mut Stores) -> RecordBatch {
    let frames = stores.keyframes().into_iter();
    let mut frames = frames.filter(|(name, _)| *name == "dns").map(|(_, rows)| rows);
    frames.next().expect("the DNS store has one")
}

#[test]
fn a_keyframe_holds_what_later_questions_need_and_no_more() {
    let mut stores = told(&[
        addresses(at(0), "a.com", &["1.1.1.1"], 60),
        addresses(at(30), "A.com", &["1.1.1.1"], 60),
        addresses(at(200), "a.com", &["1.1.1.1"], 60),
    ]);
    let rows = DnsState::from_batch(&keyframe(&mut stores)).expect("well formed");
    let known: Vec<_> = rows
        .iter()
        .map(|row| (row.time_ns, row.name.as_deref(), row.valid_until_ns))
        .collect();
    assert_eq!(
        known,
        [
            (at(200), None, Some(at(260))),
            (at(0), Some("a.com"), Some(at(90))),
            (at(200), Some("a.com"), Some(at(260))),
        ],
        "the question, and when the record held"
    );

    let before = stores.dns().history().len();
    stores.compact(3);
    let after: Vec<_> = stores
        .dns()
        .history()
        .iter()
        .map(|row| (row.seq, row.time_ns))
        .collect();
    assert_eq!((before, after), (3, vec![(1, at(0)), (3, at(200))]));
}

#[test]
fn malformed_keyframes_are_refused() {
    let mut stores = told(&[addresses(at(0), "a.com", &["1.1.1.1"], 60)]);
    let good = DnsState::from_batch(&keyframe(&mut stores)).expect("well formed");
    let restore = |change: &dyn Fn(&mut DnsState)| {
        let mut rows = good.clone();
        change(rows.last_mut().expect("a record"));
        let frames = [("dns".to_owned(), DnsState::to_batch(&rows))];
        Stores::new().restore(2, &frames, Vec::new())
    };
    assert_eq!(restore(&|_| {}), Ok(()));
    type Change<'a> = (&'a dyn Fn(&mut DnsState), &'a str);
    let changes: [Change<'_>; 5] = [
        (
            &|row| row.value = Some("1.1.1".to_owned()),
            "column `value` of the table keyframes/dns has `1.1.1` in row 1: it is no address",
        ),
        (
            &|row| row.record_type = Some("NS".to_owned()),
            "column `record_type` of the table keyframes/dns has `NS` in row 1: no such type is kept",
        ),
        (
            &|row| row.seq = 2,
            "column `seq` of the table keyframes/dns has `2` in row 1: the state before event 2 cannot tell of it",
        ),
        (
            &|row| row.ttl = None,
            "column `ttl` of the table keyframes/dns has a null in row 1",
        ),
        (
            &|row| row.valid_until_ns = None,
            "column `valid_until_ns` of the table keyframes/dns has a null in row 1",
        ),
    ];
    for (change, text) in changes {
        assert_eq!(restore(change).expect_err("malformed").to_string(), text);
    }
}
