//! Random expressions have the same value here and in the interpreter of the `cel` crate, with which we share the parser alone.
//!
//! The expressions are well-typed, of the subset that both have. Left out is what the crate does not check or define as we
//! do: numbers of different types, texts of doubles, times and regular expressions.

use cel::{Context, Program, Value as Theirs};
use detectors_yaml::cel::Value;
use proptest::prelude::*;

use crate::value;

/// Their value in our terms; `None` for what only they have.
fn ours(theirs: &Theirs) -> Option<Value> {
    Some(match theirs {
        Theirs::Null => Value::Null,
        Theirs::Bool(value) => Value::Bool(*value),
        Theirs::Int(value) => Value::Int(*value),
        Theirs::UInt(value) => Value::UInt(*value),
        Theirs::Float(value) => Value::Double(*value),
        Theirs::String(value) => Value::String((**value).clone()),
        Theirs::Bytes(value) => Value::Bytes((**value).clone()),
        Theirs::List(items) => Value::List(items.iter().map(ours).collect::<Option<_>>()?),
        _ => return None,
    })
}

fn binary(operand: BoxedStrategy<String>, operators: &'static [&'static str]) -> BoxedStrategy<String> {
    (operand.clone(), prop::sample::select(operators), operand)
        .prop_map(|(a, operator, b)| format!("({a} {operator} {b})"))
        .boxed()
}

/// Ints, in which `x` may be a variable.
fn int(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        4 => (-9_i64..10).prop_map(|n| n.to_string()),
        1 => prop::sample::select(&["9223372036854775807", "-9223372036854775808", "4611686018427387904"][..])
            .prop_map(str::to_owned),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let less = depth - 1;
    prop_oneof![
        leaf,
        binary(int(less), &["+", "-", "*", "/", "%"]),
        (bool(less), int(less), int(less)).prop_map(|(c, a, b)| format!("({c} ? {a} : {b})")),
        int(less).prop_map(|a| format!("-({a})")),
        list(less).prop_map(|l| format!("size({l})")),
        text(less).prop_map(|t| format!("size({t})")),
        (list(less), int(less)).prop_map(|(l, i)| format!("{l}[{i}]")),
        uint(less).prop_map(|u| format!("int({u})")),
        (list(less), int(less)).prop_map(|(l, i)| format!("size({l}.map(x, x + {i}))")),
    ]
    .boxed()
}

fn uint(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        4 => (0_u64..10).prop_map(|n| format!("{n}u")),
        1 => Just("18446744073709551615u".to_owned()),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let less = depth - 1;
    prop_oneof![
        leaf,
        binary(uint(less), &["+", "-", "*", "/", "%"]),
        int(less).prop_map(|i| format!("uint({i})")),
    ]
    .boxed()
}

fn text(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop::sample::select(&["''", "'a'", "'ab'", "'\u{e9}'", "r'\\n'", "'\\u00e9'", "'b' "][..])
        .prop_map(str::to_owned);
    if depth == 0 {
        return leaf.boxed();
    }
    let less = depth - 1;
    prop_oneof![
        leaf,
        binary(text(less), &["+"]),
        int(less).prop_map(|i| format!("string({i})")),
        (bool(less), text(less), text(less)).prop_map(|(c, a, b)| format!("({c} ? {a} : {b})")),
    ]
    .boxed()
}

fn list(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop::collection::vec(-3_i64..4, 0..4).prop_map(|items| format!("{items:?}"));
    if depth == 0 {
        return leaf.boxed();
    }
    let less = depth - 1;
    prop_oneof![
        leaf,
        prop::collection::vec(int(less), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
        binary(list(less), &["+"]),
        (list(less), int(less)).prop_map(|(l, i)| format!("{l}.filter(x, x > {i})")),
        (list(less), int(less)).prop_map(|(l, i)| format!("{l}.map(x, x * {i})")),
        (list(less), int(less)).prop_map(|(l, i)| format!("{l}.map(x, x < {i}, x - {i})")),
    ]
    .boxed()
}

fn bool(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop::sample::select(&["true", "false"][..]).prop_map(str::to_owned);
    if depth == 0 {
        return leaf.boxed();
    }
    let less = depth - 1;
    const COMPARE: &[&str] = &["==", "!=", "<", "<=", ">", ">="];
    prop_oneof![
        leaf,
        binary(int(less), COMPARE),
        binary(uint(less), COMPARE),
        binary(text(less), COMPARE),
        binary(list(less), &["==", "!="]),
        binary(bool(less), &["&&", "||", "==", "!="]),
        bool(less).prop_map(|b| format!("!({b})")),
        (int(less), list(less)).prop_map(|(i, l)| format!("({i} in {l})")),
        (text(less), text(less)).prop_map(|(a, b)| format!("{a}.contains({b})")),
        (text(less), text(less)).prop_map(|(a, b)| format!("{a}.startsWith({b})")),
        (text(less), text(less)).prop_map(|(a, b)| format!("{a}.endsWith({b})")),
        (list(less), int(less)).prop_map(|(l, i)| format!("{l}.all(x, x > {i})")),
        (list(less), int(less)).prop_map(|(l, i)| format!("{l}.exists(x, x == {i})")),
        (list(less), int(less)).prop_map(|(l, i)| format!("{l}.exists_one(x, x >= {i})")),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn values_are_the_same(source in prop_oneof![bool(4), int(4), list(3), text(3)]) {
        let program = Program::compile(&source).expect("it is well-formed");
        match (value(&source), program.execute(&Context::default())) {
            (Ok(value), Ok(theirs)) => prop_assert_eq!(Some(value), ours(&theirs), "{}", source),
            (Err(_), Err(_)) => {}
            (value, theirs) => prop_assert!(false, "{}: {:?}, theirs {:?}", source, value, theirs),
        }
    }
}
