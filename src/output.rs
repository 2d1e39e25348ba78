//! Where output goes and in which form.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::exit::Failure;

/// The options that name files to write. Commands may have more than `-w`.
pub(crate) const FILES: &str = "written";

/// `-w` and `--force`.
#[derive(Debug, Default, clap::Args)]
#[command(group = clap::ArgGroup::new(FILES).arg("write").multiple(true))]
pub(crate) struct Destination {
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Overwrite the file if it exists
    #[arg(long, requires = FILES)]
    pub(crate) force: bool,
}

impl Destination {
    /// Whether output goes to a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.write.is_none() && io::stdout().is_terminal()
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Write + Send>, Failure> {
        match &self.write {
            None => Ok(Box::new(BufWriter::new(io::stdout()))),
            Some(path) => Ok(Box::new(BufWriter::new(create(path, self.force)?))),
        }
    }
}

/// Creates a file; one that exists is overwritten only with `force`.
pub(crate) fn create(path: &Path, force: bool) -> Result<std::fs::File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => {
            let context = format!("cannot write {}", path.display());
            Failure::environment(anyhow::Error::new(error).context(context))
        }
    })
}

/// The failure that a file is there already.
pub(crate) fn exists(path: &Path) -> Failure {
    Failure::usage(format!(
        "{} exists already: --force overwrites it",
        path.display()
    ))
}

/// Width of the terminal on stdout, in columns.
pub(crate) fn terminal_width() -> Option<u16> {
    // SAFETY: the call only writes the structure it is given.
    let size = unsafe {
        let mut size = std::mem::zeroed::<libc::winsize>();
        (libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) == 0).then_some(size)
    };
    size.map(|size| size.ws_col).filter(|width| *width > 0)
}

/// Writes `value` as indented JSON to a new file.
pub(crate) fn write_json(path: &Path, force: bool, value: &impl serde::Serialize) -> Result<(), Failure> {
    let mut file = create(path, force)?;
    serde_json::to_writer_pretty(&mut file, value)
        .map_err(io::Error::from)
        .and_then(|()| file.write_all(b"\n"))
        .with_context(|| format!("cannot write {}", path.display()))
        .map_err(Failure::environment)
}

/// The text without what steers a terminal: names and descriptions come from files of anybody.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|char| {
            if char.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                char
            }
        })
        .collect()
}

/// Columns aligned with spaces; the last one is as long as it is.
pub(crate) fn write_table<const N: usize>(
    out: &mut impl Write,
    indent: &str,
    titles: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> io::Result<()> {
    let mut lines = vec![titles.map(str::to_owned)];
    lines.extend(rows.map(|row| row.map(|cell| printable(&cell))));
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.len());
        }
    }
    for line in &lines {
        let mut text = indent.to_owned();
        for (cell, width) in line.iter().zip(widths) {
            text.push_str(&format!("{cell:<width$}  "));
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}
