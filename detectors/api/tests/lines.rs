//! What becomes of lines, one by one, and what is said about those that are no events.

use std::fmt::Write;

use detectors_api::event::RecordedEvent;
use detectors_api::json::{Flavour, Line, read_line, write_line};
use detectors_api::protobuf;

fn read(line: &str) -> RecordedEvent {
    match read_line(line.as_bytes()) {
        Ok(Line::Event(event)) => *event,
        other => panic!("{other:?}: {line}"),
    }
}

/// The event in our own form, member by member.
fn shown(line: &str) -> String {
    let event = read(line);
    let mut written = Vec::new();
    write_line(&event, Flavour::Extended, &mut written);
    let value: serde_json::Value = serde_json::from_slice(&written).expect("it is JSON");
    let shown = serde_json::to_string_pretty(&value).expect("it is JSON");
    let written = String::from_utf8(written).expect("it is text");
    assert_eq!(read(&written), event);
    shown
}

#[test]
fn a_legacy_event_keeps_what_the_model_has_no_place_for() {
    insta::assert_snapshot!(shown(
        r#"{"timestamp":1657291487418386000,"threadStartTime":616568205378363,"processorId":11,"processId":1893369,"cgroupId":1,
        "threadId":1893369,"parentProcessId":3795408,"hostProcessId":1893369,"hostThreadId":1893369,"hostParentProcessId":3795408,
        "userId":1000,"mountNamespace":4026531840,"pidNamespace":4026531836,"processName":"exa","hostName":"fujitsu",
        "containerId":"c7e3","containerImage":"docker.io/x:1","containerName":"x","podName":"p","podNamespace":"n","podUID":"u",
        "podSandbox":true,"eventId":"300","eventName":"openat","matchedScopes":1,"argsNum":9,"returnValue":3,"stackAddresses":[0],
        "contextFlags":{"containerStarted":true,"isCompat":false,"new":1},"args":[
        {"name":"dirfd","type":"int","value":"-100=/"},{"name":"pathname","type":"const char*","value":"/etc/ld.so.cache"},
        {"name":"flags","type":"string","value":"O_RDONLY"},{"name":"mode","type":"mode_t","value":4294967296},
        {"name":"buf","type":"void*","value":93921853269152},{"name":"addr","type":"struct sockaddr*","value":{"sa_family":"AF_NETLINK"}},
        {"name":"odd","type":"enum odd","value":7},{"name":"none","type":"void*","value":null,"extra":[1, 2]}]}"#
    ));
}

#[test]
fn a_legacy_finding_becomes_a_detection() {
    insta::assert_snapshot!(shown(
        r#"{"timestamp":1785571205500000000,"processorId":3,"processId":17,"hostProcessId":4242,"userId":101,"processName":"curl",
        "executable":{"path":"/usr/bin/curl"},"containerId":"other","container":{"id":"3f1c","name":"web","image":"nginx","imageDigest":"nginx@sha256:ab"},
        "kubernetes":{"podName":"web-7c9f","podNamespace":"shop","podUID":"0b9a"},"eventId":"6007","eventName":"dropped_executable",
        "matchedPolicies":["baseline"],"argsNum":2,"returnValue":0,"syscall":"write","stackAddresses":null,
        "threadEntityId":1663820031,"processEntityId":1663820031,"parentEntityId":2849291940,"args":[
        {"name":"path","type":"const char *","value":"/tmp/.x/agent"},
        {"name":"detectedFrom","type":"unknown","value":{"args":[{"name":"pathname","type":"string","value":"/tmp/.x/agent"},
        {"name":"bytes","type":"[]byte","value":"f0VMRg=="},{"name":"dev","type":"uint32","value":48}],"id":727,"name":"magic_write","returnValue":4096,
        "parent":{"id":1,"name":"older","args":null,"more":{}}}}],
        "metadata":{"Version":"1","Description":"A file.","Tags":["linux"],"Properties":{"Category":"defense-evasion","Severity":2,
        "Technique":"Masquerading","external_id":"T1036","id":"x","count":3,"signatureID":"TRC-1022","signatureName":"Dropped"}}}"#
    ));
}

