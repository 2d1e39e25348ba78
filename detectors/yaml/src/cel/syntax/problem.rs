//! What the parser says, in the words and with the hints that our other errors have.

use ::cel::ParseError;

use super::too_deep;
use crate::cel::CelError;

/// What is said of a text that the parser gives up on without a word.
pub(super) const UNREADABLE: &str = "the expression cannot be read";

/// What the parser's own words for errors of the grammar begin with.
const SYNTAX: &str = "Syntax error: ";

/// The first of the parser's errors about `source`.
pub(super) fn problem(source: &str, errors: &[ParseError]) -> CelError {
    // What cannot be made of a text that is wrong is reported, too, with the place of what it is a part of.
    let syntax = errors.iter().find(|error| error.msg.starts_with(SYNTAX));
    let Some(error) = syntax.or(errors.first()) else {
        return CelError::new(0, UNREADABLE);
    };
    if errors.iter().any(|error| error.msg.contains("Recursion limit")) {
        return too_deep(0);
    }
    let offset = offset(source, error.pos);
    let rest = &source[offset..];
    match error.msg.strip_prefix(SYNTAX) {
        Some(message) => match message.strip_prefix("token recognition error at: ") {
            Some(_) => no_token(offset, rest),
            None => CelError::new(offset, unexpected(message, source, offset)),
        },
        None => unusable(offset, &error.msg),
    }
}

/// The text at `offset` is no part of the language.
fn no_token(offset: usize, rest: &str) -> CelError {
    match rest.chars().next() {
        Some('=') => CelError::new(offset, "`=` is no operator").hint("write `==` to compare"),
        Some('&') => CelError::new(offset, "`&` is no operator").hint("write `&&`"),
        Some('|') => CelError::new(offset, "`|` is no operator").hint("write `||`"),
        Some(quote @ ('"' | '\'')) => no_text(offset, rest, quote),
        Some(character) => CelError::new(offset, format!("unexpected character {character:?}")),
        None => CelError::new(offset, "the expression ends too early"),
    }
}

/// A quote begins a text that is none.
fn no_text(offset: usize, rest: &str, quote: char) -> CelError {
    let line = rest.lines().next().unwrap_or_default();
    if line.matches(quote).count() > 1 {
        CelError::new(offset, "the text has an unknown escape sequence")
            .hint("a backslash is written `\\\\`; in raw texts, r\"…\", it stands for itself")
    } else {
        CelError::new(offset, "the text has no closing quote on its line")
            .hint("a text of several lines has `\\n`, or three quotes")
    }
}

/// What was read cannot be used.
fn unusable(offset: usize, message: &str) -> CelError {
    match message {
        "invalid int literal" => CelError::new(offset, "the number does not fit into an int")
            .hint("an unsigned number ends in `u`: 10u"),
        "invalid uint literal" => CelError::new(offset, "the number does not fit into 64 bits"),
        "invalid double literal" => CelError::new(offset, "the number does not fit into a double"),
        _ => match message.strip_prefix("reserved identifier: ") {
            Some(name) => CelError::new(offset, format!("`{name}` is reserved by the language")),
            None => CelError::new(offset, message),
        },
    }
}

/// What was found and expected, of `mismatched input ')' expecting {'[', '{', IDENTIFIER, …}` and its like.
fn unexpected(message: &str, source: &str, offset: usize) -> String {
    let missing = message
        .strip_prefix("missing ")
        .and_then(|rest| rest.split_once(" at "))
        .map(|(expected, found)| (found, expected));
    let found = ["mismatched input ", "extraneous input "]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.rsplit_once(" expecting "));
    match found.or(missing) {
        Some((found, expected)) => format!("found {}, expected {}", token(found), expectation(expected)),
        // No viable alternative: what comes next fits nowhere.
        None => {
            let expected = match source[..offset].trim_end().ends_with('.') {
                true => "a name",
                false => "an expression",
            };
            let next = source[offset..].split_whitespace().next().unwrap_or("<EOF>");
            format!("found {}, expected {expected}", token(next))
        }
    }
}

/// A token of the parser's words, for people.
fn token(text: &str) -> String {
    let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    match inner.unwrap_or(text) {
        "<EOF>" => "the end".to_owned(),
        "IDENTIFIER" => "a name".to_owned(),
        text if text.starts_with(|first: char| first.is_ascii_digit()) => "a number".to_owned(),
        text if text.starts_with(['"', '\'']) => "a text".to_owned(),
        text => format!("`{text}`"),
    }
}

/// What could stand there instead: where that is many tokens, what they have in common.
fn expectation(tokens: &str) -> String {
    match tokens.strip_prefix('{') {
        Some(set) if set.contains("NUM_INT") => "an expression".to_owned(),
        Some(set) if set.contains("IDENTIFIER") => "a name".to_owned(),
        Some(_) => "an operator".to_owned(),
        None => token(tokens),
    }
}

/// The byte at `line` and `column`, which the parser counts from 1, columns in characters.
fn offset(source: &str, (line, column): (isize, isize)) -> usize {
    let (line, column) = (line.max(1).unsigned_abs() - 1, column.max(1).unsigned_abs() - 1);
    let start: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = &source[start..];
    start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}
