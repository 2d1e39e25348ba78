//! Regular expressions in RE2's syntax.
//!
//! Both RE2 and the `regex` crate match in linear time, and nearly agree on syntax. Where they differ, RE2's meaning is
//! written in the crate's syntax here: Perl's classes are ASCII, and within brackets `[`, `&`, `~` stand for themselves.

use regex::{Regex, RegexBuilder};

use crate::cel::EvalError;

/// Most bytes that a compiled regular expression may take.
const SIZE: usize = 1 << 20;

/// Compiles a regular expression.
pub(in crate::cel) fn regex(pattern: &str) -> Result<Regex, EvalError> {
    RegexBuilder::new(&translate(pattern))
        .size_limit(SIZE)
        .dfa_size_limit(SIZE)
        .build()
        .map_err(|error| EvalError::Regex(error.to_string().into()))
}

/// The same expression in the syntax of the `regex` crate. What is wrong stays wrong.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(next) = rest.chars().next() {
        let len = match next {
            '\\' if rest.starts_with("\\Q") => {
                let body = &rest[2..];
                let (literal, end) = match body.find("\\E") {
                    Some(end) => (&body[..end], end + 4),
                    None => (body, rest.len()),
                };
                out.push_str(&regex::escape(literal));
                end
            }
            '\\' => escape(rest, false, &mut out),
            '[' => class(rest, &mut out),
            _ => {
                out.push(next);
                next.len_utf8()
            }
        };
        rest = &rest[len..];
    }
    out
}

/// Translates the class in brackets at the start of `rest`; its length in bytes.
fn class(rest: &str, out: &mut String) -> usize {
    let mut at = if rest.starts_with("[^") { 2 } else { 1 };
    out.push_str(&rest[..at]);
    // The first bracket does not close.
    if rest[at..].starts_with(']') {
        out.push_str("\\]");
        at += 1;
    }
    while let Some(next) = rest[at..].chars().next() {
        let left = &rest[at..];
        at += match next {
            ']' => {
                out.push(']');
                return at + 1;
            }
            '[' => match left.strip_prefix("[:").and_then(|name| name.find(":]")) {
                Some(end) => {
                    out.push_str(&left[..end + 4]);
                    end + 4
                }
                None => {
                    out.push_str("\\[");
                    1
                }
            },
            '&' | '~' => {
                out.push('\\');
                out.push(next);
                1
            }
            '\\' => escape(left, true, out),
            _ => {
                out.push(next);
                next.len_utf8()
            }
        };
    }
    at
}

/// Translates the escape sequence at the start of `left`, within brackets or not; its length in bytes.
fn escape(left: &str, in_class: bool, out: &mut String) -> usize {
    let Some(kind) = left.chars().nth(1) else {
        out.push('\\');
        return 1;
    };
    let set = match kind.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => "\\t\\n\\f\\r ",
        _ => "",
    };
    match kind {
        'b' | 'B' if !in_class => {
            out.push_str("(?-u:\\");
            out.push(kind);
            out.push(')');
        }
        'd' | 'w' | 's' if in_class => out.push_str(set),
        'd' | 'w' | 's' => out.extend(["[", set, "]"]),
        'D' | 'W' | 'S' => out.extend(["[^", set, "]"]),
        _ => out.push_str(&left[..1 + kind.len_utf8()]),
    }
    1 + kind.len_utf8()
}
