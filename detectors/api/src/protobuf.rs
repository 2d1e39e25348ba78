//! Streams of protobuf events: each `tracee.v1beta1.Event` after its length, as a varint.
//!
//! [`Reader`] reads what [`write_delimited`] writes. The stream is untrusted: a message may have at most [`MAX_MESSAGE`]
//! bytes, and memory is taken as bytes arrive, not as the length says. A message with fields that our schema does not know
//! keeps all its bytes, as base64 in [`RecordedEvent::unmapped`] under [`UNKNOWN_FIELDS`].

use std::io::{self, BufRead, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;

use crate::depth::{self, TooDeep};
use crate::event::RecordedEvent;
use crate::proto;

/// Largest message that is read, in bytes.
pub const MAX_MESSAGE: u64 = 16 << 20;

/// Key in [`RecordedEvent::unmapped`] of a message that has fields unknown to our schema: all its bytes, in base64.
pub const UNKNOWN_FIELDS: &str = "/protobuf";

/// A message that is not taken for an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Bytes that are no event.
    #[error("is no event: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// Nesting that could not be kept.
    #[error("cannot be kept: {0}")]
    TooDeep(#[from] TooDeep),
}

/// A stream that cannot be read on. Offsets are bytes from the start of the stream.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream ends within a message.
    #[error("the stream ends at byte {end}, within the message that starts at byte {offset}")]
    Truncated {
        /// Where the message starts.
        offset: u64,
        /// Length of the stream.
        end: u64,
    },
    /// A length that is none.
    #[error("byte {offset}: no message length, but a varint of more than 64 bits")]
    Length {
        /// Where the message starts.
        offset: u64,
    },
    /// More than [`MAX_MESSAGE`].
    #[error("the message at byte {offset} claims {len} bytes; at most {MAX_MESSAGE} are read")]
    TooLong {
        /// Where the message starts.
        offset: u64,
        /// Its length.
        len: u64,
    },
    /// Bytes that are no event.
    #[error("the message at byte {offset} {source}")]
    Message {
        /// Where the message starts.
        offset: u64,
        /// What is wrong with it.
        source: MessageError,
    },
    /// The stream itself fails.
    #[error("reading failed at byte {offset}: {source}")]
    Io {
        /// Where the message starts.
        offset: u64,
        /// What failed.
        source: io::Error,
    },
}

/// Iterates over the events of a stream.
///
/// A message that is no event is an error, and the events after it follow; after any other error the stream is at its end.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    offset: u64,
    message: Vec<u8>,
    ended: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads events from `source`.
    pub fn new(source: R) -> Self {
        Self {
            source,
            offset: 0,
            message: Vec::new(),
            ended: false,
        }
    }

    /// Bytes read so far: where the next message starts.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next message; `false` at the end of the stream.
    fn read_message(&mut self) -> Result<bool, ReadError> {
        let offset = self.offset;
        let io = |source| ReadError::Io { offset, source };
        let mut len = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some(byte) = self.source.fill_buf().map_err(io)?.first().copied() else {
                return if shift == 0 {
                    Ok(false)
                } else {
                    Err(ReadError::Truncated {
                        offset,
                        end: self.offset,
                    })
                };
            };
            self.source.consume(1);
            self.offset += 1;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(ReadError::Length { offset });
            }
            len |= bits << shift;
            if byte & 0x80 == 0 {
                if len > MAX_MESSAGE {
                    return Err(ReadError::TooLong { offset, len });
                }
                self.message.clear();
                let read = (&mut self.source)
                    .take(len)
                    .read_to_end(&mut self.message)
                    .map_err(io)? as u64;
                self.offset += read;
                return if read == len {
                    Ok(true)
                } else {
                    Err(ReadError::Truncated {
                        offset,
                        end: self.offset,
                    })
                };
            }
        }
        Err(ReadError::Length { offset })
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<RecordedEvent, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let offset = self.offset;
        match self.read_message() {
            Ok(true) => Some(decode(&self.message).map_err(|source| ReadError::Message { offset, source })),
            Ok(false) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.ended = true;
                Some(Err(error))
            }
        }
    }
}

/// Reads one event, without its length.
///
/// # Errors
/// If the bytes are no event, or one that is nested too deeply.
pub fn decode(message: &[u8]) -> Result<RecordedEvent, MessageError> {
    let event = proto::Event::decode(message)?;
    depth::check(&event)?;
    // What is known is encoded in as many bytes wherever it came from, unless the writer left out nothing of what
    // may be left out; then keeping the bytes does no harm.
    let complete = event.encoded_len() == message.len();
    let unmapped = (!complete).then(|| format!("{{\"{UNKNOWN_FIELDS}\":\"{}\"}}", STANDARD.encode(message)));
    Ok(RecordedEvent {
        unmapped,
        ..RecordedEvent::from(event)
    })
}

/// Appends an event and its length. [`RecordedEvent::kernel`] and [`RecordedEvent::unmapped`] have no place there.
pub fn write_delimited(event: &proto::Event, out: &mut Vec<u8>) {
    event
        .encode_length_delimited(out)
        .expect("a vector takes every write");
}
