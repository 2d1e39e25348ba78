//! From a byte of a text's value back to the byte of the file that wrote it.
//!
//! All styles keep the characters of a text and their order; they differ in white space, which folding and indentation
//! change, and in escapes. So the characters that are not white space are counted: the n-th of the value was written by
//! the n-th of the source. White space is where the character before it ends.

use std::ops::Range;

use super::{Scalar, Style};

pub(super) fn locate(text: &str, span: &Range<usize>, scalar: &Scalar, offset: usize) -> usize {
    follow(text, span, scalar, offset).unwrap_or(span.start)
}

fn follow(text: &str, span: &Range<usize>, scalar: &Scalar, offset: usize) -> Option<usize> {
    let offset = scalar.value.floor_char_boundary(offset);
    let start = content(text, span, scalar.style)?;
    let mut written = Units {
        rest: text.get(start..span.end)?,
        at: start,
        style: scalar.style,
    }
    .filter(|unit| !is_space(unit.character));
    let before = scalar.value[..offset].chars().rev();
    let spaces: usize = before.take_while(|c| is_space(*c)).map(char::len_utf8).sum();
    let mut end = start;
    for expected in scalar.value[..offset].chars().filter(|c| !is_space(*c)) {
        let unit = written.next()?;
        if unit.character != expected {
            return None;
        }
        end = unit.span.end;
    }
    match scalar.value[offset..].chars().next() {
        Some(next) if !is_space(next) => {
            let unit = written.next()?;
            (unit.character == next).then_some(unit.span.start)
        }
        // White space, or the end. A run of it is followed where the source has the same run.
        _ => {
            let same = text[end..].starts_with(&scalar.value[offset - spaces..offset]);
            Some(if same { end + spaces } else { end })
        }
    }
}

/// Where the characters begin: after an anchor, a tag, the opening quote or the header of a block.
fn content(text: &str, span: &Range<usize>, style: Style) -> Option<usize> {
    let mut at = span.start;
    let mut properties = false;
    while text[at..].starts_with(['&', '!']) && style_allows(style, &text[at..]) {
        properties = true;
        let rest = &text[at..];
        let name = rest.find([' ', '\t', '\r', '\n'])?;
        at += rest.len() - rest[name..].trim_start().len();
    }
    match style {
        Style::Plain => Some(at),
        Style::SingleQuoted | Style::DoubleQuoted => Some(at + 1),
        Style::Literal | Style::Folded if properties => Some(at + text[at..].find('\n')? + 1),
        Style::Literal | Style::Folded => Some(at),
    }
}

/// Whether `&` or `!` at the start is a property. The span of a block begins with its first line, which may begin with
/// anything, unless there are properties: these are followed by the block's header.
fn style_allows(style: Style, rest: &str) -> bool {
    match style {
        Style::Literal | Style::Folded => rest
            .lines()
            .next()
            .is_some_and(|line| line.contains(" |") || line.contains(" >")),
        _ => true,
    }
}

const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// A character of the value and the bytes of the source that wrote it.
struct Unit {
    character: char,
    span: Range<usize>,
}

/// The characters that a piece of source writes.
struct Units<'a> {
    rest: &'a str,
    at: usize,
    style: Style,
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let first = self.rest.chars().next()?;
        let (character, length) = match (self.style, first) {
            (Style::SingleQuoted, '\'') if self.rest.starts_with("''") => ('\'', 2),
            (Style::DoubleQuoted, '\\') => escape(self.rest)?,
            _ => (first, first.len_utf8()),
        };
        let span = self.at..self.at + length;
        self.rest = self.rest.get(length..)?;
        self.at = span.end;
        Some(Unit { character, span })
    }
}

/// The character that the escape at the start of `text` writes, and the escape's length in bytes. An escaped line end
/// writes nothing, which counts as white space here.
fn escape(text: &str) -> Option<(char, usize)> {
    let letter = text[1..].chars().next()?;
    let hex = |digits: usize| {
        let code = u32::from_str_radix(text.get(2..2 + digits)?, 16).ok()?;
        Some((char::from_u32(code)?, 2 + digits))
    };
    let character = match letter {
        'x' => return hex(2),
        'u' => return hex(4),
        'U' => return hex(8),
        '0' => '\0',
        'a' => '\x07',
        'b' => '\x08',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\x0b',
        'f' => '\x0c',
        'r' => '\r',
        'e' => '\x1b',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        other => other,
    };
    Some((character, 1 + letter.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Node};
    use crate::error::Faults;

    /// The line and column of `needle`'s first character in the value of the document's key `c`.
    fn place(text: &str, needle: &str) -> (usize, usize) {
        let mut faults = Faults::default();
        let root = Node::parse(text, &mut faults).expect("it is YAML");
        let Kind::Mapping(entries) = &root.kind else {
            panic!("it is a mapping");
        };
        let node = &entries
            .iter()
            .find(|entry| entry.key == "c")
            .expect("it has c")
            .value;
        let Kind::Scalar(scalar) = &node.kind else {
            panic!("it is a text");
        };
        let offset = scalar.value.find(needle).expect("the value has it");
        let position = crate::source::Source::new("x", text).position(node.locate(text, offset));
        (position.line, position.column)
    }

    #[test]
    fn every_style_is_followed() {
        assert_eq!(place("c: a == BAD\n", "BAD"), (1, 9));
        assert_eq!(place("c: a ==\n  BAD\n", "BAD"), (2, 3));
        assert_eq!(place("c: 'it''s é BAD'\n", "BAD"), (1, 13));
        assert_eq!(place("c: \"x\\n\\\"\\x41\\u00e9 \\\n   BAD\"\n", "BAD"), (2, 4));
        assert_eq!(
            place("b: 1\nc: |-\n    a &&\n      b ||\n    BAD\n", "BAD"),
            (5, 5)
        );
        assert_eq!(place("c: >\n  a\n  b\n\n  c BAD\n", "BAD"), (5, 5));
        assert_eq!(place("c: |2\n    x\n   BAD\n", "BAD"), (3, 4));
        assert_eq!(place("c: a\u{a0}b BAD\r\n", "BAD"), (1, 8));
    }

    #[test]
    fn anchors_and_tags_are_stepped_over() {
        assert_eq!(place("c: &x !!str a BAD\n", "BAD"), (1, 15));
        assert_eq!(place("c: &x 'a BAD'\n", "BAD"), (1, 10));
        assert_eq!(place("c: &x |\n  a\n  BAD\n", "BAD"), (3, 3));
        assert_eq!(place("c: |\n  &x\n  BAD\n", "BAD"), (3, 3));
        assert_eq!(place("b: &x a BAD\nc: *x\n", "BAD"), (1, 9));
    }

    #[test]
    fn white_space_is_where_the_text_before_it_ends() {
        assert_eq!(place("c: a   b\n", "   b"), (1, 5));
        assert_eq!(place("c: a   b\n", " b"), (1, 7));
        assert_eq!(place("c: >\n  a\n  b\n", " b"), (2, 4));
    }
}
