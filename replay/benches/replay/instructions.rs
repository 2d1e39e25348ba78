//! How many instructions replay takes for an event, which does not depend on what else the machine does.
//!
//! All built-in detectors run over a capture, on one thread, under `valgrind --tool=callgrind`: once in a first process, twice in a
//! second one. The difference is one replay, without what a process does only once, and with all its threads. Valgrind counts
//! instructions of the program, not of the kernel, on a machine of its own: 1 % less here is seldom exactly 1 % less time.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Failure;
use crate::figures::grouped;
use crate::recording::Recording;
use crate::run::{Job, child_arguments};
use crate::sets::Set;

/// Functions that are listed.
const LISTED: usize = 25;

/// Counts the instructions of a replay of `events` events, and prints them.
pub(crate) fn count(data: &Path, events: usize) -> Result<(), Failure> {
    let valgrind = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if valgrind.is_err() {
        println!("SKIPPED: valgrind is not installed (apt-get install valgrind)");
        return Ok(());
    }
    let (capture, _) = Recording::new(data, events).capture(true)?;
    let once = Profile::of(1, &capture, data)?;
    let twice = Profile::of(2, &capture, data)?;
    let replay = twice.without(&once);
    let total = replay.total();
    let per_event = |instructions: u64| instructions as f64 / events as f64;
    println!(
        "33 built-in detectors, {} events, 1 thread: {:.1} instructions/event\n",
        grouped(events as f64),
        per_event(total)
    );
    println!("| instructions/event | share | function, without what it calls |");
    println!("|---|---|---|");
    for (function, instructions) in replay.largest().into_iter().take(LISTED) {
        let share = 100.0 * instructions as f64 / total as f64;
        println!("| {:.1} | {share:.1} % | `{function}` |", per_event(instructions));
    }
    Ok(())
}

/// Instructions by function.
struct Profile(HashMap<String, u64>);

impl Profile {
    /// Of a process that replays `capture` some times.
    fn of(times: usize, capture: &Path, data: &Path) -> Result<Self, Failure> {
        let out = data.join(format!("callgrind-{}-{times}.out", std::process::id()));
        let status = Command::new("valgrind")
            .args(["--tool=callgrind", "--dump-line=no", "--error-exitcode=9"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(std::env::current_exe()?)
            .args(child_arguments(Job::Replay(Set::BuiltIn), 1, times))
            .arg(capture)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(format!("valgrind: {status}").into());
        }
        let profile = Self::parse(&fs::read_to_string(&out)?);
        fs::remove_file(out)?;
        profile.ok_or_else(|| "callgrind wrote a profile that is not understood".into())
    }

    /// Reads callgrind's format: `fn=(ID) NAME` begins the costs of a function, NAME only the first time. Each line of costs is a
    /// position and a number; after a line `calls=` it is the cost of what was called, which belongs to others.
    fn parse(profile: &str) -> Option<Self> {
        let mut names: HashMap<&str, &str> = HashMap::new();
        let mut costs: HashMap<String, u64> = HashMap::new();
        let (mut function, mut called) = (None, false);
        for line in profile.lines() {
            if let Some(id) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
                let (id, name) = id.split_once(' ').unwrap_or((id, ""));
                if !name.is_empty() {
                    names.insert(id, name);
                }
                if line.starts_with("fn=") {
                    function = Some((*names.get(id)?).to_owned());
                }
            } else if line.starts_with("calls=") {
                called = true;
            } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
                && !std::mem::take(&mut called)
            {
                let cost: u64 = line.rsplit(' ').next()?.parse().ok()?;
                *costs.entry(function.clone()?).or_default() += cost;
            }
        }
        (!costs.is_empty()).then_some(Self(costs))
    }

    /// What is more here than in `other`. What is less, by some addresses that fell otherwise, is nothing.
    fn without(mut self, other: &Self) -> Self {
        for (function, instructions) in &mut self.0 {
            *instructions = instructions.saturating_sub(other.0.get(function).copied().unwrap_or_default());
        }
        self
    }

    fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Functions, those with the most instructions first.
    fn largest(self) -> Vec<(String, u64)> {
        let mut functions: Vec<_> = self.0.into_iter().collect();
        functions.sort_by(|(one, more), (other, less)| less.cmp(more).then_with(|| one.cmp(other)));
        functions
    }
}
