//! What recording costs a busy machine, and what is lost, next to other tracers on the same work in the same run.
//!
//! `cargo bench -p capture --bench load -- [--seconds N] [--ring BYTES] [--rounds N]`: a worker on each CPU opens files and forks as
//! fast as it can for N seconds (10 by default), alone and under each tracer in turn. It needs root and BTF; tracers that are not
//! installed, or that do not work on this kernel, are left out, and said to be.
//!
//! A run of tracee-cap fails the benchmark if the events that the kernel had are not those that were written and those that were lost,
//! if the rows that tell of losses do not add up to these, or if the recorder's memory went beyond its bound, which does not depend on
//! the length of the run.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod peers;
mod recorded;
mod work;

use std::error::Error;
use std::time::Duration;

use peers::{PEERS, Peer};
use work::Done;

/// What the command line asks for.
#[derive(Clone, Copy, Debug)]
struct Options {
    time: Duration,
    ring: u32,
    rounds: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        [work::CHILD, seconds] => work::run(Duration::from_secs(seconds.parse()?)),
        [recorded::CHILD, seconds, ring, events] => recorded::run(seconds.parse()?, ring.parse()?, events),
        _ => compare(options(&words)?),
    }
}

fn options(words: &[&str]) -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        time: Duration::from_secs(10),
        ring: 16 << 20,
        rounds: 3,
    };
    for pair in words.chunks(2) {
        match *pair {
            ["--seconds", value] => options.time = Duration::from_secs(value.parse()?),
            ["--ring", value] => options.ring = value.parse()?,
            ["--rounds", value] => options.rounds = value.parse()?,
            _ => return Err(format!("{pair:?}: give --seconds N, --ring BYTES or --rounds N").into()),
        }
    }
    Ok(options)
}

/// The runs of one setting.
#[derive(Debug, Default)]
struct Runs {
    /// Operations of the work a second.
    rates: Vec<f64>,
}

impl Runs {
    fn median(&mut self) -> f64 {
        self.rates.sort_by(f64::total_cmp);
        self.rates.get(self.rates.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

fn compare(options: Options) -> Result<(), Box<dyn Error>> {
    let mut alone = Runs::default();
    let mut peers: Vec<(&Peer, Runs)> = Vec::new();
    for peer in PEERS {
        match peer.works() {
            Ok(()) => peers.push((peer, Runs::default())),
            Err(reason) => println!("left out: {}: {reason}", peer.name),
        }
    }
    let mut recorded: Vec<(&str, Vec<recorded::Figures>)> = recorded::SELECTIONS
        .iter()
        .map(|(name, _)| (*name, Vec::new()))
        .collect();
    for _ in 0..options.rounds {
        alone.rates.push(work::start(options.time)?.rate());
        for ((_, events), (_, runs)) in recorded::SELECTIONS.iter().zip(&mut recorded) {
            runs.push(recorded::start(options.time, options.ring, events)?);
        }
        for (peer, runs) in &mut peers {
            runs.rates.push(peer.run(options.time)?.rate());
        }
    }
    let alone = alone.median();
    println!(
        "\n{} s a run, {} rounds, medians; an operation is an open and close, one in {} of them a fork, exit and wait instead\n",
        options.time.as_secs(),
        options.rounds,
        work::OPENS_PER_FORK + 1
    );
    println!(
        "A recorder may have {} MiB of memory.\n",
        recorded::memory_bound(options.ring) >> 20
    );
    println!(
        "| what | operations/s | slowdown | events/s | lost | ns/event in the kernel | recorder's CPU | its memory |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    println!("| alone | {alone:.0} | 1.00 | | | | | |");
    for (name, runs) in &mut recorded {
        runs.sort_by(|one, other| one.done.rate().total_cmp(&other.done.rate()));
        if let Some(run) = runs.get(runs.len() / 2) {
            println!("| tracee-cap record, {name} | {}", run.row(alone));
        }
    }
    for (peer, runs) in &mut peers {
        let rate = runs.median();
        println!("| {} | {rate:.0} | {:.2} | | | | | |", peer.name, alone / rate);
    }
    Ok(())
}

/// How much was done in a time.
fn per_second(done: Done) -> f64 {
    done.operations as f64 / done.time.as_secs_f64()
}
