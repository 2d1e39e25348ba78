//! DNS, HTTP, and connections with the names of their ends.

use detectors_api::event::RecordedEvent;
use detectors_api::proto;
use detectors_api::proto::event_value::Value;

use super::recorded::{Recorded, number, pid, record_workload, text, value};
use super::workload::{ALIAS, HOST};

const BOTH_ENDS: [&str; 4] = ["egress", "ingress", "egress", "ingress"];

#[test]
fn names_pages_and_connections() {
    let recorded = record_workload(
        "names",
        &[
            "net_packet_dns",
            "net_packet_dns_request",
            "net_packet_dns_response",
            "net_packet_http",
            "net_packet_http_request",
            "net_packet_http_response",
            "net_flow_tcp_begin",
            "net_flow_tcp_end",
            "net_tcp_connect",
        ],
    );
    let Some(recorded) = recorded else { return };
    let owner = Some(recorded.truth("pid"));
    for event in &recorded.events {
        assert!(
            !event.event.name.starts_with("net_") || pid(event) == owner,
            "{event:?}"
        );
    }
    messages_of_dns(&recorded);
    questions_and_answers(&recorded);
    pages(&recorded);
    connections(&recorded);
    // Connections are made of it, but nobody has asked for it.
    assert_eq!(recorded.named("security_socket_connect").count(), 0);
}

fn directions<'a>(events: &[&'a RecordedEvent]) -> Vec<&'a str> {
    events.iter().map(|event| text(event, "metadata")).collect()
}

fn messages_of_dns(recorded: &Recorded) {
    let message = |event: &RecordedEvent| match value(event, "proto_dns") {
        Some(Value::Dns(dns)) => dns.clone(),
        other => panic!("{other:?}"),
    };
    let events: Vec<_> = recorded.named("net_packet_dns").collect();
    let (datagrams, segments) = events.split_at(4);
    assert_eq!(directions(datagrams), BOTH_ENDS);
    assert_eq!(directions(segments), BOTH_ENDS);
    assert_eq!(
        (text(datagrams[0], "src"), text(datagrams[0], "dst")),
        ("127.0.0.1", "127.0.0.1")
    );
    assert_eq!(
        (number(datagrams[0], "src_port"), number(datagrams[0], "dst_port")),
        (recorded.truth("resolver"), 53)
    );
    let question = proto::DnsQuestion {
        name: ALIAS.to_owned(),
        r#type: "A".to_owned(),
        class: "IN".to_owned(),
    };
    let query = proto::Dns {
        id: 0xcafe,
        op_code: "query".to_owned(),
        rd: 1,
        response_code: "no error".to_owned(),
        qd_count: 1,
        questions: vec![question],
        ..proto::Dns::default()
    };
    assert_eq!(message(datagrams[0]), query);
    assert_eq!(message(datagrams[1]), query);
    let record = |name: &str, kind: &str, ttl| proto::DnsResourceRecord {
        name: name.to_owned(),
        r#type: kind.to_owned(),
        class: "IN".to_owned(),
        ttl,
        soa: Some(proto::Dnssoa::default()),
        srv: Some(proto::Dnssrv::default()),
        mx: Some(proto::Dnsmx::default()),
        uri: Some(proto::Dnsuri::default()),
        ..proto::DnsResourceRecord::default()
    };
    let response = proto::Dns {
        qr: 1,
        ra: 1,
        an_count: 2,
        answers: vec![
            proto::DnsResourceRecord {
                cname: HOST.to_owned(),
                ..record(ALIAS, "CNAME", 300)
            },
            proto::DnsResourceRecord {
                ip: "127.0.0.1".to_owned(),
                ..record(HOST, "A", 60)
            },
        ],
        ..query
    };
    assert_eq!(message(datagrams[2]), response);
    assert_eq!(message(datagrams[3]), response);

    // Over TCP and IPv6.
    assert_eq!(text(segments[0], "dst"), "::1");
    let codes: Vec<_> = segments
        .iter()
        .map(|event| message(event).response_code)
        .collect();
    assert_eq!(
        codes,
        [
            "no error",
            "no error",
            "non-existent domain",
            "non-existent domain"
        ]
    );
    assert_eq!(message(segments[0]).questions[0].name, "nobody.test");
}

fn metadata(event: &RecordedEvent) -> &proto::PacketMetadata {
    match value(event, "metadata") {
        Some(Value::PacketMetadata(metadata)) => metadata,
        other => panic!("{other:?}"),
    }
}

