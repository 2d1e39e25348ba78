//! The kernel's symbol table.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use arrow::array::AsArray;
use arrow::compute::max;
use arrow::datatypes::UInt64Type;
use detectors_api::stores::Store;
use detectors_stores::Input;
use detectors_stores::symbol::Kallsyms;

use super::Collected;

/// Bytes that are read at once: the kernel makes the table while it is read, at most a page at a time.
const BUFFER: usize = 64 << 10;

/// The kernel's symbol table cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// It cannot be read.
    #[error("cannot read the kernel's symbols from {}", path.display())]
    Io {
        /// Where they should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It has no symbols: a kernel built without `CONFIG_KALLSYMS`.
    #[error("{} has no symbols: the kernel was built without them", path.display())]
    Empty {
        /// Where they should be.
        path: PathBuf,
    },
}

/// The kernel's symbols as they are now, to take effect before event `seq`.
///
/// # Errors
/// If `/proc/kallsyms` cannot be read, or has no symbols.
pub fn symbols(seq: u64) -> Result<Collected, SymbolsError> {
    from_file(Path::new("/proc/kallsyms"), seq)
}

fn from_file(path: &Path, seq: u64) -> Result<Collected, SymbolsError> {
    let kallsyms = File::open(path)
        .and_then(|file| Kallsyms::read(BufReader::with_capacity(BUFFER, file)))
        .map_err(|source| SymbolsError::Io {
            path: path.to_owned(),
            source,
        })?;
    if kallsyms.rows.num_rows() == 0 {
        return Err(SymbolsError::Empty {
            path: path.to_owned(),
        });
    }
    let mut warnings = Vec::new();
    if kallsyms.malformed > 0 {
        warnings.push(format!(
            "{} lines of {} are no symbols and were left out",
            kallsyms.malformed,
            path.display()
        ));
    }
    let addresses = kallsyms.rows["address"].as_primitive::<UInt64Type>();
    if max(addresses) == Some(0) {
        warnings.push(
            "the addresses of kernel symbols are hidden from the recorder: it needs CAP_SYSLOG, and the setting kernel.kptr_restrict \
             must be 0 or 1"
                .to_owned(),
        );
    }
    Ok(Collected {
        input: Input {
            store: Store::Symbol.name().to_owned(),
            seq,
            rows: kallsyms.rows,
        },
        warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Collected, SymbolsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        from_file(file.path(), 3)
    }

    #[test]
    fn what_is_missing_is_told() {
        let good = of("ffffffff81000000 T _text\n").unwrap();
        assert_eq!((good.input.seq, good.warnings.len()), (3, 0));
        let odd = of("ffffffff81000000 T _text\n???\n").unwrap();
        assert!(odd.warnings[0].starts_with("1 lines of "), "{:?}", odd.warnings);
        let hidden = of("0000000000000000 T _text\n0000000000000000 T _stext\n").unwrap();
        assert!(hidden.warnings[0].contains("CAP_SYSLOG"), "{:?}", hidden.warnings);
        assert_eq!(hidden.input.rows.num_rows(), 2);
    }

    #[test]
    fn a_table_that_cannot_be_had_is_an_error() {
        assert!(matches!(of(""), Err(SymbolsError::Empty { .. })));
        let error = from_file(Path::new("/nowhere/kallsyms"), 0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the kernel's symbols from /nowhere/kallsyms"
        );
    }
}
