//! `tracee-cap detectors list`.

use super::command::{self, Form};
use super::describe::{describe, severity};
use super::known::{self, Known};
use super::{WORDS, choice};
use crate::exit::{Exit, Failure};
use crate::output::{Destination, write_table};

/// List detectors, one per line
#[derive(Debug, clap::Args)]
#[command(after_long_help = after_help())]
pub(crate) struct Args {
    /// Words that choose detectors; all of this program if none is given
    #[arg(value_name = "WORD", value_delimiter = ',')]
    words: Vec<String>,
    /// Form of the output; a table on a terminal and NDJSON otherwise, unless told
    #[arg(short, long, value_name = "FORM")]
    output: Option<Form>,
    #[command(flatten)]
    destination: Destination,
}

fn after_help() -> String {
    format!(
        "{WORDS}

Examples:
  tracee-cap detectors list
  tracee-cap detectors list 'severity>=high' ./rules
  tracee-cap detectors list -o ndjson | jq -r '.inputs[].event' | sort | uniq -c"
    )
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let words = if args.words.is_empty() {
        vec!["all".to_owned()]
    } else {
        args.words.clone()
    };
    let loaded = known::load(&words, [])?;
    loaded.report();
    let known = &loaded.known;
    let listed: Vec<_> = known
        .iter()
        .zip(choice::named(known, &words, "detectors list")?)
        .filter_map(|(known, listed)| listed.then_some(known))
        .collect();
    let form = Form::or_default(args.output, &args.destination);
    let values = listed.iter().map(|listed| describe(listed, known));
    command::write(form, args.destination.open()?, values, |out| {
        let titles = [
            "ID",
            "EVENT",
            "SEVERITY",
            "TACTIC",
            "TECHNIQUE",
            "REACH",
            "SOURCE",
            "INPUTS",
        ];
        write_table(out, "", titles, listed.iter().map(|known| row(known)))
    })?;
    Ok(loaded.exit())
}

fn row(known: &Known) -> [String; 8] {
    let definition = &known.definition;
    let threat = definition.threat.as_ref();
    let mut inputs: Vec<_> = choice::inputs(definition).collect();
    inputs.dedup();
    let techniques = threat.map(|threat| threat.techniques.iter().map(|(id, _)| id.as_str()));
    let cells = [
        definition.id.clone(),
        definition.event.name.clone(),
        threat.map(severity).unwrap_or_default(),
        threat.map(|threat| threat.tactics.join(", ")).unwrap_or_default(),
        techniques
            .map(|ids| ids.collect::<Vec<_>>().join(", "))
            .unwrap_or_default(),
        known.reach().to_owned(),
        known.origin.to_string(),
        inputs.join(" "),
    ];
    cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell })
}