fn questions_and_answers(recorded: &Recorded) {
    let requests: Vec<_> = recorded.named("net_packet_dns_request").collect();
    assert_eq!(requests.len(), 4);
    let asked = proto::DnsQueryData {
        query: ALIAS.to_owned(),
        query_type: "A".to_owned(),
        query_class: "IN".to_owned(),
    };
    let questions = proto::DnsQuestions {
        questions: vec![asked.clone()],
    };
    assert_eq!(
        value(requests[0], "dns_questions"),
        Some(&Value::DnsQuestions(questions))
    );
    assert_eq!(
        *metadata(requests[0]),
        proto::PacketMetadata {
            src_ip: "127.0.0.1".to_owned(),
            dst_ip: "127.0.0.1".to_owned(),
            src_port: u32::try_from(recorded.truth("resolver")).expect("a port"),
            dst_port: 53,
            protocol: 17,
            // Headers of 28 and 12 bytes, the name, type and class.
            packet_len: 28 + 12 + (ALIAS.len() as u32 + 2) + 4,
            iface: "any".to_owned(),
            direction: 0,
        }
    );
    assert_eq!(metadata(requests[2]).protocol, 6);

    let responses: Vec<_> = recorded.named("net_packet_dns_response").collect();
    assert_eq!(responses.len(), 4);
    let answer = |kind: &str, ttl, answer: &str| proto::DnsAnswer {
        r#type: kind.to_owned(),
        ttl,
        answer: answer.to_owned(),
    };
    let answered = proto::DnsResponses {
        responses: vec![proto::DnsResponseData {
            dns_query_data: Some(asked),
            dns_answer: vec![answer("CNAME", 300, HOST), answer("A", 60, "127.0.0.1")],
        }],
    };
    assert_eq!(
        value(responses[0], "dns_response"),
        Some(&Value::DnsResponses(answered))
    );
}

fn pages(recorded: &Recorded) {
    let events: Vec<_> = recorded.named("net_packet_http").collect();
    assert_eq!(directions(&events), BOTH_ENDS);
    let message = |event: &RecordedEvent| match value(event, "proto_http") {
        Some(Value::Http(http)) => http.clone(),
        other => panic!("{other:?}"),
    };
    let header = |name: &str, value: &str| {
        let header = proto::HttpHeader {
            header: vec![value.to_owned()],
        };
        (name.to_owned(), header)
    };
    assert_eq!(number(events[0], "dst_port"), recorded.truth("page"));
    let request = message(events[1]);
    assert_eq!(
        request,
        proto::Http {
            direction: "request".to_owned(),
            method: "GET".to_owned(),
            protocol: "HTTP/1.1".to_owned(),
            host: ALIAS.to_owned(),
            uri_path: "/news".to_owned(),
            headers: [header("User-Agent", "test")].into(),
            ..proto::Http::default()
        }
    );
    let response = message(events[2]);
    assert_eq!(
        response,
        proto::Http {
            direction: "response".to_owned(),
            protocol: "HTTP/1.1".to_owned(),
            status: "200 OK".to_owned(),
            status_code: 200,
            headers: [header("Content-Length", "5"), header("Server", "test")].into(),
            content_length: 5,
            ..proto::Http::default()
        }
    );
    let requests: Vec<_> = recorded.named("net_packet_http_request").collect();
    assert_eq!(requests.len(), 2);
    match value(requests[0], "http_request") {
        Some(Value::HttpRequest(only)) => {
            assert_eq!(
                (&only.method, &only.uri_path, &only.headers),
                (&request.method, &request.uri_path, &request.headers)
            );
        }
        other => panic!("{other:?}"),
    }
    let responses: Vec<_> = recorded.named("net_packet_http_response").collect();
    assert_eq!(responses.len(), 2);
    match value(responses[0], "http_response") {
        Some(Value::HttpResponse(only)) => {
            assert_eq!(
                (&only.status, only.status_code, only.content_length),
                (&response.status, 200, 5)
            );
        }
        other => panic!("{other:?}"),
    }
}

fn names<'a>(event: &'a RecordedEvent, field: &str) -> &'a [String] {
    match value(event, field) {
        Some(Value::StrArray(names)) => &names.value,
        other => panic!("{field} is {other:?}"),
    }
}

fn connections(recorded: &Recorded) {
    let page = recorded.truth("page");
    let asked: Vec<_> = recorded
        .named("net_tcp_connect")
        .filter(|event| number(event, "dst_port") == page)
        .collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(text(asked[0], "dst"), "127.0.0.1");
    assert_eq!(names(asked[0], "dst_dns"), [ALIAS, HOST]);
    for name in ["net_flow_tcp_begin", "net_flow_tcp_end"] {
        let flows: Vec<_> = recorded
            .named(name)
            .filter(|event| number(event, "dst_port") == page)
            .collect();
        // Once at each of the two sockets.
        let mut directions: Vec<_> = flows.iter().map(|event| text(event, "conn_direction")).collect();
        directions.sort_unstable();
        assert_eq!(directions, ["incoming", "outgoing"], "{name}");
        for flow in flows {
            assert_eq!((text(flow, "src"), text(flow, "dst")), ("127.0.0.1", "127.0.0.1"));
            assert_eq!(number(flow, "src_port"), recorded.truth("browser"));
            assert_eq!(names(flow, "src_dns"), [ALIAS, HOST]);
            assert_eq!(names(flow, "dst_dns"), [ALIAS, HOST]);
        }
    }
}
