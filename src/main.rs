//! `tracee-cap`: record what happens on a Linux machine, replay detectors over it, ask it questions.
//!
//! One file per subcommand; the work is done by the library crates. stdout is data, stderr is everything else.

mod args;
mod detectors;
mod enrichment;
mod exit;
mod moment;
mod opened;
mod output;
mod progress;
mod signals;
mod spelling;

mod doctor;
mod event_words;
mod events;
mod export;
mod fixture;
mod import;
mod info;
mod making;
mod merge;
mod pack;
mod record;
mod replay;
mod slice;
mod sql;
mod stores;
mod test;
mod unpack;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

/// Measured: see docs/benchmarks.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("TRACEE_CAP_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .without_time()
        .with_target(false)
        .init();
    if matches!(cli.command, Command::Replay(_)) {
        do_without_huge_pages();
    }
    let result = match cli.command {
        Command::Record(args) => record::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Slice(args) => slice::run(&args),
        Command::Sql(args) => sql::run(&args),
        Command::Fixture(args) => fixture::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Detectors(args) => detectors::run(&args),
        Command::Events(args) => events::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Pack(args) => pack::run(&args),
        Command::Unpack(args) => unpack::run(&args),
        Command::Doctor(args) => doctor::run(&args),
    };
    exit::report(result)
}

/// Measured: with huge pages, replay takes a fifth more memory and is no faster, see docs/benchmarks.md. Where the kernel does not know
/// this, nothing is lost.
fn do_without_huge_pages() {
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::debug!("huge pages stay enabled: {error}");
    }
}
