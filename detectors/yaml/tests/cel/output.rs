//! Values of expressions as values of fields.

use detectors_api::catalogue::FieldType;
use detectors_api::proto::event_value::Value as Field;
use detectors_yaml::cel::{EvalError, to_output};

use crate::value;

fn output(source: &str, declared: Option<FieldType>) -> Result<Field, EvalError> {
    to_output(&value(source).expect("it has a value"), declared)
}

#[test]
fn undeclared_fields_take_the_narrowest_type() {
    for (source, field) in [
        ("7", Field::Int32(7)),
        ("1099511627776", Field::Int64(1 << 40)),
        ("7u", Field::UInt32(7)),
        ("1099511627776u", Field::UInt64(1 << 40)),
        ("'a'", Field::from("a")),
        ("b'a'", Field::Bytes(b"a".to_vec())),
        ("true", Field::Bool(true)),
        ("type(1)", Field::from("int")),
        ("['a']", Field::from(vec!["a".to_owned()])),
        ("[]", Field::from(Vec::<String>::new())),
        ("[1, -1]", Field::from(vec![1_i32, -1])),
        ("[1099511627776u]", Field::from(vec![1_u64 << 40])),
    ] {
        assert_eq!(output(source, None), Ok(field), "{source}");
    }
    for source in [
        "null",
        "1.5",
        "{}",
        "timestamp(0)",
        "duration('1s')",
        "event",
        "['a', 1]",
        "[1.5]",
    ] {
        assert!(
            matches!(output(source, None), Err(EvalError::Output { .. })),
            "{source}"
        );
    }
}

#[test]
fn declared_fields_have_their_type_or_no_value() {
    for (source, declared, field) in [
        ("7u", FieldType::Int32, Field::Int32(7)),
        ("7", FieldType::Int64, Field::Int64(7)),
        ("7", FieldType::UInt32, Field::UInt32(7)),
        ("7", FieldType::UInt64, Field::UInt64(7)),
        ("7", FieldType::Pointer, Field::Pointer(7)),
        ("['a']", FieldType::StringArray, Field::from(vec!["a".to_owned()])),
        ("[1u]", FieldType::Int32Array, Field::from(vec![1_i32])),
    ] {
        assert_eq!(output(source, Some(declared)), Ok(field), "{source}");
    }
    for (source, declared) in [
        ("1099511627776", FieldType::Int32),
        ("-1", FieldType::UInt32),
        ("-1", FieldType::UInt64),
        ("7", FieldType::String),
        ("'7'", FieldType::Int32),
        ("1", FieldType::Bool),
        ("null", FieldType::String),
    ] {
        let error = output(source, Some(declared)).expect_err("it does not fit");
        assert!(error.to_string().contains(declared.arm()), "{error}");
    }
}
