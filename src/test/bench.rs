//! How `test` opens captures and chooses detectors: as `replay` does.

use std::path::{Path, PathBuf};

use capture::CaptureReader;
use detectors_stores::Input;
use fixtures::fixture::Fixture;
use fixtures::golden::{Bench, Lineup, Problem};

use crate::detectors::{self, Adjustments, Note, Offer};
use crate::exit::{Exit, Failure};
use crate::opened;

/// Takes captures in all forms, and detectors of this program, of the fixture and of files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommandBench<'a> {
    /// Files and directories of detectors that all fixtures can choose from.
    pub(crate) paths: &'a [PathBuf],
}

impl Bench for CommandBench<'_> {
    fn open(&self, capture: &Path) -> Result<CaptureReader, Problem> {
        opened::open(capture).map_err(|failure| problem(&failure))
    }

    fn lineup(
        &self,
        fixture: &Fixture,
        reader: &CaptureReader,
        brought: &[Input],
    ) -> Result<Lineup, Problem> {
        let (about, base) = (fixture.about(), fixture.directory());
        let words = about.detectors.iter();
        let words: Vec<_> = words.map(|word| detectors::rebased(word, base)).collect();
        let config = about.config.as_ref().map(|config| base.join(config));
        let adjustments = Adjustments::new(self.paths.to_vec(), config);
        let offer = Offer::of(reader, 0, brought).map_err(|failure| problem(&failure))?;
        let (mut broken, mut notes) = (Vec::new(), Vec::new());
        let chosen = detectors::assemble(&words, &adjustments, offer, &mut |note| match note {
            Note::File(error) => broken.push(error.to_string()),
            // Whether they were expected is told in another place.
            Note::Refused(_) => {}
            note => notes.push(note.to_string()),
        });
        let mut chosen = chosen.map_err(|failure| match broken.is_empty() {
            true => problem(&failure),
            false => Problem::Input(broken.join("\n")),
        })?;
        notes.append(&mut broken);
        let unmet = chosen.engine.unmet(&detectors::recorded_events(reader));
        notes.extend(detectors::about_unmet(&unmet));
        Ok(Lineup {
            engine: chosen.engine,
            hidden: chosen.helpers,
            notes,
        })
    }
}

/// What makes no sense in a fixture is the fixture's fault, not that of the command line.
fn problem(failure: &Failure) -> Problem {
    match failure.exit() {
        Exit::Environment => Problem::Environment(failure.to_string()),
        _ => Problem::Input(failure.to_string()),
    }
}
