//! What else could answer one filter over the same events: other programs, where they are installed.
//!
//! The question is always [`Set::Filter`](crate::sets::Set)'s: how many files are opened whose path begins with [`PREFIX`]. All
//! answers must be the same.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Failure;
use crate::sets::PREFIX;

/// What a peer answered, and how long it took in each round: seconds.
pub(crate) struct Answer {
    /// How many files were opened.
    pub(crate) count: u64,
    /// Seconds.
    pub(crate) seconds: Vec<f64>,
}

/// jq, over NDJSON.
pub(crate) fn jq(lines: &Path, runs: usize) -> Result<Answer, Failure> {
    let filter = format!(
        "select(.name == \"security_file_open\" and any(.data[]; .name == \"pathname\" and (.str | startswith(\"{PREFIX}\")))) | 1"
    );
    rounds(runs, || {
        let output = Command::new("jq").arg("-c").arg(&filter).arg(lines).output();
        let output = output.map_err(|error| format!("jq: {error} (apt-get install jq)"))?;
        let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
        checked(output.status.success(), "jq")?;
        Ok(lines as u64)
    })
}

/// sysdig, over a capture of its own: these are other events, so that only its rate can be compared. Gives the number of
/// events, too.
pub(crate) fn sysdig(scap: &Path, runs: usize) -> Result<(usize, Answer), Failure> {
    let lines = |arguments: &[&str]| -> Result<u64, Failure> {
        let output = Command::new("sysdig")
            .arg("-r")
            .arg(scap)
            .args(arguments)
            .stderr(Stdio::null())
            .output();
        let output = output.map_err(|error| format!("sysdig: {error} (apt-get install sysdig)"))?;
        checked(output.status.success(), "sysdig")?;
        Ok(output.stdout.iter().filter(|byte| **byte == b'\n').count() as u64)
    };
    let events = lines(&["-p", "%evt.num"])?;
    let filter = "evt.type in (open, openat) and fd.name startswith /etc";
    Ok((usize::try_from(events)?, rounds(runs, || lines(&[filter]))?))
}

fn rounds(runs: usize, mut work: impl FnMut() -> Result<u64, Failure>) -> Result<Answer, Failure> {
    let mut answer = Answer {
        count: 0,
        seconds: Vec::new(),
    };
    for _ in 0..runs {
        let started = Instant::now();
        answer.count = work()?;
        answer.seconds.push(started.elapsed().as_secs_f64());
    }
    Ok(answer)
}

fn checked(success: bool, program: &str) -> Result<(), Failure> {
    if success {
        Ok(())
    } else {
        Err(format!("{program} failed").into())
    }
}

/// DuckDB, as the Python package in an environment of its own.
pub(crate) struct DuckDb {
    python: PathBuf,
}

impl DuckDb {
    /// Installs it below `directory`, if it is not there yet.
    pub(crate) fn install(directory: &Path) -> Result<Self, Failure> {
        let environment = directory.join("duckdb");
        let python = environment.join("bin/python");
        let there = || {
            let import = Command::new(&python)
                .args(["-c", "import duckdb"])
                .stderr(Stdio::null())
                .status();
            import.is_ok_and(|status| status.success())
        };
        if !there() {
            let made = Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment)
                .status();
            checked(made.is_ok_and(|status| status.success()), "python3 -m venv")?;
            let installed = Command::new(&python)
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "duckdb",
                ])
                .status();
            checked(
                installed.is_ok_and(|status| status.success()),
                "pip install duckdb",
            )?;
        }
        checked(there(), "import duckdb")?;
        Ok(Self { python })
    }

    /// Its version.
    pub(crate) fn version(&self) -> Result<String, Failure> {
        let output = Command::new(&self.python)
            .args(["-c", "import duckdb; print(duckdb.__version__)"])
            .output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Over NDJSON, of which it is told the columns that the question needs.
    pub(crate) fn lines(&self, lines: &Path, threads: usize, runs: usize) -> Result<Answer, Failure> {
        let query = format!(
            "SELECT count(*) FROM read_ndjson('{}', columns = {{name: 'VARCHAR', data: 'STRUCT(name VARCHAR, str VARCHAR)[]'}}) \
             WHERE name = 'security_file_open' \
             AND len(list_filter(data, lambda d: d.name = 'pathname' AND starts_with(d.str, '{PREFIX}'))) > 0",
            lines.display()
        );
        self.run(&query, threads, runs)
    }

    /// Over the Parquet files of a capture.
    pub(crate) fn parquet(&self, capture: &Path, threads: usize, runs: usize) -> Result<Answer, Failure> {
        let query = format!(
            "SELECT count(*) FROM read_parquet('{}/events/name=security_file_open/*.parquet') \
             WHERE starts_with(pathname, '{PREFIX}')",
            capture.display()
        );
        self.run(&query, threads, runs)
    }

    /// Only the queries are timed, not the start of Python.
    fn run(&self, query: &str, threads: usize, runs: usize) -> Result<Answer, Failure> {
        const SCRIPT: &str = "
import sys, time, duckdb
query, threads, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for _ in range(runs):
    connection = duckdb.connect(config={'threads': threads})
    started = time.perf_counter()
    count = connection.execute(query).fetchone()[0]
    print(time.perf_counter() - started, count)
";
        let output = Command::new(&self.python)
            .args(["-c", SCRIPT, query, &threads.to_string(), &runs.to_string()])
            .stderr(Stdio::inherit())
            .output()?;
        checked(output.status.success(), "duckdb")?;
        let mut answer = Answer {
            count: 0,
            seconds: Vec::new(),
        };
        for line in String::from_utf8(output.stdout)?.lines() {
            let (seconds, count) = line.split_once(' ').ok_or("duckdb: unexpected output")?;
            answer.seconds.push(seconds.parse()?);
            answer.count = count.parse()?;
        }
        Ok(answer)
    }
}
