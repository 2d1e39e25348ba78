//! What `tracee-cap record` is told.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use capture::live::{HashMode, Recording};
use capture::{JournalPolicy, WriterOptions};
use clap::ValueEnum;
use tracee::Address;

use super::selection::Selection;
use super::sieve::Sieve;
use crate::detectors::{Adjustments, Form};
use crate::enrichment::EnrichmentArgs;
use crate::exit::Failure;
use crate::stores::StoreFiles;

/// Heading of the options that only make sense for events of this machine.
const MACHINE: &str = "Events of this machine";

/// Record this machine, one command, or what another program sees, into a capture.
///
/// What eBPF programs see of processes, files and sockets goes into a capture that replay, sql and analyze read. The capture can be
/// read while it is being recorded, and what has been acknowledged survives a crash.
///
/// Process creation, execution and exit are always recorded, and so are control groups that are made, removed and entered: the
/// process tree and the containers are made of them. Container runtimes are asked for names and images of containers. What this kernel lets
/// the recorder see, and what not, is shown by `tracee-cap doctor` and kept in the capture.
///
/// With `-`, events come from standard input instead, as `import` reads them, and with `--from-tracee` from a running Tracee. They
/// keep the order in which they come, and the end of the stream ends the recording.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  tracee-cap record -w incident.tcap                       until Ctrl-C
  tracee-cap record -w minute.tcap --duration 1m
  tracee-cap record -w exploit.tcap -- ./exploit.sh        a command and its descendants
  tracee-cap record -w opens.tcap --events security_file_open --max-size 1GiB
  tracee-cap record -w net.tcap --events @net,-net_packet_ipv4
  tracee-cap record -w web.tcap --scope comm=nginx --data 'security_file_open.pathname=/etc/*'
  tracee-cap record -w found.tcap --detectors builtin      what these detectors need, and what they find
  tracee-cap record --fixture tests/shell -- ./exploit.sh  a test of the detectors that find something
  tracee --output json | tracee-cap record - -w now.tcap   what another program sees
  tracee-cap record --from-tracee localhost:4466 -w now.tcap

The exit code is tracee-cap's own; how the command ended is said on stderr. It is 3 if what came from another program broke off
or, without --skip-bad, if some of it could not be read; the rest is in the capture.")]
pub(crate) struct Args {
    /// `-`: record the events that standard input brings, as NDJSON in either encoding, instead of those of this machine.
    #[arg(value_name = "-", value_parser = ["-"], hide_possible_values = true, group = "foreign")]
    stdin: Option<String>,

    /// Record the events of a running Tracee, over its gRPC API, instead of those of this machine: `unix:/path/to.sock` or
    /// `host:port`.
    #[arg(long, value_name = "ADDRESS", group = "foreign")]
    from_tracee: Option<Address>,

    /// Where to make the capture.
    #[arg(short, long, value_name = "FILE.tcap", required_unless_present = "fixture")]
    pub(super) write: Option<PathBuf>,

    /// Make a fixture, a test for `tracee-cap test`, of what the command does: with the detectors of --detectors, or else those of
    /// this program that find something, which from then on have to find exactly that. The kernel's symbols are left out, unless a
    /// detector of --detectors asks for them.
    #[arg(
        long,
        value_name = "DIR",
        requires = "command",
        conflicts_with_all = ["write", "list_refused", "paths", "disable", "skip_broken"]
    )]
    pub(super) fixture: Option<PathBuf>,

    /// What happens in the fixture, for people.
    #[arg(long, value_name = "TEXT", default_value = "", requires = "fixture")]
    pub(super) description: String,

    /// Replace a capture, or a fixture, that is there already.
    #[arg(long)]
    pub(super) force: bool,

    /// Stop after this time: `10s`, `5m`, `1h30m`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,

    /// Stop when the capture has about this size: `500MiB`, `2GiB`.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_size: Option<u64>,

    #[command(flatten)]
    pub(super) selection: Selection,

    /// Run detectors while recording; what they find is printed and kept in the capture. Words separated by commas, as `replay
    /// --help` tells them; may be repeated.
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    pub(super) detectors: Vec<String>,

    #[command(flatten)]
    pub(super) adjustments: Adjustments,

    /// Form in which detections are printed; a table on a terminal and NDJSON otherwise, unless told.
    #[arg(short, long, value_name = "FORM", requires = "detectors")]
    output: Option<DetectionForm>,

    /// How often events are acknowledged: written so that they survive the death of the recorder.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    flush_interval: Duration,

    /// Acknowledge only what the disk has, so that it survives the death of the machine, too.
    #[arg(long)]
    fsync: bool,

    /// Let stores forget what ended this long ago (exited processes, removed containers, expired DNS answers): bounds the
    /// memory of a long recording. Replay follows the same rule. Nothing is forgotten unless told.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    stores_retention: Option<Duration>,

    #[command(flatten)]
    stores: StoreFiles,

    /// How progress is shown on stderr.
    #[arg(long, value_enum, default_value_t = ProgressForm::Auto)]
    pub(super) progress: ProgressForm,

    #[command(flatten)]
    pub(super) foreign: ForeignArgs,

    #[command(flatten)]
    pub(super) machine: MachineArgs,

    #[command(flatten, next_help_heading = MACHINE)]
    pub(super) sieve: Sieve,

    #[command(flatten, next_help_heading = MACHINE)]
    pub(super) enrichment: EnrichmentArgs,
}

