//! Packs: any file is a capture or refused, and what is read from a pack is what is read from its files when it is unpacked.

use capture::{CaptureReader, Error};
use detectors_api::event::{EventBatch, RecordedEvent};
use tempfile::TempDir;

use crate::{events, sample};

/// Bytes of a block.
const BLOCK: usize = 512;

/// Changes a small pack as the text says, and reads it. Each line is a change:
///
/// * `cut POSITION`: the pack ends there;
/// * `copy POSITION POSITION`: the block of the second position becomes a copy of the first's;
/// * `mend`: the checksums of all headers are made right;
/// * `POSITION TEXT`: the text replaces what is there.
///
/// Other lines mean nothing.
///
/// # Panics
/// If reading the pack and reading what it is unpacked to do not agree.
pub fn pack(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    thread_local! {
        static SAMPLE: Vec<u8> = sample().expect("a small capture can be packed");
    }
    let mut pack = SAMPLE.with(Clone::clone);
    for line in text.lines().take(64) {
        change(&mut pack, line);
    }
    let directory = TempDir::new().expect("a directory can be made");
    let target = directory.path().join("x.tcap");
    let Ok(reader) = CaptureReader::open_stream(pack.as_slice(), "x.tcap.tar") else {
        return;
    };
    let faults = reader.verify(&|_| ()).faults;
    let read = read(&reader);
    match reader.unpack(&target, false, &|_| ()) {
        Ok(()) => {
            let unpacked = CaptureReader::open(&target).expect("it was readable before");
            assert_eq!(unpacked.verify(&|_| ()).faults, faults);
            assert_eq!(self::read(&unpacked).ok(), read.ok());
        }
        Err(error) => assert!(!faults.is_empty(), "{error}"),
    }
}

fn sample() -> Result<Vec<u8>, Error> {
    let directory = TempDir::new().expect("a directory can be made");
    let batches = events::window();
    let events = batches.iter().flat_map(EventBatch::events);
    let events = events.map(|event| RecordedEvent::from(event.to_proto()));
    let reader = sample::capture(directory.path(), events)?;
    let mut pack = Vec::new();
    reader.pack(&mut pack, &|_| ())?;
    Ok(pack)
}

fn change(pack: &mut Vec<u8>, line: &str) {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    // Any number is a position.
    let position = |text: &str, of: usize| text.parse::<usize>().ok()?.checked_rem(of);
    match first {
        "cut" => {
            if let Some(at) = position(rest, pack.len()) {
                pack.truncate(at);
            }
        }
        "copy" => {
            let blocks = pack.len() / BLOCK;
            let places = rest
                .split_once(' ')
                .and_then(|(from, to)| Some((position(from, blocks)?, position(to, blocks)?)));
            if let Some((from, to)) = places {
                pack.copy_within(from * BLOCK..(from + 1) * BLOCK, to * BLOCK);
            }
        }
        "mend" => {
            for block in pack.chunks_exact_mut(BLOCK) {
                if &block[257..262] == b"ustar" {
                    let mut header = tar::Header::from_byte_slice(block).clone();
                    header.set_cksum();
                    block.copy_from_slice(header.as_bytes());
                }
            }
        }
        _ => {
            if let Some(at) = position(first, pack.len()) {
                let end = pack.len().min(at + rest.len());
                pack[at..end].copy_from_slice(&rest.as_bytes()[..end - at]);
            }
        }
    }
}

/// The numbers of all events, if all that there is can be read.
fn read(reader: &CaptureReader) -> Result<Vec<u64>, Error> {
    let seqs = reader.events()?.map(|event| event.map(|(seq, _)| seq)).collect();
    reader.losses()?;
    reader.stores(u64::MAX)?;
    seqs
}
