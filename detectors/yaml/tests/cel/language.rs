//! The standard library.

use detectors_api::testkit::TestEvent;
use detectors_yaml::cel::{EvalError, Value};

use crate::{assert_true, value};

#[test]
fn operators() {
    assert_true(
        &TestEvent::new("close"),
        &[
            "1 + 2 * 3 == 7",
            "(1 + 2) * 3 == 9",
            "7 / 2 == 3 && 7 % 2 == 1 && -7 / 2 == -3 && -7 % 2 == -1",
            "7u / 2u == 3u && 7u - 2u == 5u",
            "1.5 + 1.5 == 3.0 && 3.0 / 2.0 == 1.5 && 2.0 * 2.0 - 1.0 == 3.0",
            "1.0 / 0.0 > 1e308 && !(0.0 / 0.0 == 0.0 / 0.0)",
            "\"a\" + 'b' == \"ab\" && b\"a\" + b\"b\" == b\"ab\"",
            "[1] + [2, 3] == [1, 2, 3]",
            "-(1) == -1 && -(-1.5) == 1.5 && - -1 == 1",
            "-9223372036854775808 < 0",
            "!false && !!true",
            "1 < 2 && 2 <= 2 && 3 > 2 && 3 >= 3 && 1 != 2",
            "\"a\" < \"b\" && b\"a\" < b\"b\" && false < true",
            "true ? true : 1 / 0 == 1",
            "[1, 2, 3][1] == 2 && {\"a\": 1}[\"a\"] == 1 && {\"a\": 1}.a == 1 && {1: true}[1]",
            "2 in [1, 2] && !(3 in [1, 2]) && \"a\" in {\"a\": 1} && 1u in [1]",
            "\"sh\" in SHELLS && !(\"zsh\" in SHELLS) && !(\"\" in EMPTY)",
            "{\"a\": [1, {\"b\": 2u}]} == {\"a\": [1.0, {\"b\": 2}]}",
            "1 == 1u && 1u == 1.0 && 1.0 == 1 && 1 < 2u && 2u > 1.5 && 1.5 < 2",
            "18446744073709551615u > 9223372036854775807 && -1 < 0u",
            "9223372036854775807 < 9223372036854775808.0",
            "dyn(1) != dyn(\"1\") && !(dyn(1) == dyn(true))",
            "null == null && dyn(1) != null",
            "[] == [] && [[]] != []",
            "0x10 == 16 && 0xFFu == 255u && 1e3 == 1000.0 && .5 == 0.5",
        ],
    );
}

#[test]
fn texts_are_unescaped() {
    for (source, expected) in [
        (r#"'a\n\x41\u00e9\101"'"#, "a\nA\u{e9}A\""),
        (r#"r"\n""#, "\\n"),
        (
            r#""""two "quoted"
lines""""#,
            "two \"quoted\"\nlines",
        ),
        (r"'\U0001F600'", "\u{1F600}"),
        ("'\u{e9}'", "\u{e9}"),
    ] {
        assert_eq!(value(source), Ok(Value::String(expected.to_owned())), "{source}");
    }
    assert_eq!(
        value(r#"b'\xff\377a' + b"\u{e9}""#.replace("\\u{e9}", "\u{e9}").as_str()),
        Ok(Value::Bytes(vec![255, 255, b'a', 0xc3, 0xa9]))
    );
}

#[test]
fn what_has_no_value_is_an_error() {
    for (source, error) in [
        ("1 / 0", EvalError::DivisionByZero),
        ("1u % 0u", EvalError::DivisionByZero),
        ("9223372036854775807 + 1", EvalError::Overflow("+")),
        ("-9223372036854775808 / -1", EvalError::Overflow("/")),
        ("-9223372036854775808 % -1", EvalError::Overflow("%")),
        ("-(-9223372036854775808)", EvalError::Overflow("-")),
        ("0u - 1u", EvalError::Overflow("-")),
        ("[1][1]", EvalError::Index { index: 1, len: 1 }),
        ("[1][-1]", EvalError::Index { index: -1, len: 1 }),
        ("{'a': 1}.b", EvalError::NoSuchKey("b".into())),
        ("{'a': 1, 'a': 2}", EvalError::DuplicateKey("a".into())),
        ("dyn(null).a", EvalError::NoSuchKey("a".into())),
        (
            "int('x')",
            EvalError::Conversion {
                value: "\"x\"".into(),
                to: "int",
            },
        ),
        ("int(1e30)", EvalError::Overflow("int")),
        ("uint(-1)", EvalError::Overflow("uint")),
        (
            "dyn(1) + dyn(1u)",
            EvalError::NoOverload {
                operation: "+",
                types: vec!["int", "uint"],
            },
        ),
        (
            "dyn(1) < dyn('1')",
            EvalError::NoOverload {
                operation: "<",
                types: vec!["int", "string"],
            },
        ),
        (
            "dyn(null).startsWith('a')",
            EvalError::NoOverload {
                operation: "startsWith",
                types: vec!["null_type", "string"],
            },
        ),
    ] {
        assert_eq!(value(source), Err(error), "{source}");
    }
}

#[test]
fn a_decision_outweighs_an_error() {
    assert_true(
        &TestEvent::new("close"),
        &[
            "!(1 / 0 == 1 && false)",
            "!(false && 1 / 0 == 1)",
            "1 / 0 == 1 || true",
            "true || 1 / 0 == 1",
            "[1, 0].exists(x, 1 / x == 1)",
            "[0, 1].exists(x, 1 / x == 1)",
            "![0, 1].all(x, 1 / x == 2)",
            "true ? true : 1 / 0 == 1",
        ],
    );
    for source in [
        "1 / 0 == 1 || false",
        "true && 1 / 0 == 1",
        "[0, 1].exists(x, 1 / x == 2)",
        "[0, 1].all(x, 1 / x == 1)",
        "[0, 1].exists_one(x, 1 / x == 1)",
        "1 / 0 == 1 ? true : true",
    ] {
        assert_eq!(value(source), Err(EvalError::DivisionByZero), "{source}");
    }
}
