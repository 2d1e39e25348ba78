//! One measurement: a child process of its own, so that its peak of memory is its own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::sets::Set;
use crate::{Failure, stream};

/// The first argument of a child.
pub(crate) const CHILD: &str = "--child";

/// What a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Job {
    /// Runs detectors over a capture.
    Replay(Set),
    /// Decodes a stream of protobuf events one by one, and runs the built-in detectors over them.
    Stream,
    /// Only decodes such a stream.
    Decode,
}

impl Job {
    fn name(self) -> &'static str {
        match self {
            Self::Replay(set) => set.name(),
            Self::Stream => "stream",
            Self::Decode => "decode",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let replays = Set::ALL.map(Self::Replay).into_iter();
        let mut all = replays.chain([Self::Stream, Self::Decode]);
        all.find(|job| job.name() == name)
    }
}

/// What one run came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// From the opening of the capture to the last detection, seconds of the clock.
    pub(crate) seconds: f64,
    /// Seconds on a CPU, of all threads, from the start of the process.
    pub(crate) cpu: f64,
    /// Peak of resident memory, MiB.
    pub(crate) peak: u64,
    /// Detections.
    pub(crate) detections: u64,
    /// Digest of the detections as NDJSON.
    pub(crate) digest: String,
}

/// What a child is told that runs `job` some times, but for the file that it reads, which comes last.
pub(crate) fn child_arguments(job: Job, threads: usize, times: usize) -> [String; 4] {
    [
        CHILD.to_owned(),
        job.name().to_owned(),
        threads.to_string(),
        times.to_string(),
    ]
}

/// Runs `job` in a process of its own.
pub(crate) fn in_child(job: Job, input: &Path, threads: usize) -> Result<Run, Failure> {
    let output = Command::new(std::env::current_exe()?)
        .args(child_arguments(job, threads, 1))
        .arg(input)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!(
            "the run of {job:?} over {} failed: {}",
            input.display(),
            output.status
        )
        .into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What the child does: the arguments are those after [`CHILD`].
pub(crate) fn child(arguments: &[String]) -> Result<Run, Failure> {
    let [job, threads, times, input] = arguments else {
        return Err(format!("{CHILD} takes a job, numbers of threads and of runs, and a file").into());
    };
    let job = Job::from_name(job).ok_or_else(|| format!("there is no job {job}"))?;
    let (threads, input) = (threads.parse()?, Path::new(input));
    // As the program does.
    nix::sys::prctl::set_thp_disable(true)?;
    let started = Instant::now();
    let (mut detections, mut digest) = (0, String::new());
    for _ in 0..times.parse::<usize>()? {
        (detections, digest) = match job {
            Job::Replay(set) => set.replay(input, threads)?,
            Job::Stream => stream::detect(input, threads)?,
            Job::Decode => {
                stream::decode(input, |_| Ok(()))?;
                (0, String::new())
            }
        };
    }
    Ok(Run {
        seconds: started.elapsed().as_secs_f64(),
        cpu: cpu_seconds()?,
        peak: peak_mib()?,
        detections,
        digest,
    })
}

/// Time on a CPU of this process. The kernel counts in hundredths of a second.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name, in parentheses, may have blanks.
    let (_, after) = stat.rsplit_once(") ").ok_or("/proc/self/stat has no name")?;
    let ticks: Vec<u64> = after
        .split(' ')
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<u64>() as f64 / 100.0)
}

fn peak_mib() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.split_whitespace().next());
    Ok(kib.ok_or("/proc/self/status has no VmHWM")?.parse::<u64>()? / 1024)
}