#[test]
fn legacy_payloads_become_messages() {
    insta::assert_snapshot!(shown(
        r#"{"eventName":"test","args":[
        {"name":"cred","type":"slim_cred_t","value":{"Uid":1,"SecureBits":0,"CapEffective":513,"CapBounding":0,"Extra":1}},
        {"name":"addr","type":"SockAddr","value":{"sa_family":"AF_INET6","sin6_addr":"::1","sin6_port":"443","sin6_flowinfo":"0","sin6_scopeid":"2"}},
        {"name":"fds","type":"[2]int","value":[3,4]},{"name":"ops","type":"[]uint64","value":[18446744073709551615]},
        {"name":"hooks","type":"[]trace.HookedSymbolData","value":[{"SymbolName":"a","ModuleOwner":"b"}]},
        {"name":"seq","type":"map[string]trace.HookedSymbolData","value":{"tcp4":{"SymbolName":"a","ModuleOwner":"b"}}},
        {"name":"dir","type":"trace.PacketMetadata","value":{"direction":2}},{"name":"time","type":"float64","value":1.5},
        {"name":"at","type":"time.Time","value":"2024-05-01T12:00:00.5Z"},{"name":"http","type":"trace.ProtoHTTP",
        "value":{"direction":"request","headers":{"Accept":["*/*"],"None":null},"status_code":0,"content_length":-1}},
        {"name":"answers","type":"[]trace.DnsResponseData","value":[{"query_data":{"query":"q","query_type":"A","query_class":"IN"},
        "dns_answer":[{"answer_type":"A","ttl":22,"answer":"1.2.3.4"}]}]},
        {"name":"list","type":"unknown","value":[{"a":1},{"b":null}]},{"name":"object","type":"unknown","value":{"exact":9007199254740993}}]}"#
    ));
}

#[test]
fn a_field_that_cannot_be_read_keeps_its_name_and_its_event() {
    insta::assert_snapshot!(shown(
        r#"{"timestamp":"2024-05-01T12:00:08.42Z","id":4,"name":"close","later":{"a~b/c": [ 1, "x y" ]},"workload":{"process":{"mood":"good","pid":1}},"data":[
        {"name":"fd","int32":"144=/x"},{"name":"who","cgroup":{"id":"7"}},{"name":"two","int32":1,"str":"a"},
        {"name":5,"str":"n"},{"name":"wide","u_int32":4294967296},{"name":"addr","sockaddr":null},{"name":"none","value":null}],
        "detected_from":{"id":1,"name":"x","data":[{"name":"bad","bytes":"***"}],"parent":{"id":2,"name":"y","data":[{"name":"odd","bool":1}]}}}"#
    ));
}

#[test]
fn a_logger_line_is_no_event() {
    for line in [
        r#"{"level":"warn","ts":1715000000.1,"msg":"Lost events"}"#,
        r#"{"L":"INFO","T":"2024-05-01","M":"ready"}"#,
    ] {
        assert_eq!(read_line(line.as_bytes()), Ok(Line::Log));
    }
}

