//! Functions and macros.

use detectors_api::testkit::TestEvent;
use detectors_yaml::cel::{EvalError, Value};

use crate::{assert_true, value};

#[test]
fn sizes() {
    assert_true(
        &TestEvent::new("close"),
        &[
            "size('aé😀') == 3 && 'abc'.size() == 3 && size('') == 0",
            "size(b'\\xff\\xff') == 2 && size([1, 2]) == 2 && [].size() == 0",
            "size({'a': 1}) == 1 && size(SHELLS) == 3",
        ],
    );
}

#[test]
fn tests_of_texts() {
    assert_true(
        &TestEvent::new("close"),
        &[
            "'abc'.contains('b') && !'abc'.contains('d') && 'abc'.contains('')",
            "'abc'.startsWith('ab') && 'abc'.endsWith('bc') && !'abc'.startsWith('b')",
            "'/etc/passwd'.matches('pass') && !'/etc/passwd'.matches('^pass')",
            "matches('abc', '^a.c$') && 'a1'.matches(r'[a-z]\\d')",
            "['^a', 'b$'].all(re, 'ab'.matches(re))",
        ],
    );
    assert!(matches!(
        value("'a'.matches('(' + ')(')"),
        Err(EvalError::Regex(_))
    ));
}

#[test]
fn regular_expressions_are_those_of_re2() {
    assert_true(
        &TestEvent::new("close"),
        &[
            // Classes of Perl are ASCII.
            r"!'٣'.matches(r'^\d$') && '3'.matches(r'^\d$') && '٣'.matches(r'^\D$')",
            r"!'é'.matches(r'^\w$') && 'é'.matches(r'^\W$') && '_'.matches(r'^[\w]$')",
            r"!'\u00a0'.matches(r'^\s$') && ' '.matches(r'^[\s]$') && 'a'.matches(r'^[^\s\d]$')",
            r"'é'.matches(r'^[\W]$') && !'a'.matches(r'[\W]')",
            r"'a-b'.matches(r'a\b-') && !'ab'.matches(r'a\bb') && 'éa'.matches(r'\ba')",
            // A bracket or an operator of sets within a class is itself.
            r"'['.matches(r'^[[]$') && '&'.matches(r'^[a&&b]$') && 'a'.matches(r'^[a&&b]$')",
            r"'~'.matches(r'^[a~~b]$') && '5'.matches(r'^[[:digit:]]$') && ']'.matches(r'^[]]$')",
            r"'A'.matches('(?i)^a$') && 'é'.matches('^.$') && 'a\nb'.matches('(?s)a.b')",
            r"'é'.matches(r'^\pL$') && 'a'.matches(r'^\p{Latin}$') && '.'.matches(r'^\Q.\E$')",
        ],
    );
}

#[test]
fn helpers() {
    assert_true(
        &TestEvent::new("close"),
        &[
            "split('a,b,,c', ',') == ['a', 'b', '', 'c'] && split('', ',') == ['']",
            "split('aé', '') == ['a', 'é'] && split(lower('AÉ'), '') == ['a', 'é'] && split('', '') == []",
            "join(['a', 'b'], '-') == 'a-b' && join([], '-') == '' && join(SHELLS, ':') == '/bin/sh:/usr/bin/bash:sh'",
            "join(split('a,b', ','), '-') == 'a-b' && join(split('a b', ' ').map(x, upper(x)), '') == 'AB'",
            "trim(' \\t\\u00a0a b\\n') == 'a b' && trim(lower(' A ')) == 'a'",
            "replace('aXbX', 'X', '') == 'ab' && replace('abc', '', '-') == '-a-b-c-'",
            "upper('aßé') == 'AßÉ' && lower('AÉ') == 'aé'",
            "basename('/usr/bin/sh') == 'sh' && basename('') == '.' && basename('/') == '/' && basename('a/') == 'a'",
            "dirname('/a/b/') == '/a/b' && dirname('/a//b') == '/a' && dirname('a') == '.' && dirname('') == '.' && dirname('/') == '/'",
            "basename(upper('/a/b')) == 'B' && split(upper('a-b'), '-') == ['A', 'B']",
        ],
    );
    for source in ["basename(dyn(null))", "upper(dyn(1))", "join([dyn(1)], '')"] {
        assert!(
            matches!(value(source), Err(EvalError::NoOverload { .. })),
            "{source}"
        );
    }
}

#[test]
fn conversions() {
    assert_true(
        &TestEvent::new("close"),
        &[
            "int(1.9) == 1 && int(-1.9) == -1 && int(7u) == 7 && int('-5') == -5 && int(timestamp('1970-01-01T00:01:00Z')) == 60",
            "uint(1.9) == 1u && uint(7) == 7u && uint('5') == 5u && int(duration('1s')) == 1000000000",
            "double(1) == 1.0 && double(1u) == 1.0 && double('1.5') == 1.5",
            "string(1) == '1' && string(1u) == '1' && string(1.5) == '1.5' && string(1e6) == '1e+06' && string(true) == 'true'",
            "string(b'abc') == 'abc' && bytes('é') == b'\\xc3\\xa9' && bytes(upper('a')) == b'A'",
            "string(timestamp('2026-01-02T03:04:05.5Z')) == '2026-01-02T03:04:05.5Z' && string(duration('90m')) == '5400s'",
            "bool('true') && !bool('False') && bool(true)",
            "timestamp(60) == timestamp('1970-01-01T00:01:00Z') && timestamp('2026-01-01T02:00:00+02:00') == timestamp('2026-01-01T00:00:00Z')",
            "type(1) == int && type('') == string && type([]) == list && type({}) == map && type(null) == null_type",
            "type(type(1)) == type && type(1u) == uint && type(b'') == bytes && type(1.0) == double && type(true) == bool",
            "type(timestamp(0)) == google.protobuf.Timestamp && type(duration('1s')) == google.protobuf.Duration",
            "type(event) == tracee.v1beta1.Event && dyn(1) == 1",
        ],
    );
    for source in [
        "int('1.5')",
        "bool('yes')",
        "timestamp('yesterday')",
        "duration('1 hour')",
        "string(b'\\xff')",
    ] {
        assert!(
            matches!(value(source), Err(EvalError::Conversion { .. })),
            "{source}"
        );
    }
    for source in [
        "int(18446744073709551615u)",
        "uint(-1.0)",
        "timestamp(-99999999999)",
        "int(0.0 / 0.0)",
    ] {
        assert!(matches!(value(source), Err(EvalError::Overflow(_))), "{source}");
    }
}

