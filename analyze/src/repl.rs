//! Asking one question after the other, at a terminal.

use std::io::{self, Write};

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::error::Error;
use crate::output::{Format, write_answer};
use crate::session::SqlSession;

const PROMPT: &str = "sql> ";
const CONTINUED: &str = "...> ";

const HELP: &str = "\
Statements end with `;` and may span lines.
  \\d        tables
  \\d TABLE  columns of a table
  \\?        this help
  \\q        leave (or Ctrl-D)";

/// Reads statements from the terminal and writes answers to `out` until the person leaves. History stays in memory: what
/// was asked about an incident is nobody else's business.
///
/// # Errors
/// If the terminal cannot be read or `out` not be written. A query that fails is reported, and the next one is read.
pub fn repl(session: &SqlSession, out: &mut impl Write, format: Format) -> Result<(), Error> {
    let write = |source| Error::Write { source };
    let terminal = |error: ReadlineError| match error {
        ReadlineError::Io(source) => Error::Runtime { source },
        other => Error::Runtime {
            source: io::Error::other(other),
        },
    };
    let mut editor = DefaultEditor::new().map_err(terminal)?;
    let mut pending = String::new();
    loop {
        out.flush().map_err(write)?;
        let prompt = if pending.is_empty() { PROMPT } else { CONTINUED };
        let line = match editor.readline(prompt) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                pending.clear();
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(terminal(error)),
        };
        if pending.is_empty() && line.trim_start().starts_with('\\') {
            editor.add_history_entry(line.trim()).map_err(terminal)?;
            if !command(session, out, line.trim()).map_err(write)? {
                return Ok(());
            }
            continue;
        }
        if !pending.is_empty() {
            pending.push('\n');
        }
        pending.push_str(&line);
        if pending.trim().is_empty() {
            pending.clear();
        } else if pending.trim_end().ends_with(';') {
            editor.add_history_entry(pending.trim()).map_err(terminal)?;
            answer(session, out, &pending, format)?;
            pending.clear();
        }
    }
}

/// Answers the statements of `text`; a failure is told, not returned, unless `out` is at fault.
fn answer(session: &SqlSession, out: &mut impl Write, text: &str, format: Format) -> Result<(), Error> {
    let answered = session.parse(text).and_then(|queries| {
        for query in queries {
            let written = write_answer(out, session.run(&query)?, format)?;
            if written.cut {
                writeln!(out, "(first {} rows)", written.rows).map_err(|source| Error::Write { source })?;
            }
        }
        Ok(())
    });
    match answered {
        Err(error @ Error::Write { .. }) => Err(error),
        Err(error) => writeln!(out, "{error}").map_err(|source| Error::Write { source }),
        Ok(()) => Ok(()),
    }
}

/// Obeys a command; `false` to leave.
fn command(session: &SqlSession, out: &mut impl Write, line: &str) -> io::Result<bool> {
    let mut words = line.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some("\\q"), None, _) => return Ok(false),
        (Some("\\?"), None, _) => writeln!(out, "{HELP}")?,
        (Some("\\d"), None, _) => {
            for table in session.tables() {
                writeln!(out, "{table}")?;
            }
        }
        (Some("\\d"), Some(table), None) => describe(session, out, table)?,
        _ => writeln!(out, "there is no command `{line}`; `\\?` shows what there is")?,
    }
    Ok(true)
}

fn describe(session: &SqlSession, out: &mut impl Write, table: &str) -> io::Result<()> {
    let Some(columns) = session.columns(table) else {
        return writeln!(out, "there is no table `{table}`; `\\d` lists them");
    };
    let width = columns
        .fields()
        .iter()
        .map(|field| field.name().len())
        .max()
        .unwrap_or_default();
    for field in columns.fields() {
        writeln!(out, "{:<width$}  {}", field.name(), field.data_type())?;
    }
    Ok(())
}
