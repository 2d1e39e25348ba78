//! Everything that a capture says, one thing at a time.
//!
//! This is how captures are made out of captures: a slice leaves entries out, a redaction changes them, a merge puts those of
//! several captures in one order, a conversion writes them as they are. What can be made again from them is no entry: the
//! manifest's totals, digests, and keyframes in the midst of a capture.

use arrow::array::RecordBatch;
use detectors_api::event::RecordedEvent;
use detectors_stores::Input;

use crate::Loss;

/// One thing that a capture says. [`CaptureReader::entries`](crate::CaptureReader::entries) has the order.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// What was before the first event, if the capture is a part of another one.
    Beginning(Beginning),
    /// What a store is told beside events. It comes before the event with its number.
    Input(Input),
    /// An event.
    Event {
        /// Its sequence number.
        seq: u64,
        /// The event.
        event: Box<RecordedEvent>,
    },
    /// Events that were lost.
    Loss(Loss),
    /// What was detected while recording, as rows.
    Detections(RecordBatch),
}

/// What the stores knew before the first event of a capture that was cut out of another one.
///
/// It is written as a keyframe, but unlike other keyframes it cannot be made again: the events that it stands for are elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Beginning {
    /// It stands for all events before this sequence number.
    pub seq: u64,
    /// The tables of the keyframe, by the name of the store; [`Stores::KEYFRAME`](detectors_stores::Stores::KEYFRAME) is among them.
    pub frames: Vec<(String, RecordBatch)>,
    /// What the stores that have no such table were told before [`seq`](Self::seq), in order.
    pub inputs: Vec<Input>,
}