#[test]
fn times() {
    assert_true(
        &TestEvent::new("close"),
        &[
            "timestamp('2026-03-05T06:07:08.009Z').getFullYear() == 2026",
            "timestamp('2026-03-05T06:07:08.009Z').getMonth() == 2 && timestamp('2026-03-05T06:07:08Z').getDate() == 5",
            "timestamp('2026-03-05T06:07:08Z').getDayOfMonth() == 4 && timestamp('2026-03-05T06:07:08Z').getDayOfWeek() == 4",
            "timestamp('2026-03-01T00:00:00Z').getDayOfYear() == 59 && timestamp('2026-03-01T00:00:00Z').getDayOfWeek() == 0",
            "timestamp('2026-03-05T06:07:08.009Z').getHours() == 6 && timestamp('2026-03-05T06:07:08Z').getMinutes() == 7",
            "timestamp('2026-03-05T06:07:08.009Z').getSeconds() == 8 && timestamp('2026-03-05T06:07:08.009Z').getMilliseconds() == 9",
            "timestamp('2026-03-05T23:00:00Z').getDate('+02:00') == 6 && timestamp('2026-03-05T01:00:00Z').getHours('-02:00') == 23",
            "duration('1h30m').getHours() == 1 && duration('1h30m').getMinutes() == 90 && duration('1.5s').getMilliseconds() == 1500",
            "timestamp('2026-01-01T01:00:00Z') - timestamp('2026-01-01T00:00:00Z') == duration('1h')",
            "timestamp('2026-01-01T00:00:00Z') + duration('1h') > timestamp('2026-01-01T00:00:00Z')",
            "duration('1h') + duration('30m') == duration('90m') && duration('1h') - duration('2h') == -duration('1h')",
            "duration('1h') < duration('2h') && timestamp(0) - duration('1s') < timestamp(0)",
        ],
    );
    for source in [
        "duration('9223372036s') + duration('1000s')",
        "timestamp('9999-12-30T00:00:00Z') + duration('72h')",
        "timestamp('0001-01-01T00:00:00Z') - duration('1h')",
        "timestamp('9999-01-01T00:00:00Z') - timestamp('0001-01-01T00:00:00Z')",
    ] {
        assert!(matches!(value(source), Err(EvalError::Overflow(_))), "{source}");
    }
    assert!(matches!(
        value("timestamp(0).getHours(lower('EUROPE/BERLIN'))"),
        Err(EvalError::Conversion { .. })
    ));
}

#[test]
fn comprehensions() {
    assert_true(
        &TestEvent::new("close"),
        &[
            "[1, 2].all(x, x > 0) && ![1, 2].all(x, x > 1) && [].all(x, false)",
            "[1, 2].exists(x, x > 1) && ![].exists(x, true)",
            "[1, 2].exists_one(x, x > 1) && ![2, 2].exists_one(x, x == 2) && [1].existsOne(x, true)",
            "[1, 2].map(x, x * 2) == [2, 4] && [1, 2, 3].map(x, x > 1, x * 2) == [4, 6]",
            "[1, 2, 3].filter(x, x % 2 == 1) == [1, 3]",
            "{'a': 1, 'b': 2}.exists(k, k == 'b') && {'a': 1}.map(k, k) == ['a']",
            "[[1, 2], [3]].all(xs, xs.all(x, x > 0)) && [[1], [2]].map(xs, xs.map(x, x + size(xs))) == [[2], [3]]",
            // A variable hides what is outside of it.
            "['x'].all(event, event == 'x') && [1].all(x, ['a'].all(x, x == 'a') && x == 1)",
            "SHELLS.exists(s, s.endsWith('bash')) && [1].map(x, x + 1).map(x, x + 1) == [3]",
        ],
    );
}

#[test]
fn presence() {
    assert_true(
        &TestEvent::new("close"),
        &[
            "has({'a': null}.a) && !has({'a': 1}.b)",
            "has(event.name) && !has(event.threat) && has(event.workload) && has(workload.process.thread)",
            "!has(workload.container) && has(workload.process.uid) && has(event.timestamp)",
        ],
    );
    assert_eq!(value("has(dyn(null).a)"), Err(EvalError::NoSuchKey("a".into())));
    assert_eq!(
        value("has(getEventData('nothing').a)"),
        Err(EvalError::NoSuchKey("a".into()))
    );
    assert_eq!(value("{'a': {'b': 1}}.a.b"), Ok(Value::Int(1)));
}
