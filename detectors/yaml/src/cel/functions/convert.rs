//! Conversions between types, `dyn` and `type`.

use jiff::{SignedDuration, Timestamp};

use super::{Function, Run, double, no_overload, time};
use crate::cel::EvalError;
use crate::cel::eval::Evaluation;
use crate::cel::types::Type;
use crate::cel::value::{Blob, Text, Val};

pub(super) fn functions() -> Vec<Function> {
    use Type::{Bool, Bytes, Double, Duration, Dyn, Int, String, Timestamp, UInt};
    let conversion = |name, run: Run, to: Type, from: &[Type]| {
        from.iter().fold(Function::new(name, run), |function, from| {
            function.global([from.clone()], to.clone())
        })
    };
    vec![
        conversion("int", int, Int, &[Int, UInt, Double, String, Timestamp, Duration]),
        conversion("uint", uint, UInt, &[UInt, Int, Double, String]),
        conversion("double", to_double, Double, &[Double, Int, UInt, String]),
        conversion(
            "string",
            string,
            String,
            &[String, Int, UInt, Double, Bool, Bytes, Timestamp, Duration],
        ),
        conversion("bytes", bytes, Bytes, &[Bytes, String]),
        conversion("bool", bool, Bool, &[Bool, String]),
        conversion("timestamp", timestamp, Timestamp, &[Timestamp, String, Int]),
        conversion("duration", duration, Duration, &[Duration, String, Int]),
        conversion("dyn", |_, args| argument("dyn", args).cloned(), Dyn, &[Dyn]),
        conversion("type", type_of, Type::Kind, &[Dyn]),
    ]
}

fn argument<'v, 'a>(name: &'static str, args: &'v [Val<'a>]) -> Result<&'v Val<'a>, EvalError> {
    args.first().ok_or_else(|| no_overload(name, args))
}

/// The error of a text that is no `to`; a long text is cut.
fn no(text: &str, to: &'static str) -> EvalError {
    let short: String = text.chars().take(80).collect();
    EvalError::Conversion {
        value: format!("{short:?}").into(),
        to,
    }
}

fn type_of<'a>(_: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    Ok(Val::Type(argument("type", args)?.type_name()))
}

/// Whole numbers in range; fractions are cut off; times in seconds since the Unix epoch, spans in nanoseconds.
fn int<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    Ok(Val::Int(match argument("int", args)? {
        Val::Int(value) => *value,
        Val::UInt(value) => i64::try_from(*value).map_err(|_| EvalError::Overflow("int"))?,
        Val::Double(value) => double::to_int(*value).ok_or(EvalError::Overflow("int"))?,
        Val::String(text) => {
            let text = text.as_str();
            eval.charge_bytes(text.len())?;
            text.parse().map_err(|_| no(text, "int"))?
        }
        Val::Timestamp(time) => time.as_second(),
        Val::Duration(span) => time::nanoseconds(*span)?,
        _ => return Err(no_overload("int", args)),
    }))
}

fn uint<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    Ok(Val::UInt(match argument("uint", args)? {
        Val::UInt(value) => *value,
        Val::Int(value) => u64::try_from(*value).map_err(|_| EvalError::Overflow("uint"))?,
        Val::Double(value) => double::to_uint(*value).ok_or(EvalError::Overflow("uint"))?,
        Val::String(text) => {
            let text = text.as_str();
            eval.charge_bytes(text.len())?;
            text.parse().map_err(|_| no(text, "uint"))?
        }
        _ => return Err(no_overload("uint", args)),
    }))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the nearest double is what is asked for"
)]
fn to_double<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    Ok(Val::Double(match argument("double", args)? {
        Val::Double(value) => *value,
        Val::Int(value) => *value as f64,
        Val::UInt(value) => *value as f64,
        Val::String(text) => {
            let text = text.as_str();
            eval.charge_bytes(text.len())?;
            text.parse().map_err(|_| no(text, "double"))?
        }
        _ => return Err(no_overload("double", args)),
    }))
}

fn string<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let text = match argument("string", args)? {
        text @ Val::String(_) => return Ok(text.clone()),
        Val::Bool(value) => return Ok(Val::text(if *value { "true" } else { "false" })),
        Val::Int(value) => value.to_string(),
        Val::UInt(value) => value.to_string(),
        Val::Double(value) => double::text(*value),
        Val::Bytes(bytes) => {
            let bytes = bytes.as_slice();
            eval.charge_built(bytes.len())?;
            let text = std::str::from_utf8(bytes).map_err(|_| EvalError::Conversion {
                value: format!("a sequence of {} bytes", bytes.len()).into(),
                to: "UTF-8 text",
            })?;
            text.to_owned()
        }
        Val::Timestamp(time) => time.to_string(),
        Val::Duration(span) => time::text(*span),
        _ => return Err(no_overload("string", args)),
    };
    eval.charge_built(text.len())?;
    Ok(Val::built(text))
}

fn bytes<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    Ok(match argument("bytes", args)? {
        bytes @ Val::Bytes(_) => bytes.clone(),
        Val::String(Text::Borrowed(text)) => Val::Bytes(Blob::Borrowed(text.as_bytes())),
        Val::String(Text::Built(text)) => {
            eval.charge_built(text.len())?;
            Val::Bytes(Blob::Built(text.as_bytes().into()))
        }
        _ => return Err(no_overload("bytes", args)),
    })
}

fn bool<'a>(_: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    Ok(Val::Bool(match argument("bool", args)? {
        Val::Bool(value) => *value,
        Val::String(text) => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
            "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
            other => return Err(no(other, "bool")),
        },
        _ => return Err(no_overload("bool", args)),
    }))
}

/// From RFC 3339, or seconds since the Unix epoch.
fn timestamp<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let time = match argument("timestamp", args)? {
        Val::Timestamp(time) => *time,
        Val::Int(seconds) => {
            Timestamp::from_second(*seconds).map_err(|_| EvalError::Overflow("timestamp"))?
        }
        Val::String(text) => {
            let text = text.as_str();
            eval.charge_bytes(text.len())?;
            text.parse().map_err(|_| no(text, "timestamp"))?
        }
        _ => return Err(no_overload("timestamp", args)),
    };
    time::in_range(time).map(Val::Timestamp)
}

/// From numbers with units (`1h30m`, `1.5s`), or nanoseconds.
fn duration<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    Ok(Val::Duration(match argument("duration", args)? {
        Val::Duration(span) => *span,
        Val::Int(nanoseconds) => SignedDuration::from_nanos(*nanoseconds),
        Val::String(text) => {
            let text = text.as_str();
            eval.charge_bytes(text.len())?;
            time::parse_span(text).ok_or_else(|| no(text, "duration"))?
        }
        _ => return Err(no_overload("duration", args)),
    }))
}
