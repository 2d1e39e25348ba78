//! `tracee-cap verify`.

use std::io::{self, Write};
use std::path::PathBuf;

use capture::Verification;
use indicatif::HumanBytes;

use crate::exit::{Exit, Failure};
use crate::opened;
use crate::progress;

/// Check that a capture is what was recorded.
///
/// Reads everything: digests of all files and the hash chain over them, every row, counts, ranges and losses against the
/// manifest, and that there are no files besides. To see later that nobody changed the capture, keep its digest elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The capture.
    capture: PathBuf,

    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap verify incident.tcap
  tracee-cap verify incident.tcap -o json | jq -r .digest

Exit codes: 0 intact, 3 something was changed, 5 intact as far as it goes but incomplete.";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let reader = opened::open(&args.capture)?;
    let bar = progress::bar(Some(reader.manifest().bytes()), "verify");
    let verification = reader.verify(&|bytes| bar.inc(bytes));
    bar.finish_and_clear();

    let mut out = io::stdout().lock();
    match args.output {
        Output::Text => write_text(&mut out, args, &verification)?,
        Output::Json => writeln!(out, "{}", json(args, &reader, &verification))?,
    }
    match verification.faults.len() {
        0 => Ok(opened::end(&reader)),
        count => Err(Failure::bad_input(anyhow::anyhow!(
            "{} is not what was recorded: {count} {}",
            args.capture.display(),
            if count == 1 { "fault" } else { "faults" }
        ))),
    }
}

fn write_text(out: &mut impl Write, args: &Args, verification: &Verification) -> io::Result<()> {
    for fault in &verification.faults {
        writeln!(out, "{}: {}", fault.path, fault.reason)?;
    }
    if verification.faults.is_empty() {
        writeln!(
            out,
            "{}: intact: {} events in {} files, {}",
            args.capture.display(),
            verification.events,
            verification.parts,
            HumanBytes(verification.bytes)
        )?;
        writeln!(out, "digest {}", verification.digest)?;
    }
    Ok(())
}

fn json(args: &Args, reader: &capture::CaptureReader, verification: &Verification) -> serde_json::Value {
    let faults: Vec<_> = verification
        .faults
        .iter()
        .map(|fault| serde_json::json!({"path": fault.path, "reason": fault.reason}))
        .collect();
    serde_json::json!({
        "capture": args.capture.display().to_string(),
        "intact": faults.is_empty(),
        "state": reader.state().as_str(),
        "events": verification.events,
        "files": verification.parts,
        "bytes": verification.bytes,
        "digest": verification.digest,
        "faults": faults,
    })
}
