//! Events whose fields are told one by one: each chunk is a field, with its number in the catalogue and a form.
//!
//! The programs send what they see; which type a field has, the catalogue knows.

use super::{ChunkHead, Input, ParseError, Plain, TRUNCATED, lossy, path};

/// An event and what the programs have sent of its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its internal id in the catalogue.
    pub event: i32,
    /// The fields that were sent: number in the catalogue's definition, and value. What is not there is not known.
    pub fields: Vec<(u8, RawValue)>,
}

impl Event {
    /// The value of field `number`.
    #[must_use]
    pub fn field(&self, number: u8) -> Option<&RawValue> {
        self.fields
            .iter()
            .find_map(|(field, value)| (*field == number).then_some(value))
    }
}

/// The value of a field, as the programs sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawValue {
    /// A number; a signed one is sign-extended.
    Number(u64),
    /// Text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// `struct sockaddr` of some family; empty if it could not be read.
    Address(Vec<u8>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Several numbers.
    Numbers(Vec<u64>),
    /// The credentials of a task.
    Credentials(Box<Credentials>),
    /// A time span: seconds and ns.
    Time(i64, i64),
    /// Two descriptors.
    Pair([i32; 2]),
    /// Functions that stand in the place of others; the programs do not send this, the sensor finds it.
    Hooks(Vec<HookedFunction>),
}

/// A function that stands in the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookedFunction {
    /// What the other is for.
    pub role: String,
    /// Its own name; empty if it hides.
    pub name: String,
    /// Whose it is.
    pub owner: String,
}

/// The credentials of a task. Capabilities are masks: bit n is capability n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[expect(
    missing_docs,
    reason = "the kernel's own names, see credentials(7) and capabilities(7)"
)]
pub struct Credentials {
    pub uid: u32,
    pub gid: u32,
    pub suid: u32,
    pub sgid: u32,
    pub euid: u32,
    pub egid: u32,
    pub fsuid: u32,
    pub fsgid: u32,
    pub user_ns: u32,
    pub secure_bits: u32,
    pub inheritable: u64,
    pub permitted: u64,
    pub effective: u64,
    pub bounding: u64,
    pub ambient: u64,
}

/// The forms of fields: `FORM_*` of `record.h`.
pub(crate) mod form {
    pub(crate) const NUMBER: u8 = 1;
    pub(crate) const TEXT: u8 = 2;
    pub(crate) const PATH: u8 = 3;
    pub(crate) const BASE: u8 = 4;
    pub(crate) const STRINGS: u8 = 5;
    pub(crate) const ADDRESS: u8 = 6;
    pub(crate) const BYTES: u8 = 7;
    pub(crate) const NUMBERS: u8 = 8;
    pub(crate) const CREDENTIALS: u8 = 9;
    pub(crate) const TIME: u8 = 10;
    pub(crate) const PAIR: u8 = 11;
    /// Only of a call's argument: an address that the call writes, whose length lies behind the next argument.
    pub(crate) const ADDRESS_OUT: u8 = 12;
}

/// Reads fields to the end of a record.
pub(super) fn read(mut input: Input<'_>) -> Result<Vec<(u8, RawValue)>, ParseError> {
    let mut fields = Vec::new();
    // The directory where the path in the next chunk of the same field begins.
    let mut base: Option<(u8, String)> = None;
    while !input.bytes.is_empty() {
        let head: ChunkHead = input.take("field header")?;
        let bytes = input.bytes(usize::try_from(head.len).unwrap_or(usize::MAX), "field")?;
        let [form, field] = head.tag.to_le_bytes();
        let value = match form {
            form::NUMBER => RawValue::Number(exactly(form, bytes)?),
            form::TEXT => {
                let text = lossy(bytes);
                RawValue::Text(match base.take() {
                    Some((of, base)) if of == field => join(&base, &text),
                    _ => text,
                })
            }
            form::PATH => RawValue::Text(path(bytes, head.flags)),
            form::BASE => {
                base = Some((field, path(bytes, head.flags)));
                continue;
            }
            form::STRINGS => RawValue::Texts(strings(bytes, head.flags)),
            form::ADDRESS => RawValue::Address(bytes.to_vec()),
            form::BYTES => RawValue::Bytes(bytes.to_vec()),
            form::NUMBERS => RawValue::Numbers(
                bytes
                    .chunks(8)
                    .map(|bytes| exactly(form, bytes))
                    .collect::<Result<_, _>>()?,
            ),
            form::CREDENTIALS => RawValue::Credentials(Box::new(exactly(form, bytes)?)),
            // Memory that could not be read leaves no bytes.
            form::TIME | form::PAIR if bytes.is_empty() => continue,
            form::TIME => {
                let [seconds, ns] = exactly::<[i64; 2]>(form, bytes)?;
                RawValue::Time(seconds, ns)
            }
            form::PAIR => RawValue::Pair(exactly(form, bytes)?),
            _ => return Err(ParseError::Tag(head.tag)),
        };
        fields.push((field, value));
    }
    Ok(fields)
}

// SAFETY: integers without padding, any bytes are a value.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for [i64; 2] {}
// SAFETY: as above.
unsafe impl Plain for [i32; 2] {}

fn exactly<T: Plain>(form: u8, bytes: &[u8]) -> Result<T, ParseError> {
    let wrong = ParseError::Field {
        form: form.into(),
        len: bytes.len(),
    };
    if bytes.len() != size_of::<T>() {
        return Err(wrong);
    }
    let mut input = Input {
        bytes,
        len: bytes.len(),
    };
    input.take("field").map_err(|_| wrong)
}

/// Strings that each end with NUL; one more, `...`, if there were more.
fn strings(bytes: &[u8], flags: u16) -> Vec<String> {
    let mut strings: Vec<_> = match bytes.strip_suffix(&[0]).unwrap_or(bytes) {
        [] if bytes.is_empty() => Vec::new(),
        bytes => bytes.split(|byte| *byte == 0).map(lossy).collect(),
    };
    if flags & TRUNCATED != 0 {
        strings.push("...".to_owned());
    }
    strings
}

/// `text`, as seen from directory `base`, without `.`, `..` and doubled slashes. Symbolic links are not followed.
fn join(base: &str, text: &str) -> String {
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    // The root of a task with a root of its own: it cannot go above it.
    let floor = if text.starts_with('/') { parts.len() } else { 0 };
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.len() > floor {
                    parts.pop();
                }
            }
            part => parts.push(part),
        }
    }
    let slash = if base.starts_with('/') || base.is_empty() {
        "/"
    } else {
        ""
    };
    format!("{slash}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_at_its_directory() {
        for (base, text, path) in [
            ("/", "/etc/passwd", "/etc/passwd"),
            ("/home/user", "notes", "/home/user/notes"),
            ("/home/user", "../other/./x//y", "/home/other/x/y"),
            ("/home", "../../..", "/"),
            // A task that lives in /jail.
            ("/jail", "/etc/../../passwd", "/jail/passwd"),
            ("<disconnected>/gone", "x", "<disconnected>/gone/x"),
        ] {
            assert_eq!(join(base, text), path, "{base} {text}");
        }
    }

    #[test]
    fn strings_that_are_cut_say_so() {
        assert_eq!(strings(b"", 0), Vec::<String>::new());
        assert_eq!(strings(b"\0", 0), [""]);
        assert_eq!(strings(b"a\0b c\0", 0), ["a", "b c"]);
        assert_eq!(strings(b"a\0", TRUNCATED), ["a", "..."]);
    }
}
