//! Recording a command as a fixture.

use std::path::Path;

use capture::CaptureReader;
use capture::live::Stop;
use fixtures::fixture::{Draft, How, Made};

use super::args::Args;
use super::{Place, machine};
use crate::exit::{Exit, Failure};
use crate::fixture::{DetectorArgs, failure, finish, keep, made, told};
use crate::opened;

/// Records the command, and makes the fixture in `directory` of it.
pub(super) fn run(args: &Args, directory: &Path, stop: &mut dyn Stop) -> Result<Exit, Failure> {
    // Signals end the recording, not this process, so that nothing stays of the draft.
    let draft = Draft::new(directory, args.force).map_err(failure)?;
    let recording = draft.directory().join("recording");
    let place = Place {
        path: &recording,
        name: directory,
        whole: false,
    };
    let exit = machine::run(args, &place, stop)?;
    let reader = CaptureReader::open(&recording).map_err(opened::failure)?;
    keep(&reader, &draft)?;
    std::fs::remove_dir_all(&recording)?;
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
