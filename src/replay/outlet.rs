//! Where detections go: to the output, and to the comparison with expected ones.

use std::fs::File;
use std::io::{BufReader, Write};

use anyhow::Context;
use capture::CaptureReader;
use detectors_engine::Detection;
use replay::provenance::LossRecord;
use replay::{Capture, Ending, ExpectError, Expectation, Format, Outcome, Writer, Written};

use super::args::Args;
use crate::exit::{Exit, Failure};
use crate::opened;

/// Takes the detections of all captures, one after the other.
#[derive(Debug)]
pub(super) struct Outlet<W> {
    writer: Writer<W>,
    expected: Option<Expectation<BufReader<File>>>,
    ending: Ending,
}

impl Outlet<Box<dyn Write + Send>> {
    /// What the command line asks for.
    pub(super) fn open(args: &Args, format: Format) -> Result<Self, Failure> {
        let expected = args.expect.as_ref().map(|path| {
            File::open(path)
                .with_context(|| format!("cannot read {}", path.display()))
                .map_err(Failure::bad_input)
        });
        // A file that cannot be read should not leave an empty output behind.
        let expected = expected.transpose()?;
        Ok(Self {
            writer: Writer::new(format, args.destination.open()?),
            expected: expected.map(|file| Expectation::new(BufReader::new(file))),
            ending: Ending::default(),
        })
    }
}

impl<W: Write> Outlet<W> {
    /// The detections that follow were found in `reader`'s capture.
    pub(super) fn begin(&mut self, reader: &CaptureReader) {
        self.writer.capture(&Capture::from(reader));
    }

    /// Takes one detection.
    pub(super) fn take(&mut self, detection: Detection) -> Result<(), replay::Error> {
        if let Some(expected) = &mut self.expected {
            expected.found(&detection)?;
        }
        Ok(self.writer.write(detection)?)
    }

    /// `reader`'s capture was read to its end.
    pub(super) fn end(&mut self, reader: &CaptureReader, outcome: &Outcome, losses: &[LossRecord]) {
        let ending = &mut self.ending;
        ending.add(&outcome.engine);
        ending.unread.extend(outcome.gaps.iter().map(ToString::to_string));
        let capture = reader.path().display();
        ending
            .missing
            .extend(losses.iter().map(|loss| format!("{capture}: lost: {loss}")));
        match opened::shortcoming(reader) {
            Some((Exit::Incomplete, line)) => ending.missing.push(line),
            Some((_, line)) => ending.unread.push(line),
            None => {}
        }
    }

    /// Ends the output of a run that would end with `exit`; what it ends with after the comparison.
    pub(super) fn finish(mut self, exit: Exit) -> Result<(Written, Exit), Failure> {
        let mut exit = exit;
        if exit == Exit::Interrupted {
            let text = "the run was interrupted: what follows was not looked at";
            self.ending.unread.push(text.to_owned());
        }
        // What was interrupted did not find everything: there is nothing to compare.
        if let Some(expected) = self.expected.filter(|_| exit != Exit::Interrupted) {
            let comparison = expected.finish().map_err(failure)?;
            #[expect(clippy::print_stderr, reason = "the comparison is for people")]
            {
                eprint!("{comparison}");
            }
            if !comparison.is_equal() {
                exit = exit.or(Exit::Findings);
            }
        }
        self.ending.exit_code = Some(exit as u8);
        Ok((self.writer.finish_with(&self.ending)?, exit))
    }
}

/// The failure that an error of the comparison means.
pub(super) fn failure(error: ExpectError) -> Failure {
    match error {
        ExpectError::Written(_) => Failure::environment(error),
        error => Failure::bad_input(error),
    }
}
