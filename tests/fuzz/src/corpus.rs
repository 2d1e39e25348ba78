//! The inputs that are kept for each target: `corpus/NAME.ndjson`, one JSON text a line, the short ones first.
//!
//! All targets read text, so bytes that are none are not kept.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn file(target: &str) -> PathBuf {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    corpora.join(format!("{target}.ndjson"))
}

/// The inputs kept for `target`.
///
/// # Errors
/// If its file cannot be read or is not what it should be.
pub fn read(target: &str) -> io::Result<Vec<String>> {
    let lines = fs::read_to_string(file(target))?;
    let inputs = lines.lines().map(serde_json::from_str);
    Ok(inputs.collect::<Result<_, _>>()?)
}

/// Writes each input of `target` as a file of its own, which is how libFuzzer takes them.
///
/// # Errors
/// If a file cannot be read or written.
pub fn unpack(target: &str, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (number, input) in read(target)?.into_iter().enumerate() {
        fs::write(directory.join(format!("kept-{number}")), input)?;
    }
    Ok(())
}

/// Keeps the inputs in `directory`, and no others, for `target`.
///
/// # Errors
/// If a file cannot be read or written.
pub fn pack(target: &str, directory: &Path) -> io::Result<()> {
    let mut inputs = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        if let Ok(text) = String::from_utf8(fs::read(entry?.path())?) {
            inputs.insert((text.len(), text));
        }
    }
    let lines = inputs
        .iter()
        .map(|(_, text)| Ok(serde_json::to_string(text)? + "\n"));
    fs::write(file(target), lines.collect::<io::Result<String>>()?)
}
