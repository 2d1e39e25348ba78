//! `basename` and `dirname`: lexical, as Go's `filepath` has them.

use super::{Function, no_overload};
use crate::cel::EvalError;
use crate::cel::eval::Evaluation;
use crate::cel::types::Type;
use crate::cel::value::{Text, Val};

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new("basename", basename).global([Type::String], Type::String),
        Function::new("dirname", dirname).global([Type::String], Type::String),
    ]
}

fn basename<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::String(path)] = args else {
        return Err(no_overload("basename", args));
    };
    eval.charge_built(path.as_str().len())?;
    Ok(match path {
        Text::Borrowed(path) => Val::text(base(path)),
        Text::Built(path) => Val::built(base(path)),
    })
}

fn dirname<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::String(path)] = args else {
        return Err(no_overload("dirname", args));
    };
    eval.charge_built(path.as_str().len())?;
    Ok(Val::built(dir(path.as_str())))
}

/// The last part of `path`: `.` of nothing, `/` of the root.
fn base(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" if path.is_empty() => ".",
        "" => "/",
        path => path.rsplit('/').next().unwrap_or(path),
    }
}

/// What is before the last `/`, cleaned.
fn dir(path: &str) -> String {
    clean(path.rfind('/').map_or("", |slash| &path[..=slash]))
}

/// The shortest path that names the same: without `.`, empty parts and `x/..`.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => _ = parts.pop(),
                _ if rooted => {}
                _ => parts.push(part),
            },
            _ => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_parts() {
        for (path, expected) in [
            ("", "."),
            ("/", "/"),
            ("///", "/"),
            ("a", "a"),
            ("/usr/bin/sh", "sh"),
            ("/usr/bin/", "bin"),
            ("a/b//", "b"),
        ] {
            assert_eq!(base(path), expected, "{path:?}");
        }
    }

    #[test]
    fn what_is_before_the_last_part() {
        for (path, expected) in [
            ("", "."),
            ("a", "."),
            ("/", "/"),
            ("/a", "/"),
            ("/a/b/", "/a/b"),
            ("/a//b", "/a"),
            ("/a/../b/c", "/b"),
            ("/../a/b", "/a"),
            ("../a/b", "../a"),
            ("./a", "."),
            ("a/./b", "a"),
        ] {
            assert_eq!(dir(path), expected, "{path:?}");
        }
    }
}
