//! A stream of NDJSON through a pipe.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::stream::{Delivery, Outlet, Stream};
use crate::Record;
use crate::manifest::ImportedInput;
use crate::records::{CutLine, Cutter};

/// Bytes that are read, and handed over, at a time.
const BUFFER: usize = 256 << 10;
/// How long to wait for bytes before looking whether more is wanted, ms.
const PATIENCE_MS: u16 = 100;
/// What is still read once no more is wanted: as much as a pipe holds that nobody gave special rights to (pipe(7)).
const REST: usize = 1 << 20;

/// Events as NDJSON, in either encoding, from a pipe, a socket or a file; `name` is for messages and the manifest. Lines are read
/// as they are by an import: blank ones do not count, and those of a logger are counted.
///
/// # Errors
/// If no thread can be started.
pub fn ndjson(name: &str, source: OwnedFd) -> io::Result<Stream> {
    let input = ImportedInput {
        name: name.to_owned(),
        format: "ndjson".to_owned(),
        ..ImportedInput::default()
    };
    Stream::start(input, move |outlet| read(&mut File::from(source), outlet))
}

fn read(source: &mut File, outlet: &Outlet) -> Result<(), String> {
    let mut cutter = Cutter::default();
    let mut buffer = vec![0; BUFFER];
    let mut rest = REST;
    let outcome = loop {
        let wanted = outlet.is_wanted();
        match wait(source, wanted).and_then(|ready| ready.then(|| source.read(&mut buffer)).transpose()) {
            Ok(None) if wanted => {}
            Ok(Some(0)) => break Ok(()),
            Ok(Some(len)) => {
                put(&mut cutter, &buffer[..len], outlet);
                if !wanted {
                    rest = rest.saturating_sub(len);
                }
            }
            // What has begun of a line is of no use, and no fault either.
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
        if rest == 0 {
            return Ok(());
        }
    };
    let (line, outcome) = match outcome {
        Ok(()) => (cutter.finish(), Ok(())),
        Err(error) => (Some(cutter.broken(&error)), Err(error.to_string())),
    };
    outlet.put(Delivery {
        records: line.and_then(Record::of_line).into_iter().collect(),
        ..Delivery::default()
    });
    outcome
}

/// Whether there is something to read, or the end.
fn wait(source: &File, wanted: bool) -> io::Result<bool> {
    let timeout = if wanted {
        PollTimeout::from(PATIENCE_MS)
    } else {
        PollTimeout::ZERO
    };
    match poll(&mut [PollFd::new(source.as_fd(), PollFlags::POLLIN)], timeout) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Hands over the records that `bytes` complete.
fn put(cutter: &mut Cutter, mut bytes: &[u8], outlet: &Outlet) {
    let mut delivery = Delivery {
        bytes: bytes.len(),
        ..Delivery::default()
    };
    while !bytes.is_empty() {
        let line: Option<CutLine> = cutter.cut(&mut bytes);
        delivery.records.extend(line.and_then(Record::of_line));
    }
    outlet.put(delivery);
}
