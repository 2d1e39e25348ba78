//! `size`.

use super::{Function, no_overload};
use crate::cel::EvalError;
use crate::cel::eval::Evaluation;
use crate::cel::types::Type;
use crate::cel::value::Val;

pub(super) fn functions() -> Vec<Function> {
    let mut function = Function::new("size", size);
    for ty in [
        Type::String,
        Type::Bytes,
        Type::list(Type::Dyn),
        Type::map(Type::Dyn, Type::Dyn),
    ] {
        function = function.global([ty.clone()], Type::Int).member([ty], Type::Int);
    }
    vec![function]
}

/// Characters of a text, bytes, elements, entries.
fn size<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let size = match args {
        [Val::String(text)] => {
            eval.charge_bytes(text.as_str().len())?;
            text.as_str().chars().count()
        }
        [Val::Bytes(bytes)] => bytes.as_slice().len(),
        [Val::List(list)] => list.len(),
        [Val::Map(map)] => map.len(),
        _ => return Err(no_overload("size", args)),
    };
    Ok(Val::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}
