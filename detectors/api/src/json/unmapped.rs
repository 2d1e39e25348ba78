//! What the input has and no model holds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::LineError;
use super::encode::{self, Escape, Object};

/// A way into a JSON value: keys and indexes.
pub(super) type Path = Vec<String>;

/// Reads `text` as a `T` and notes the paths of what it ignores, below `at`.
pub(super) fn read<'de, T: Deserialize<'de>>(
    text: &'de str,
    at: &[String],
    ignored: &mut Vec<Path>,
) -> Result<T, serde_json::Error> {
    // Only objects have keys, and noticing them costs as much as reading.
    if !text.contains('{') {
        return serde_json::from_str(text);
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_ignored::deserialize(&mut deserializer, |path| {
        let mut steps = at.to_vec();
        push_steps(&path, &mut steps);
        ignored.push(steps);
    })?;
    deserializer.end()?;
    Ok(value)
}

fn push_steps(path: &serde_ignored::Path<'_>, steps: &mut Path) {
    use serde_ignored::Path as P;
    match path {
        P::Root => {}
        P::Seq { parent, index } => {
            push_steps(parent, steps);
            steps.push(index.to_string());
        }
        P::Map { parent, key } => {
            push_steps(parent, steps);
            steps.push(key.clone());
        }
        P::Some { parent } | P::NewtypeStruct { parent } | P::NewtypeVariant { parent } => {
            push_steps(parent, steps);
        }
    }
}

/// Values by JSON pointer.
#[derive(Debug, Default)]
pub(super) struct Unmapped(BTreeMap<String, String>);

impl Unmapped {
    /// Takes the JSON text of the value at `path`.
    pub(super) fn insert(&mut self, path: &[String], value: &str) -> Result<(), LineError> {
        let pointer = pointer(path);
        if self.0.contains_key(&pointer) {
            return Err(LineError::Duplicate { pointer });
        }
        self.0.insert(pointer, compact(value));
        Ok(())
    }

    /// Takes the values of `text` at `paths`.
    pub(super) fn collect(&mut self, text: &str, mut paths: Vec<Path>) -> Result<(), LineError> {
        paths.sort_unstable();
        if let Some(twice) = paths.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(LineError::Duplicate {
                pointer: pointer(&twice[0]),
            });
        }
        self.descend(text, 0, &paths)
    }

    /// `paths` are sorted and share their first `depth` steps, which lead to `text`.
    fn descend(&mut self, text: &str, depth: usize, paths: &[Path]) -> Result<(), LineError> {
        let Some(first) = paths.first() else { return Ok(()) };
        if first.len() == depth {
            return self.insert(first, text);
        }
        let members = members(text).map_err(|error| LineError::not_json(text, &error))?;
        for group in paths.chunk_by(|a, b| a[depth] == b[depth]) {
            if let Some(member) = members.get(group[0][depth].as_str()) {
                self.descend(member.get(), depth + 1, group)?;
            }
        }
        Ok(())
    }

    /// The members of a JSON object from pointers to values, as written by [`finish`](Self::finish).
    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
        Ok(Self(
            members
                .into_iter()
                .map(|(pointer, value)| (pointer, value.get().to_owned()))
                .collect(),
        ))
    }

    /// One JSON object, sorted by pointer; `None` if there is nothing.
    pub(super) fn finish(self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        for (pointer, value) in &self.0 {
            object
                .any_member(pointer, Escape::Plain)
                .extend_from_slice(value.as_bytes());
        }
        object.close();
        Some(String::from_utf8(out).expect("it is made of text"))
    }
}

/// The members of a JSON object, or the elements of a list by index.
fn members(text: &str) -> Result<BTreeMap<Cow<'_, str>, &RawValue>, serde_json::Error> {
    if text.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text)?;
        return Ok(items
            .into_iter()
            .enumerate()
            .map(|(index, item)| (Cow::Owned(index.to_string()), item))
            .collect());
    }
    serde_json::from_str(text)
}

/// The JSON pointer (RFC 6901) of a path.
fn pointer(path: &[String]) -> String {
    path.iter().fold(String::new(), |mut pointer, step| {
        pointer.push('/');
        pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        pointer
    })
}

/// JSON without the white space between its tokens.
fn compact(json: &str) -> String {
    let mut quoted = false;
    let mut escaped = false;
    json.chars()
        .filter(|c| {
            if quoted {
                (quoted, escaped) = (*c != '"' || escaped, *c == '\\' && !escaped);
                return true;
            }
            quoted = *c == '"';
            !c.is_ascii_whitespace()
        })
        .collect()
}

/// Text as a JSON string.
pub(super) fn json_text(text: &str) -> String {
    let mut out = Vec::new();
    encode::text(&mut out, text, Escape::Plain);
    String::from_utf8(out).expect("it is made of text")
}
