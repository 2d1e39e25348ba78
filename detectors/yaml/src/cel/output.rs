//! Values of expressions as values of output fields.

use detectors_api::catalogue::FieldType;
use detectors_api::proto;
use detectors_api::proto::event_value::Value as Output;

use super::{EvalError, Value};

/// `value` as a value of an output field that is declared as `declared`; undeclared, of the narrowest type that fits.
///
/// Whole numbers become those of another width or sign where nothing is lost. Undeclared, an int becomes `int32` or else
/// `int64`, a uint `u_int32` or else `u_int64`. A type becomes its name, a list of texts or numbers an array.
///
/// # Errors
/// If the type of the field cannot hold the value: null, a fraction, a map or a message never can.
pub fn to_output(value: &Value, declared: Option<FieldType>) -> Result<Output, EvalError> {
    let converted = match declared {
        None => undeclared(value),
        Some(declared) => as_declared(value, declared),
    };
    converted.ok_or(EvalError::Output {
        actual: value.type_name(),
        expected: declared.map_or("an output field", FieldType::arm),
    })
}

fn undeclared(value: &Value) -> Option<Output> {
    Some(match value {
        Value::Int(number) => i32::try_from(*number).map_or(Output::Int64(*number), Output::Int32),
        Value::UInt(number) => u32::try_from(*number).map_or(Output::UInt64(*number), Output::UInt32),
        Value::Bool(flag) => Output::Bool(*flag),
        Value::Bytes(bytes) => Output::Bytes(bytes.clone()),
        Value::String(text) | Value::Type(text) => Output::Str(text.clone()),
        Value::List(_) => [
            FieldType::StringArray,
            FieldType::Int32Array,
            FieldType::UInt64Array,
        ]
        .into_iter()
        .find_map(|array| as_declared(value, array))?,
        _ => return None,
    })
}

fn as_declared(value: &Value, declared: FieldType) -> Option<Output> {
    Some(match (declared, value) {
        (FieldType::Int32, _) => Output::Int32(whole(value)?),
        (FieldType::Int64, _) => Output::Int64(whole(value)?),
        (FieldType::UInt32, _) => Output::UInt32(whole(value)?),
        (FieldType::UInt64, _) => Output::UInt64(whole(value)?),
        (FieldType::Pointer, _) => Output::Pointer(whole(value)?),
        (FieldType::String, Value::String(text) | Value::Type(text)) => Output::Str(text.clone()),
        (FieldType::Bytes, Value::Bytes(bytes)) => Output::Bytes(bytes.clone()),
        (FieldType::Bool, Value::Bool(flag)) => Output::Bool(*flag),
        (FieldType::StringArray, Value::List(items)) => Output::StrArray(proto::StringArray {
            value: all(items, |item| match item {
                Value::String(text) => Some(text.clone()),
                _ => None,
            })?,
        }),
        (FieldType::Int32Array, Value::List(items)) => Output::Int32Array(proto::Int32Array {
            value: all(items, whole)?,
        }),
        (FieldType::UInt64Array, Value::List(items)) => Output::UInt64Array(proto::UInt64Array {
            value: all(items, whole)?,
        }),
        _ => return None,
    })
}

/// A whole number of another type; `None` if it does not fit.
fn whole<T: TryFrom<i64> + TryFrom<u64>>(value: &Value) -> Option<T> {
    match value {
        Value::Int(number) => T::try_from(*number).ok(),
        Value::UInt(number) => T::try_from(*number).ok(),
        _ => None,
    }
}

fn all<T>(items: &[Value], item: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    items.iter().map(item).collect()
}