/// What only makes sense for events of another program.
#[derive(Debug, clap::Args)]
#[group(requires = "foreign")]
#[command(next_help_heading = "Events of another program")]
pub(super) struct ForeignArgs {
    /// Leave out records that cannot be read, and call it a success. They are counted in the capture either way.
    #[arg(long)]
    pub(super) skip_bad: bool,

    /// Architecture of the machine that the events are from, such as x86_64 or arm64: what the numbers of system calls mean.
    #[arg(long, value_name = "ARCH", value_parser = crate::import::architecture)]
    pub(super) architecture: Option<String>,
}

/// What only makes sense for events of this machine, besides [`EnrichmentArgs`] and [`Sieve`]: a group of arguments cannot hold another.
#[derive(Debug, clap::Args)]
#[group(conflicts_with_all = ["stdin", "from_tracee"])]
#[command(next_help_heading = MACHINE)]
pub(super) struct MachineArgs {
    /// Record the environment of executed programs. It often holds secrets.
    #[arg(long)]
    pub(super) env: bool,

    /// Record where in its program a task was: with every event of a task up to 20 addresses of its stack, the innermost first. Callers
    /// are known where programs keep frame pointers.
    #[arg(long)]
    pub(super) stack_addresses: bool,

    /// Record the SHA-256 of executed files and mapped libraries, as a field `sha256` of the events that tell of them. What tells
    /// files apart besides inode number and time of last change: nothing (`inode`), the device (`dev-inode`), or the image of the
    /// container (`digest-inode`).
    #[arg(long, value_name = "MODE", value_parser = hash_mode)]
    pub(super) exec_hash: Option<HashMode>,

    /// Size of the buffer between the kernel and the recorder: what does not fit into it is lost, and counted.
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = bytes)]
    pub(super) ring_size: u64,

    /// How long an event may wait in that buffer.
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = duration)]
    pub(super) latency: Duration,

    /// Leave out the kernel's symbols, about 1 MB a capture: addresses then have no names.
    #[arg(long)]
    pub(super) no_symbols: bool,

    /// Keep all capabilities while recording. Otherwise those that are only needed to begin are given up; a recorded command always
    /// has all of them.
    #[arg(long)]
    pub(super) keep_capabilities: bool,

    /// A command to record with its descendants; its end ends the recording.
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

/// Where the events of another program come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Foreign<'a> {
    /// NDJSON on standard input.
    Stdin,
    /// The gRPC API of a running Tracee.
    Tracee(&'a Address),
}

impl Args {
    /// Where the events of another program come from; `None` if they are those of this machine.
    pub(super) fn foreign(&self) -> Option<Foreign<'_>> {
        match &self.from_tracee {
            Some(address) => Some(Foreign::Tracee(address)),
            None => self.stdin.as_ref().map(|_| Foreign::Stdin),
        }
    }

    /// What is asked of the recording that is made at `path`, wherever its events come from.
    pub(super) fn recording(&self, path: &Path) -> Result<Recording, Failure> {
        Ok(Recording {
            writer: WriterOptions {
                journal: if self.fsync {
                    JournalPolicy::Sync
                } else {
                    JournalPolicy::NoSync
                },
                overwrite: self.force,
                ..WriterOptions::default()
            },
            flush_interval: self.flush_interval,
            duration: self.duration,
            max_bytes: self.max_size,
            inputs: self.stores.load()?,
            stores_retention: self.stores_retention,
            argv: std::env::args_os()
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect(),
            ..Recording::new(path)
        })
    }

    /// The form in which detections are printed.
    pub(super) fn form(&self) -> DetectionForm {
        self.output.unwrap_or(if io::stdout().is_terminal() {
            DetectionForm::Table
        } else {
            DetectionForm::Ndjson
        })
    }
}

/// How detections are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DetectionForm {
    /// For people: a table whenever something was found.
    Table,
    /// One detection a line, the same lines that replay prints.
    Ndjson,
}

impl DetectionForm {
    /// The form of a list of anything but detections.
    pub(super) fn list(self) -> Form {
        match self {
            Self::Table => Form::Table,
            Self::Ndjson => Form::Ndjson,
        }
    }
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressForm {
    /// A line that changes, on a terminal; nothing otherwise.
    Auto,
    /// A JSON object a line, for every time that events are acknowledged.
    Ndjson,
    /// Nothing.
    None,
}

fn hash_mode(name: &str) -> Result<HashMode, String> {
    let mode = HashMode::ALL.into_iter().find(|mode| mode.name() == name);
    mode.ok_or_else(|| format!("there are {}", HashMode::ALL.map(HashMode::name).join(", ")))
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "give a number and a unit, such as 500ms, 10s, 5m or 1h30m".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "a time cannot be negative".to_owned())
}

fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.len()
        - text
            .trim_start_matches(|character: char| character.is_ascii_digit())
            .len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        _ => return Err(format!("unknown unit `{unit}`: use KiB, MiB, GiB or TiB")),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "give a size such as 64MiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_of_hashes() {
        assert_eq!(hash_mode("dev-inode"), Ok(HashMode::DevInode));
        assert_eq!(
            hash_mode("sha1"),
            Err("there are inode, dev-inode, digest-inode".to_owned())
        );
    }

    #[test]
    fn sizes_and_times() {
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("2G"), Ok(2 << 30));
        assert!(bytes("MiB").is_err() && bytes("1MB2").is_err() && bytes("99999999999999999999").is_err());
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("soon").is_err() && duration("-1s").is_err());
    }
}
