//! Small captures, always the same, to be changed.

use std::path::Path;

use capture::{CaptureReader, CaptureWriter, Error, Header, WriterOptions};
use detectors_api::event::RecordedEvent;

/// The capture of these events, below `directory`.
pub(crate) fn capture(
    directory: &Path,
    events: impl IntoIterator<Item = RecordedEvent>,
) -> Result<CaptureReader, Error> {
    let path = directory.join("x.tcap");
    let header = Header {
        capture_id: "0".repeat(32),
        ..Header::default()
    };
    let mut writer = CaptureWriter::create(&path, header, WriterOptions::default())?;
    for event in events {
        writer.push(&event);
    }
    writer.flush()?;
    writer.finish()?;
    CaptureReader::open(&path)
}
