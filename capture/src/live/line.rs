//! The way of events from the sensor into the capture, past what is still to be learnt about them.
//!
//! An event that a hash is awaited for waits a moment, and what comes after it waits behind it: the order never changes. Once it has
//! waited long enough it goes without, and what is learnt later is told to a store, [`LATE`].

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use detectors_api::event::RecordedEvent;
use detectors_api::proto;
use detectors_api::proto::event_value::Value;
use detectors_stores::Input;
use detectors_stores::custom::{CUSTOM, Change, StoreName};
use serde_json::json;

use super::hashes::{self, Hashes, Key, Outcome};
use crate::{CaptureWriter, Error};

/// The store of hashes that came too late for their events. A key is what told the file apart: device or image, inode number and time
/// of last change (ns since the Unix epoch), joined with colons.
pub const LATE: &str = "executable_hashes";

/// Who tells that store.
const SOURCE: &str = "tracee-cap";
/// Events that wait at most: a bound on memory.
const MOST: usize = 65_536;
/// How often is looked for the last hashes of a recording.
const POLL: Duration = Duration::from_millis(2);

/// What goes into the capture next, in order.
#[derive(Debug)]
pub(super) struct Line {
    hashes: Option<Hashes>,
    /// How long an event waits.
    patience: Duration,
    waiting: VecDeque<Waiting>,
    /// Files of which an event went without.
    late: HashSet<Key>,
    late_store: StoreName,
}

#[derive(Debug)]
enum Waiting {
    Event {
        event: Box<RecordedEvent>,
        /// The file, and since when its hash is awaited.
        hash: Option<(Key, Instant)>,
    },
    /// Rows for a store.
    Input(Input),
}

impl Line {
    /// Without `hashes`, nothing waits.
    pub(super) fn new(hashes: Option<Hashes>, patience: Duration) -> Self {
        Self {
            hashes,
            patience,
            waiting: VecDeque::new(),
            late: HashSet::new(),
            late_store: LATE.parse().expect("it is a name"),
        }
    }

    /// Whether all is in the capture.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes an event.
    pub(super) fn event(&mut self, event: RecordedEvent, writer: &mut CaptureWriter) -> Result<(), Error> {
        let key = self.hashes.as_mut().and_then(|hashes| hashes.look_up(&event));
        if key.is_none() && self.waiting.is_empty() {
            writer.push(&event);
            return Ok(());
        }
        self.waiting.push_back(Waiting::Event {
            event: Box::new(event),
            hash: key.map(|key| (key, Instant::now())),
        });
        self.go_on(writer)
    }

    /// Takes rows for a store, which come before the event after them.
    pub(super) fn input(&mut self, mut input: Input, writer: &mut CaptureWriter) -> Result<(), Error> {
        if self.waiting.is_empty() {
            input.seq = writer.next_seq();
            return writer.add_input(input);
        }
        self.waiting.push_back(Waiting::Input(input));
        Ok(())
    }

    /// Takes in what has been learnt, and lets go on what need not wait any longer.
    pub(super) fn settle(&mut self, writer: &mut CaptureWriter) -> Result<(), Error> {
        let Some(hashes) = &mut self.hashes else {
            return Ok(());
        };
        let mut news = Vec::new();
        for key in hashes.receive() {
            if self.late.remove(&key)
                && let Outcome::Hash(hash) = hashes.outcome(&key)
            {
                news.push(Change::Write {
                    source: SOURCE.to_owned(),
                    key: key.to_string(),
                    data: json!({ hashes::FIELD: &**hash }),
                });
            }
        }
        self.go_on(writer)?;
        if news.is_empty() {
            return Ok(());
        }
        let rows = Change::to_batch(&self.late_store, &news);
        let (store, seq) = (CUSTOM.to_owned(), 0);
        self.input(Input { store, seq, rows }, writer)
    }

    /// Lets all go on: first what is still awaited, as long as patience lasts.
    pub(super) fn finish(&mut self, writer: &mut CaptureWriter) -> Result<(), Error> {
        self.settle(writer)?;
        while !self.waiting.is_empty() {
            std::thread::sleep(POLL);
            self.settle(writer)?;
        }
        Ok(())
    }

    /// Lets go on what is at the head of the line and waits for nothing.
    fn go_on(&mut self, writer: &mut CaptureWriter) -> Result<(), Error> {
        let Some(hashes) = &self.hashes else {
            return Ok(());
        };
        let (patience, crowded) = (self.patience, self.waiting.len() > MOST);
        let late = &mut self.late;
        while let Some(next) = self.waiting.pop_front_if(|next| match next {
            Waiting::Input(_) | Waiting::Event { hash: None, .. } => true,
            Waiting::Event {
                event,
                hash: Some((key, since)),
            } => match hashes.outcome(key) {
                Outcome::Hash(hash) => {
                    event.event.data.push(proto::EventValue {
                        name: hashes::FIELD.to_owned(),
                        value: Some(Value::Str(hash.to_string())),
                    });
                    true
                }
                Outcome::Failed => true,
                Outcome::Awaited if crowded || since.elapsed() >= patience => {
                    late.insert(key.clone());
                    true
                }
                Outcome::Awaited => false,
            },
        }) {
            match next {
                Waiting::Event { event, .. } => {
                    writer.push(&event);
                }
                Waiting::Input(mut input) => {
                    input.seq = writer.next_seq();
                    writer.add_input(input)?;
                }
            }
        }
        Ok(())
    }
}
