//! `tracee-cap import`.

use std::path::PathBuf;

use capture::{
    CaptureWriter, Header, Host, Import, ImportError, Input, InputFormat, JournalPolicy, WriterOptions,
};
use indicatif::HumanBytes;

use detectors_stores::syscall::SyscallStore;

use crate::exit::{Exit, Failure};
use crate::opened::{failure, warn};
use crate::progress;
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

fn architecture(name: &str) -> Result<String, String> {
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
        // The inputs are still there if this process dies.
        journal: JournalPolicy::Off,
        compression: args.compression,
        overwrite: args.force,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(&args.write, header, options).map_err(failure)?;
    for input in stores {
        writer.add_input(input).map_err(failure)?;
    }

    let total = imports.iter().map(Import::size).sum::<Option<u64>>();
    let bar = progress::bar(total, "import");
    let (mut bad, mut logs, mut done) = (0_u64, 0, 0);
    for import in imports {
        let mut unreadable = |record: capture::Unreadable| {
            bad += 1;
            if bad <= SHOWN {
                bar.suspend(|| warn(&record.to_string()));
            }
        };
        let imported = import
            .run(&mut writer, &mut unreadable, &|bytes| {
                bar.set_position(done + bytes);
            })
            .map_err(import_failure)?;
        done += imported.bytes;
        logs += imported.log_lines;
        bar.set_message(format!("{} events", writer.next_seq()));
    }
    let manifest = writer.finish().map_err(failure)?;
    bar.finish_and_clear();

    if bad > SHOWN {
        warn(&format!(
            "… and {} more records that could not be read",
            bad - SHOWN
        ));
    }
    let logs = match logs {
        0 => String::new(),
        logs => format!(", {logs} logger lines skipped"),
    };
    let summary = format!(
        "{}: {} events of {} types, {} from {}{logs}",
        args.write.display(),
        manifest.totals.written,
        manifest.events.len(),
        HumanBytes(manifest.bytes()),
        HumanBytes(done),
    );
    warn(&summary);
    match bad {
        0 => Ok(Exit::Ok),
        bad if args.skip_bad => {
            warn(&format!("{bad} records could not be read and are left out"));
            Ok(Exit::Ok)
        }
        bad => Err(Failure::bad_input(anyhow::anyhow!(
            "{bad} records could not be read and are left out of the capture; --skip-bad makes that a success"
        ))),
    }
}

fn import_failure(error: ImportError) -> Failure {
    match error {
        ImportError::Capture(error) => failure(error),
        error @ ImportError::Input { .. } => Failure::bad_input(error),
    }
}
