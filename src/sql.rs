//! `tracee-cap sql`.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use analyze::{Format, Options, SqlSession};
use capture::{CaptureReader, DetectionsFile, State};
use clap::ValueEnum;

use crate::exit::{Exit, Failure};
use crate::opened;
use crate::output::Destination;

/// Rows of a table on a terminal, unless told otherwise.
const TABLE_ROWS: usize = 1000;

/// Query captures in SQL.
///
/// Every event type is a table with the event's fields and the columns of the process that caused it; `events` has all
/// of them, with the fields as JSON in `data`. Also: what stores know (`processes`, `process_tree`, `containers`, `dns`,
/// `symbols`, `system` …), `contexts`, `loss`, and `detections` if the capture has some, or a Parquet file of them is among the captures. Functions such as
/// `ancestors(process_id, seq, 5)` ask stores as of an event. Rows come in the order of their sequence numbers. Names are
/// case-sensitive; put those with dots in double quotes.
///
/// Without a query, statements are read from standard input: line by line with a prompt on a terminal.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Captures and files of detections (as replay -o parquet writes them), and then the query. What exists as a path is a capture; the last argument may be a query instead.
    #[arg(value_name = "CAPTURE|QUERY", required = true)]
    arguments: Vec<String>,
    /// The query; then all arguments are captures.
    #[arg(
        short,
        long,
        value_name = "SQL",
        conflicts_with = "file",
        allow_hyphen_values = true
    )]
    query: Option<String>,
    /// A file with statements, separated by `;`; then all arguments are captures.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Form of the answer: a table on a terminal, otherwise NDJSON.
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Output>,
    #[command(flatten)]
    destination: Destination,
    /// The most rows of a table (0: all, held in memory) [default: 1000 on a terminal, otherwise all].
    #[arg(long, value_name = "ROWS")]
    max_rows: Option<usize>,
    /// Threads that read captures; the answer does not depend on it [default: all CPUs].
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// MiB that sorts, joins and aggregations may take; above it they use temporary files where they can.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    memory: usize,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap sql incident.tcap 'SELECT name, count(*) FROM events GROUP BY name ORDER BY 2 DESC'
  tracee-cap sql incident.tcap \"SELECT timestamp, comm, pid, pathname FROM security_file_open
      WHERE glob(pathname, '/etc/*') AND NOT container_id = ''\"
  tracee-cap sql a.tcap b.tcap -o csv 'SELECT capture, count(*) FROM events GROUP BY capture'
  tracee-cap sql incident.tcap -f questions.sql -w answers.ndjson
  tracee-cap sql found.parquet 'SELECT severity, name, count(*) FROM detections GROUP BY ALL'
  tracee-cap sql incident.tcap                      # a prompt";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// One JSON object per line.
    Ndjson,
    /// One JSON array.
    Json,
    /// With a header.
    Csv,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let (captures, source) = split(args)?;
    let (files, captures): (Vec<_>, Vec<_>) =
        captures.into_iter().partition(|path| DetectionsFile::is_at(path));
    let readers = captures
        .iter()
        .map(|path| opened::open(path))
        .collect::<Result<Vec<_>, _>>()?;
    let files = files
        .iter()
        .map(|path| DetectionsFile::open(path).map_err(opened::failure))
        .collect::<Result<Vec<_>, _>>()?;
    let threads = args.threads.map_or(Options::default().threads, NonZeroUsize::get);
    let memory = args.memory.saturating_mul(1 << 20);
    let session = SqlSession::over(readers, files, Options { threads, memory }).map_err(failure)?;
    answer(args, &session, source)?;
    Ok(session
        .readers()
        .map(end)
        .fold(Exit::Ok, |all, one| if one == Exit::Ok { all } else { one }))
}

/// Says what is missing from a capture, also from one that is complete as far as its recorder goes.
fn end(reader: &CaptureReader) -> Exit {
    let totals = reader.manifest().totals;
    if reader.state() == State::Closed && totals.lost > 0 {
        opened::warn(&format!(
            "{}: {} of {} events were lost",
            reader.path().display(),
            totals.lost,
            totals.received
        ));
    }
    opened::end(reader)
}

/// Where statements come from.
enum Source {
    Text(String),
    Stdin,
    Prompt,
}

/// Tells captures from the query.
fn split(args: &Args) -> Result<(Vec<PathBuf>, Source), Failure> {
    let mut captures: Vec<PathBuf> = args.arguments.iter().map(PathBuf::from).collect();
    let source = if let Some(query) = &args.query {
        Source::Text(query.clone())
    } else if let Some(file) = &args.file {
        Source::Text(fs::read_to_string(file).map_err(|error| unreadable(file, error))?)
    } else if let Some(query) = args.arguments.last().filter(|last| !Path::new(last).exists()) {
        captures.pop();
        if captures.is_empty() {
            return Err(Failure::usage(format!(
                "there is no capture `{query}`; a query comes after the captures that it is about"
            )));
        }
        if !query.contains(char::is_whitespace) {
            return Err(Failure::usage(format!(
                "`{query}` is neither a capture that exists nor a query"
            )));
        }
        Source::Text(query.clone())
    } else if io::stdin().is_terminal() {
        Source::Prompt
    } else {
        Source::Stdin
    };
    Ok((captures, source))
}

fn answer(args: &Args, session: &SqlSession, source: Source) -> Result<(), Failure> {
    let format = format(args);
    let mut out = args.destination.open()?;
    let text = match source {
        Source::Prompt => {
            analyze::repl(session, &mut out, format).map_err(failure)?;
            return Ok(out.flush()?);
        }
        Source::Stdin => {
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| unreadable(Path::new("standard input"), error))?;
            text
        }
        Source::Text(text) => text,
    };
    let queries = session.parse(&text).map_err(failure)?;
    if queries.is_empty() {
        return Err(Failure::usage("there is no statement to run"));
    }
    for query in &queries {
        let rows = session.run(query).map_err(failure)?;
        let written = analyze::write_answer(&mut out, rows, format).map_err(failure)?;
        out.flush()?;
        if written.cut {
            opened::warn(&format!(
                "only the first {} rows are shown; --max-rows 0 shows all, -o ndjson streams them",
                written.rows
            ));
        }
    }
    Ok(())
}

fn format(args: &Args) -> Format {
    let terminal = args.destination.is_terminal();
    match args.output {
        Some(Output::Ndjson) => Format::Ndjson,
        Some(Output::Json) => Format::Json,
        Some(Output::Csv) => Format::Csv,
        None if !terminal => Format::Ndjson,
        Some(Output::Table) | None => Format::Table {
            rows: match args.max_rows {
                Some(0) => None,
                None if !terminal => None,
                rows => rows.or(Some(TABLE_ROWS)),
            },
        },
    }
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    Failure::bad_input(anyhow::Error::new(error).context(format!("cannot read {}", path.display())))
}

fn failure(error: analyze::Error) -> Failure {
    match error {
        analyze::Error::Capture { source } => opened::failure(source),
        error if error.is_bad_query() => Failure::new(Exit::Usage, error),
        error => Failure::environment(error),
    }
}