#[test]
fn what_is_no_event_is_named() {
    let deep = format!(
        r#"{{"timestamp":"null","id":1,"name":"x","detected_from":{}{}}}"#,
        r#"{"parent":"#.repeat(90),
        "{}".to_owned() + &"}".repeat(90)
    );
    let nested = format!(r#"{{"a":{}"#, "[".repeat(200));
    let long = format!(
        r#"{{"timestamp":"null","id":"{}","name":"x"}}"#,
        "long ".repeat(100)
    );
    let lines: &[(&str, &[u8])] = &[
        ("blank", b" \r\n"),
        ("plain text", b"INFO starting up"),
        ("a list", b"[1,2]"),
        ("cut off", br#"{"timestamp":"2024-05-01T12:00:08Z","id":1,"name":"x","data":[{"na"#),
        ("two objects", br#"{"timestamp":"null","id":1,"name":"x"}{"id":2}"#),
        ("not UTF-8", b"{\"name\":\"\xff\"}"),
        ("nested arrays", nested.as_bytes()),
        ("nested origins", deep.as_bytes()),
        (
            "Falco",
            br#"{"hostname":"h","output":"A shell","priority":"Notice","rule":"Terminal shell","source":"syscall","tags":["shell"],"time":"2024-05-01T12:00:08Z"}"#,
        ),
        (
            "Sysmon",
            br#"{"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"h","RuleName":"-","UtcTime":"x","ProcessGuid":"g","Image":"i","User":"u","Hashes":"h"}"#,
        ),
        ("no name", br#"{"timestamp":"2024-05-01T12:00:08Z","id":1,"workload":{}}"#),
        ("legacy without a name", br#"{"timestamp":1,"eventId":"3","args":[]}"#),
        ("wrong time", br#"{"timestamp":"yesterday","id":1,"name":"x"}"#),
        ("wrong pid", br#"{"timestamp":"null","id":1,"name":"x","workload":{"process":{"ancestors":[{"pid":-1}]}}}"#),
        ("wrong legacy pid", br#"{"eventName":"close","processId":"one"}"#),
        ("field that is none", br#"{"timestamp":"null","id":1,"name":"x","data":[{"name":"a","str":"b"},7]}"#),
        ("much input", long.as_bytes()),
        ("the same key twice", br#"{"timestamp":"null","id":1,"name":"x","new":1,"new":2}"#),
        ("known key twice", br#"{"timestamp":"null","id":1,"id":2,"name":"x"}"#),
        ("damaged extension", br#"{"timestamp":"null","id":1,"name":"x","tracee_cap":{"exact":"AAAA"}}"#),
    ];
    let mut out = String::new();
    for (what, line) in lines {
        let error = read_line(line).expect_err(what);
        writeln!(out, "{what}:\n    {error}").expect("text takes it");
    }
    insta::assert_snapshot!(out);
}

#[test]
fn a_line_too_long_is_not_looked_at() {
    let line = vec![b'x'; detectors_api::json::MAX_LINE + 1];
    insta::assert_snapshot!(read_line(&line).expect_err("it is too long"));
}

#[test]
fn protobuf_errors_say_where() {
    let mut good = Vec::new();
    protobuf::write_delimited(
        &read(r#"{"timestamp":"null","id":1,"name":"x"}"#).event,
        &mut good,
    );
    let streams: &[(&str, &[u8])] = &[
        ("cut within a message", &[&good[..], &good[..3]].concat()),
        ("cut within a length", &[&good[..], &[0x80]].concat()),
        ("too long", &[&good[..], &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat()),
        ("endless length", &[0xff; 12]),
        ("no event, then one", &[&[1, 0xff][..], &good].concat()),
    ];
    let mut out = String::new();
    for (what, bytes) in streams {
        writeln!(out, "{what}:").expect("text takes it");
        for event in protobuf::Reader::new(*bytes) {
            match event {
                Ok(event) => writeln!(out, "    event {}", event.event.name),
                Err(error) => writeln!(out, "    {error}"),
            }
            .expect("text takes it");
        }
    }
    insta::assert_snapshot!(out);
}

#[test]
fn unknown_protobuf_fields_are_kept() {
    let mut message = Vec::new();
    protobuf::write_delimited(
        &read(r#"{"timestamp":"null","id":1,"name":"x"}"#).event,
        &mut message,
    );
    // Field 100, varint 7, within the message.
    message.extend([0xa0, 0x06, 0x07]);
    message[0] += 3;
    let event = protobuf::Reader::new(message.as_slice())
        .next()
        .expect("there is one")
        .expect("it is an event");
    assert_eq!(event.event.name, "x");
    let unmapped: serde_json::Value =
        serde_json::from_str(event.unmapped.as_deref().expect("there is something")).expect("it is JSON");
    assert_eq!(unmapped[protobuf::UNKNOWN_FIELDS], "EAEaAXigBgc=");
}
