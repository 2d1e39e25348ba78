//! Records of foreign programs: events, lines of a logger between them, and what cannot be read.
//!
//! [`Cutter`] makes lines of bytes as they come, from a file or from a pipe, and [`Record::of_line`] makes records of lines.

use std::io::{self, BufRead};

use detectors_api::event::RecordedEvent;
use detectors_api::json::{self, Line, LineError, MAX_LINE};
use memchr::memchr;

/// What another program wrote at one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Line, from 1; absent where there are no lines.
    pub line: Option<u64>,
    /// What it is.
    pub content: Content,
}

/// What a record is.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// An event.
    Event(Box<RecordedEvent>),
    /// A line that a logger wrote between the events.
    Log,
    /// Neither, or damaged: says what is wrong.
    Unreadable(String),
}

impl Record {
    /// Reads a line; `None` if it is blank.
    pub(crate) fn of_line(line: CutLine) -> Option<Self> {
        let content = match line.text.map(|text| json::read_line(&text)) {
            Ok(Ok(Line::Event(event))) => Content::Event(event),
            Ok(Ok(Line::Log)) => Content::Log,
            Ok(Err(LineError::Blank)) => return None,
            Ok(Err(error)) => Content::Unreadable(error.to_string()),
            Err(reason) => Content::Unreadable(reason),
        };
        Some(Self {
            line: Some(line.number),
            content,
        })
    }
}

/// A line, with or without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CutLine {
    /// From 1.
    pub(crate) number: u64,
    /// The line, or why there is none.
    pub(crate) text: Result<Vec<u8>, String>,
}

/// Cuts bytes into lines as they come. A line that is too long takes no more memory than one that is not.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    /// Lines that are complete.
    lines: u64,
    /// The beginning of the next.
    begun: Vec<u8>,
    /// Bytes of a line that is too long.
    skipped: usize,
}

impl Cutter {
    /// Takes bytes up to the end of the line; none if `bytes` end before.
    pub(crate) fn cut(&mut self, bytes: &mut &[u8]) -> Option<CutLine> {
        let end = memchr(b'\n', bytes);
        let (taken, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        *bytes = rest;
        if self.skipped > 0 || self.begun.len() + taken.len() > MAX_LINE {
            self.skipped += self.begun.len() + taken.len();
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(taken);
        }
        end.map(|_| self.complete())
    }

    /// What follows the last end of a line.
    pub(crate) fn finish(&mut self) -> Option<CutLine> {
        (self.skipped > 0 || !self.begun.is_empty()).then(|| self.complete())
    }

    /// A fault that takes the place of the line that has begun.
    pub(crate) fn broken(&mut self, error: &std::io::Error) -> CutLine {
        self.lines += 1;
        CutLine {
            number: self.lines,
            text: Err(format!("the input breaks off here: {error}")),
        }
    }

    fn complete(&mut self) -> CutLine {
        self.lines += 1;
        CutLine {
            number: self.lines,
            text: match std::mem::take(&mut self.skipped) {
                0 => Ok(std::mem::take(&mut self.begun)),
                len => Err(LineError::TooLong { len }.to_string()),
            },
        }
    }
}

/// The lines of a source.
pub(crate) struct Lines<'a> {
    source: &'a mut dyn BufRead,
    cutter: Cutter,
    ended: bool,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(source: &'a mut dyn BufRead) -> Self {
        Self {
            source,
            cutter: Cutter::default(),
            ended: false,
        }
    }

    /// The next lines, of about so many bytes together; `None` at the end.
    pub(crate) fn chunk(&mut self, size: usize) -> Option<Vec<CutLine>> {
        let mut lines = Vec::new();
        let mut bytes = 0;
        while bytes < size && !self.ended {
            if let Some(line) = self.line() {
                bytes += line.text.as_ref().map_or(MAX_LINE, Vec::len);
                lines.push(line);
            }
        }
        (!lines.is_empty()).then_some(lines)
    }

    /// The number of lines that have been read.
    pub(crate) fn number(&self) -> u64 {
        self.cutter.lines
    }

    /// The next line; `None` at the end.
    pub(crate) fn line(&mut self) -> Option<CutLine> {
        loop {
            match self.source.fill_buf() {
                Ok([]) => {
                    self.ended = true;
                    return self.cutter.finish();
                }
                Ok(buffer) => {
                    let mut rest = buffer;
                    let line = self.cutter.cut(&mut rest);
                    let used = buffer.len() - rest.len();
                    self.source.consume(used);
                    if line.is_some() {
                        return line;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    return Some(self.cutter.broken(&error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(u64, Result<Vec<u8>, String>)> {
        let (mut cutter, mut lines) = (Cutter::default(), Vec::new());
        for mut piece in pieces.iter().copied() {
            while !piece.is_empty() {
                lines.extend(cutter.cut(&mut piece));
            }
        }
        lines.extend(cutter.finish());
        lines.into_iter().map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let whole = b"one\n\ntwo\nthe last";
        let expected: Vec<_> = [&b"one\n"[..], b"\n", b"two\n", b"the last"]
            .into_iter()
            .map(|text| Ok(text.to_vec()))
            .zip(1..)
            .map(|(text, number)| (number, text))
            .collect();
        for size in 1..=whole.len() {
            assert_eq!(lines(&whole.chunks(size).collect::<Vec<_>>()), expected, "{size}");
        }
        assert_eq!(lines(&[]), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_named() {
        let most = vec![b' '; MAX_LINE - 1];
        assert_eq!(lines(&[&most, b"\n"])[0].1.as_ref().map(Vec::len), Ok(MAX_LINE));
        let too_long = |len| Err(LineError::TooLong { len }.to_string());
        assert_eq!(
            lines(&[&most, b" \n{}\n", &most, &most]),
            [
                (1, too_long(MAX_LINE + 1)),
                (2, Ok(b"{}\n".to_vec())),
                (3, too_long(2 * MAX_LINE - 2))
            ]
        );
    }
}
