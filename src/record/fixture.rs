//! Recording a command as a fixture.

use std::path::Path;

use capture::CaptureReader;
use capture::live::Stop;
use fixtures::fixture::{Draft, Form, How, Made};

use super::args::Args;
use super::{Place, machine};
use crate::exit::{Exit, Failure};
use crate::fixture::{DetectorArgs, failure, finish, made, told};
use crate::opened;

/// Records the command, and makes the fixture in `directory` of it.
pub(super) fn run(args: &Args, directory: &Path, stop: &mut dyn Stop) -> Result<Exit, Failure> {
    // Signals end the recording, not this process, so that nothing stays of the draft.
    let draft = Draft::new(directory, args.force).map_err(failure)?;
    let capture = draft.capture(Form::Directory);
    let place = Place {
        path: &capture,
        name: directory,
        whole: false,
    };
    let exit = machine::run(args, &place, stop)?;
    let reader = CaptureReader::open(&capture).map_err(opened::failure)?;
    let command = args.machine.command.iter();
    let made = Made {
        command: command
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect(),
        ..made(How::Recorded, &reader)
    };
    let detectors = DetectorArgs {
        detectors: args.detectors.clone(),
        config: args.adjustments.config.clone(),
        // The recording has them.
        stores: Vec::new(),
    };
    let observation = finish(draft, directory, &args.description, made, &detectors)?;
    opened::warn(&told(directory, &observation));
    Ok(exit)
}
