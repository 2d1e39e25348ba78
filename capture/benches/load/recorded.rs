//! The work under tracee-cap, recorded by a process of its own whose time and memory are told.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::process::Command;
use std::time::Duration;

use capture::CaptureReader;
use capture::live::{Config, NoObserver, Recording, record};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

use super::work::{self, Done};

/// Records the work, in a process of its own.
pub(crate) const CHILD: &str = "--recorder";

/// What is recorded: a name, and the events besides those of processes, or all that are recorded by default.
pub(crate) const SELECTIONS: &[(&str, &str)] = &[
    ("processes alone", "-"),
    ("opened files", "security_file_open"),
    ("the default", ""),
];

/// What a recorder may have in memory besides its ring, bytes: programs and symbols of the kernel, events that wait for a flush or for
/// their place in the order, what goes into Parquet, and stores that keep [`RETENTION`]. The length of the run is no part of it.
const BESIDE_RING: u64 = 256 << 20;
/// How long stores remember what has ended.
const RETENTION: Duration = Duration::from_secs(10);

/// The most memory that a recorder with a ring of this many bytes may have, bytes. The kernel maps the records of a ring twice.
pub(crate) fn memory_bound(ring: u32) -> u64 {
    2 * u64::from(ring) + BESIDE_RING
}

/// What a run told.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// What was done under it.
    pub(crate) done: Done,
    told: Value,
}

impl Figures {
    /// A row of the table, without its beginning.
    pub(crate) fn row(&self, alone: f64) -> String {
        let number = |name: &str| self.told[name].as_f64().unwrap_or(f64::NAN);
        let seconds = self.done.time.as_secs_f64();
        let received = number("received");
        format!(
            "{:.0} | {:.2} | {:.0} | {:.2} % | {:.0} | {:.2} | {:.0} MiB |",
            self.done.rate(),
            alone / self.done.rate(),
            received / seconds,
            100.0 * number("lost") / received.max(1.0),
            number("program_ns") / received.max(1.0),
            number("cpu_s") / seconds,
            number("peak_kib") / 1024.0,
        )
    }
}

/// Has the work recorded.
pub(crate) fn start(time: Duration, ring: u32, events: &str) -> Result<Figures, Box<dyn Error>> {
    let seconds = time.as_secs().to_string();
    let output = Command::new(std::env::current_exe()?)
        .args([CHILD, &seconds, &ring.to_string(), events])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let done = Done::parse(&output)?;
    let text = String::from_utf8(output.stdout)?;
    let told = text
        .lines()
        .find_map(|line| serde_json::from_str(line).ok())
        .ok_or("the recorder told nothing")?;
    Ok(Figures { done, told })
}

/// Records the work and tells what it took.
pub(crate) fn run(seconds: u64, ring: u32, events: &str) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("load.tcap");
    let mut config = Config::new(Recording {
        stores_retention: Some(RETENTION),
        ..Recording::new(&path)
    });
    config.sensor.ring_bytes = ring;
    config.command = work::command(Duration::from_secs(seconds))?
        .into_iter()
        .map(OsString::from)
        .collect();
    match events {
        "" => {}
        "-" => config.sensor.events.clear(),
        events => config.sensor.events = vec![events.to_owned()],
    }
    // The kernel counts the time of programs as long as this is open.
    let statistics = aya::sys::enable_stats(aya::sys::Stats::RunTime)?;
    let summary = record(&config, None, &mut NoObserver, &mut || false)?;
    drop(statistics);

    let totals = summary.manifest.totals;
    if totals.received != totals.written + totals.lost {
        return Err(format!("events do not add up: {totals:?}").into());
    }
    let reader = CaptureReader::open(&path)?;
    let lost: u64 = reader.losses()?.iter().map(|loss| loss.count).sum();
    if lost != totals.lost {
        return Err(format!("rows tell of {lost} losses, the manifest of {}", totals.lost).into());
    }
    let (peak, most) = (peak_kib()?, memory_bound(ring) >> 10);
    if peak > most {
        return Err(format!("the recorder had {peak} KiB of memory; it may have {most}").into());
    }
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let cpu = [usage.user_time(), usage.system_time()];
    let cpu: f64 = cpu
        .iter()
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
        .sum();
    let program_ns: u128 = summary
        .programs
        .iter()
        .map(|program| program.time.as_nanos())
        .sum();
    println!(
        "{}",
        json!({
            "received": totals.received,
            "lost": totals.lost,
            "program_ns": u64::try_from(program_ns)?,
            "cpu_s": cpu,
            "peak_kib": peak,
        })
    );
    Ok(())
}

/// The most memory that this process has had, KiB.
fn peak_kib() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("the kernel does not tell the peak of memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
