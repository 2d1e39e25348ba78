//! Scalars and objects as JSON text, byte for byte in the forms of Tracee's writer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

/// What is escaped beyond what JSON asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// Nothing.
    Plain,
    /// `<`, `>`, `&` and the two Unicode line separators.
    Html,
}

/// An object being written: puts the commas.
#[derive(Debug)]
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Starts a member whose key needs no escaping; the value is to be written next.
    pub(super) fn member(&mut self, key: &str) -> &mut Vec<u8> {
        // There is room for all of it at once, so that it is asked for once.
        self.out.reserve(key.len() + 4);
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Starts a member with any key.
    pub(super) fn any_member(&mut self, key: &str, escape: Escape) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        text(self.out, key, escape);
        self.out.push(b':');
        self.out
    }

    /// Adds members that are already text.
    pub(super) fn members(&mut self, members: &str) {
        if !members.is_empty() {
            if !std::mem::take(&mut self.empty) {
                self.out.push(b',');
            }
            self.out.extend_from_slice(members.as_bytes());
        }
    }

    pub(super) fn close(self) {
        self.out.push(b'}');
    }
}

/// A list in brackets.
pub(super) fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// What its `Display` says.
pub(super) fn display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    use std::io::Write;
    write!(out, "{value}").expect("a vector takes every write");
}

/// An integer.
pub(super) fn number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// An integer in quotes.
pub(super) fn quoted(out: &mut Vec<u8>, integer: impl itoa::Integer) {
    out.push(b'"');
    number(out, integer);
    out.push(b'"');
}

/// What its `Display` says, in quotes. Nothing is escaped.
fn quoted_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    out.push(b'"');
    display(out, value);
    out.push(b'"');
}

/// Whether some way of escaping does not write this byte as it is. Without branches: see [`special`].
const fn is_special(byte: u8) -> bool {
    let marks = (byte == b'"') | (byte == b'\\') | (byte == b'<') | (byte == b'>') | (byte == b'&');
    // The last one begins the separators of lines and paragraphs.
    (byte < 0x20) | marks | (byte == 0xe2)
}

/// Bytes that are looked at together, in a few vector instructions.
const TOGETHER: usize = 16;

/// Place of the first special byte, if there is one. Most texts have none, and are passed over quickly.
fn special(bytes: &[u8]) -> Option<usize> {
    let (chunks, _) = bytes.as_chunks::<TOGETHER>();
    let is_plain = |chunk: &&[u8; TOGETHER]| !chunk.iter().fold(false, |any, byte| any | is_special(*byte));
    let plain = chunks.iter().take_while(is_plain).count() * TOGETHER;
    let place = bytes[plain..].iter().position(|byte| is_special(*byte));
    place.map(|place| plain + place)
}

/// Text in quotes.
pub(super) fn text(out: &mut Vec<u8>, text: &str, escape: Escape) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    let mut at = 0;
    while let Some(plain) = special(&bytes[at..]) {
        at += plain;
        let byte = bytes[at];
        let (short, len): (&[u8], usize) = match byte {
            b'"' => (b"\\\"", 1),
            b'\\' => (b"\\\\", 1),
            b'\n' => (b"\\n", 1),
            b'\r' => (b"\\r", 1),
            b'\t' => (b"\\t", 1),
            0x08 => (b"\\b", 1),
            0x0c => (b"\\f", 1),
            0..=0x1f => (b"", 1),
            b'<' | b'>' | b'&' if escape == Escape::Html => (b"", 1),
            0xe2 if escape == Escape::Html && bytes[at..].starts_with("\u{2028}".as_bytes()) => {
                (b"\\u2028", 3)
            }
            0xe2 if escape == Escape::Html && bytes[at..].starts_with("\u{2029}".as_bytes()) => {
                (b"\\u2029", 3)
            }
            _ => {
                at += 1;
                continue;
            }
        };
        out.extend_from_slice(&bytes[written..at]);
        if short.is_empty() {
            display(out, format_args!("\\u{byte:04x}"));
        } else {
            out.extend_from_slice(short);
        }
        at += len;
        written = at;
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

/// Standard base64 with padding, in quotes.
pub(super) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    quoted_display(out, base64::display::Base64Display::new(bytes, &STANDARD));
}

/// The shortest text that reads back as the same double, with an exponent of at least two digits where the decimal
/// exponent is below -4 or above 5. What is no number is quoted.
pub(super) fn double(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        return text(out, "NaN", Escape::Plain);
    }
    if value.is_infinite() {
        let name = if value > 0.0 { "Infinity" } else { "-Infinity" };
        return text(out, name, Escape::Plain);
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("this format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    if (-4..6).contains(&exponent) {
        display(out, value);
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        display(out, format_args!("{mantissa}e{sign}{:02}", exponent.abs()));
    }
}

/// RFC 3339 in UTC, as many fractional digits as needed, in quotes. `false`, and nothing written, if the calendar has no
/// such year.
pub(super) fn timestamp(out: &mut Vec<u8>, timestamp: &prost_types::Timestamp) -> bool {
    let ns = i128::from(timestamp.seconds) * 1_000_000_000 + i128::from(timestamp.nanos);
    match Timestamp::from_nanosecond(ns) {
        Ok(timestamp) => quoted_display(out, timestamp),
        Err(_) => return false,
    }
    true
}

/// The bytes of standard base64 with padding.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_special_byte_is_found_wherever_it_is() {
        for length in 0..3 * TOGETHER {
            let plain = vec![b'a'; length];
            assert_eq!(special(&plain), None);
            for (at, byte) in (0..length).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
                let mut bytes = plain.clone();
                bytes[at] = byte;
                *bytes.last_mut().expect("it is not empty") = if at + 1 < length { b'&' } else { byte };
                let expected = bytes.iter().position(|byte| is_special(*byte));
                assert_eq!(special(&bytes), expected, "{byte:#x} at {at} of {length}");
            }
        }
        let escaped: Vec<_> = (0..=u8::MAX).filter(|byte| is_special(*byte)).collect();
        let others = [b'"', b'&', b'<', b'>', b'\\', 0xe2];
        assert!(escaped.into_iter().eq((0..0x20).chain(others)));
    }
}
