//! `tracee-cap import`.

use std::path::{Path, PathBuf};

use capture::{
    CaptureReader, CaptureWriter, Header, Host, Import, ImportError, Input, InputFormat, JournalPolicy,
    Manifest, Temporary, Unreadable, WriterOptions,
};
use indicatif::{HumanBytes, ProgressBar};

use detectors_stores::syscall::SyscallStore;

use crate::exit::{Exit, Failure};
use crate::opened::{failure, warn};
use crate::progress;
use crate::signals;
use crate::stores::StoreFiles;

/// Records that cannot be read are described on stderr up to this number; all are counted.
const SHOWN: u64 = 20;

/// Import recorded events into a capture.
///
/// Reads events as NDJSON (the v1beta1 and the older encoding, also mixed; logger lines in between are skipped and counted)
/// or as length-delimited protobuf, plain or compressed with gzip or zstd. What an input is, is found out from its content.
/// Several inputs are read one after the other, and events keep their order.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Files to read, in this order; `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    inputs: Vec<String>,

    /// The capture to make: a directory.
    #[arg(short, long, value_name = "CAPTURE")]
    write: PathBuf,

    /// Replace the capture if it exists.
    #[arg(long)]
    force: bool,

    /// Encoding of the inputs.
    #[arg(long, value_enum, default_value = "auto")]
    format: Format,

    /// Leave out records that cannot be read, and call it a success. They are counted in the capture either way.
    #[arg(long)]
    skip_bad: bool,

    #[command(flatten)]
    stores: StoreFiles,

    /// Architecture of the machine that the events are from, such as x86_64 or arm64: what the numbers of system calls mean.
    #[arg(long, value_name = "ARCH", value_parser = architecture)]
    architecture: Option<String>,

    /// Compression, from 1 (fast) to 22 (small).
    #[arg(long, value_name = "LEVEL", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=22))]
    compression: i32,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap import events.ndjson.gz -w incident.tcap
  tracee --output json | tracee-cap import - -w now.tcap
  tracee-cap import --skip-bad day1.json day2.json.zst -w both.tcap

With records that cannot be read, and without --skip-bad, the exit code is 3; what could be read is in the capture.";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// By content.
    Auto,
    /// One JSON object a line.
    Ndjson,
    /// Length-delimited messages.
    Protobuf,
}

impl From<Format> for InputFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Auto => Self::Auto,
            Format::Ndjson => Self::Ndjson,
            Format::Protobuf => Self::Protobuf,
        }
    }
}

