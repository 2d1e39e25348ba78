//! Functions of texts.

use super::re2::regex;
use super::{Function, Run, no_overload};
use crate::cel::EvalError;
use crate::cel::eval::Evaluation;
use crate::cel::types::Type;
use crate::cel::value::{Text, Val};

/// Steps that compiling a regular expression counts as, for each of its bytes.
const REGEX_COMPILE: usize = 500;

pub(super) fn functions() -> Vec<Function> {
    use Type::{Bool, String};
    let text = || Type::list(String);
    let test = |name, run: Run| Function::new(name, run).member([String, String], Bool);
    let map = |name, run: Run| Function::new(name, run).global([String], String);
    vec![
        test("contains", contains),
        test("startsWith", starts_with),
        test("endsWith", ends_with),
        test("matches", matches).global([String, String], Bool),
        Function::new("split", split).global([String, String], text()),
        Function::new("join", join).global([text(), String], String),
        Function::new("replace", replace).global([String, String, String], String),
        map("trim", trim),
        map("upper", upper),
        map("lower", lower),
    ]
}

macro_rules! tests {
    ($($function:ident $name:literal $method:ident;)*) => {$(
        fn $function<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
            let [Val::String(text), Val::String(part)] = args else {
                return Err(no_overload($name, args));
            };
            let (text, part) = (text.as_str(), part.as_str());
            eval.charge_bytes(text.len())?;
            Ok(Val::Bool(text.$method(part)))
        }
    )*};
}
tests! {
    contains "contains" contains;
    starts_with "startsWith" starts_with;
    ends_with "endsWith" ends_with;
}

fn matches<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::String(text), Val::String(pattern)] = args else {
        return Err(no_overload("matches", args));
    };
    eval.charge(pattern.as_str().len().max(1).saturating_mul(REGEX_COMPILE))?;
    let regex = regex(pattern.as_str())?;
    eval.charge_match(text.as_str().len(), pattern.as_str().len())?;
    Ok(Val::Bool(regex.is_match(text.as_str())))
}

/// All pieces, empty ones too. An empty separator splits into characters.
fn split<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::String(text), Val::String(separator)] = args else {
        return Err(no_overload("split", args));
    };
    let mut pieces = Vec::new();
    let mut push = |eval: &mut Evaluation<'a>, piece: Text<'a>| {
        eval.charge_built(piece.as_str().len())?;
        pieces.push(Val::String(piece));
        Ok::<_, EvalError>(())
    };
    eval.charge_bytes(text.as_str().len())?;
    match (text, separator.as_str()) {
        (Text::Borrowed(text), "") => {
            for (at, character) in text.char_indices() {
                push(eval, Text::Borrowed(&text[at..at + character.len_utf8()]))?;
            }
        }
        (Text::Borrowed(text), separator) => {
            for piece in text.split(separator) {
                push(eval, Text::Borrowed(piece))?;
            }
        }
        (Text::Built(text), "") => {
            for character in text.chars() {
                push(eval, Text::Built(character.encode_utf8(&mut [0; 4]).into()))?;
            }
        }
        (Text::Built(text), separator) => {
            for piece in text.split(separator) {
                push(eval, Text::Built(piece.into()))?;
            }
        }
    }
    Ok(Val::list(pieces))
}

fn join<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::List(list), Val::String(separator)] = args else {
        return Err(no_overload("join", args));
    };
    let mut joined = String::new();
    for (index, item) in list.iter().enumerate() {
        let Val::String(item) = &item else {
            return Err(no_overload("join", &[item]));
        };
        let (item, separator) = (item.as_str(), separator.as_str());
        eval.charge_built(item.len() + separator.len())?;
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(item);
    }
    Ok(Val::built(joined))
}

/// All occurrences. An empty one is before every character and at the end.
fn replace<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::String(text), Val::String(old), Val::String(new)] = args else {
        return Err(no_overload("replace", args));
    };
    let (text, old, new) = (text.as_str(), old.as_str(), new.as_str());
    eval.charge_bytes(text.len())?;
    let count = if old.is_empty() {
        text.len() + 1
    } else {
        text.matches(old).count()
    };
    eval.charge_built(text.len().saturating_add(count.saturating_mul(new.len())))?;
    Ok(Val::built(text.replace(old, new)))
}

/// Without white space, in Unicode's sense, around it.
fn trim<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::String(text)] = args else {
        return Err(no_overload("trim", args));
    };
    eval.charge_built(text.as_str().len())?;
    Ok(match text {
        Text::Borrowed(text) => Val::text(text.trim()),
        Text::Built(text) => Val::built(text.trim()),
    })
}

fn upper<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    change_case(eval, args, "upper", |c| single(c.to_uppercase()).unwrap_or(c))
}

fn lower<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    change_case(eval, args, "lower", |c| single(c.to_lowercase()).unwrap_or(c))
}

/// Case mapping character by character; one that would become several stays.
fn change_case<'a>(
    eval: &mut Evaluation<'a>,
    args: &[Val<'a>],
    name: &'static str,
    map: fn(char) -> char,
) -> Result<Val<'a>, EvalError> {
    let [Val::String(text)] = args else {
        return Err(no_overload(name, args));
    };
    eval.charge_built(text.as_str().len())?;
    Ok(Val::built(text.as_str().chars().map(map).collect::<String>()))
}

fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next()?;
    mapped.next().is_none().then_some(first)
}