/// For clap: an architecture whose system calls are known.
pub(crate) fn architecture(name: &str) -> Result<String, String> {
    if SyscallStore::for_architecture(name).is_known() {
        Ok(name.to_owned())
    } else {
        Err("known are x86_64 (amd64) and aarch64 (arm64)".to_owned())
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    // All inputs are opened before anything is made or replaced.
    let imports = args
        .inputs
        .iter()
        .map(|name| Import::open(&Input::from(name.as_str()), args.format.into()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(import_failure)?;
    let stores = args.stores.load()?;
    let header = Header {
        argv: std::env::args().collect(),
        host: Host {
            architecture: args.architecture.clone().unwrap_or_default(),
            ..Host::default()
        },
        ..Header::default()
    };
    let options = WriterOptions {
        compression: args.compression,
        overwrite: args.force,
        ..options()
    };
    let mut writer = CaptureWriter::create(&args.write, header, options).map_err(failure)?;
    for input in stores {
        writer.add_input(input).map_err(failure)?;
    }
    let imported = import(imports, writer)?;
    warn(&format!(
        "{}: {} events of {} types, {} from {}{}",
        args.write.display(),
        imported.manifest.totals.written,
        imported.manifest.events.len(),
        HumanBytes(imported.manifest.bytes()),
        HumanBytes(imported.bytes),
        imported.skipped(),
    ));
    left_out(imported.manifest.unreadable(), args.skip_bad)
}

/// What comes of records that could not be read, once all the others are in the capture.
pub(crate) fn left_out(bad: u64, skip_bad: bool) -> Result<Exit, Failure> {
    match bad {
        0 => Ok(Exit::Ok),
        bad if skip_bad => {
            warn(&format!("{bad} records could not be read and are left out"));
            Ok(Exit::Ok)
        }
        bad => Err(Failure::bad_input(anyhow::anyhow!(
            "{bad} records could not be read and are left out of the capture; --skip-bad makes that a success"
        ))),
    }
}

/// Tells about records that cannot be read: about the first of them one by one.
#[derive(Debug, Default)]
pub(crate) struct BadRecords(u64);

impl BadRecords {
    /// Describes one more on stderr, unless there have been many.
    pub(crate) fn tell(&mut self, record: &Unreadable, bar: &ProgressBar) {
        self.0 += 1;
        if self.0 <= SHOWN {
            bar.suspend(|| warn(&record.to_string()));
        }
    }

    /// Says how many were not described.
    pub(crate) fn finish(&self) {
        if self.0 > SHOWN {
            warn(&format!(
                "… and {} more records that could not be read",
                self.0 - SHOWN
            ));
        }
    }
}

/// Imports a file of events, or standard input, into a capture that is removed with its last reader. Apart from its id it is
/// the one that `import` makes when told no more than the name of the input.
pub(crate) fn for_this_run(path: &Path) -> Result<CaptureReader, Failure> {
    let name = path.display().to_string();
    let input = match name.as_str() {
        "-" => Input::Stdin,
        _ => Input::File(path.to_owned()),
    };
    let events = Import::open(&input, InputFormat::Auto).map_err(import_failure)?;
    let place = Temporary::new(path).map_err(failure)?;
    signals::remove_at_end(place.directory())?;
    let header = Header {
        // Nobody will tell this capture from others, and equal runs give equal records.
        capture_id: "0".repeat(32),
        argv: std::env::args().collect(),
        ..Header::default()
    };
    let writer = CaptureWriter::create(place.path(), header, options()).map_err(failure)?;
    let imported = import(vec![events], writer)?;
    let (written, bad) = (imported.manifest.totals.written, imported.manifest.unreadable());
    if written == 0 && bad > 0 {
        return Err(Failure::bad_input(anyhow::anyhow!(
            "{name} is neither a capture nor a file of events: not one of its {bad} records can be read"
        )));
    }
    warn(&format!(
        "{name}: {written} events imported for this run{}",
        imported.skipped()
    ));
    CaptureReader::open_temporary(place).map_err(failure)
}

fn options() -> WriterOptions {
    WriterOptions {
        // The inputs are still there if this process dies.
        journal: JournalPolicy::Off,
        ..WriterOptions::default()
    }
}

/// What came of an import.
struct Imported {
    manifest: Manifest,
    /// Lines that a logger wrote.
    logs: u64,
    /// Bytes of the inputs.
    bytes: u64,
}

impl Imported {
    /// What is worth saying about logger lines.
    fn skipped(&self) -> String {
        match self.logs {
            0 => String::new(),
            logs => format!(", {logs} logger lines skipped"),
        }
    }
}

/// Reads all inputs to their ends. Records that cannot be read are described on stderr.
fn import(imports: Vec<Import>, mut writer: CaptureWriter) -> Result<Imported, Failure> {
    let total = imports.iter().map(Import::size).sum::<Option<u64>>();
    let bar = progress::bar(total, "import");
    let (mut bad, mut logs, mut bytes) = (BadRecords::default(), 0, 0);
    for import in imports {
        let imported = import
            .run(&mut writer, &mut |record| bad.tell(&record, &bar), &|read| {
                bar.set_position(bytes + read);
            })
            .map_err(import_failure)?;
        bytes += imported.bytes;
        logs += imported.log_lines;
        bar.set_message(format!("{} events", writer.next_seq()));
    }
    let manifest = writer.finish().map_err(failure)?;
    bar.finish_and_clear();
    bad.finish();
    Ok(Imported {
        manifest,
        logs,
        bytes,
    })
}

fn import_failure(error: ImportError) -> Failure {
    match error {
        ImportError::Capture(error) => failure(error),
        error @ ImportError::Input { .. } => Failure::bad_input(error),
    }
}
