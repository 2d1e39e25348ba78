//! `/proc/kallsyms` as rows.

use std::io::{self, BufRead};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder, UInt64Builder};

use crate::rows::{Row as _, rows};

rows! {
    table "stores/symbol";
    /// A symbol of the kernel or of a module. The rows of a table are in the order of `/proc/kallsyms`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Symbol {
        /// Address; 0 if the recorder was not allowed to see it.
        pub address: u64,
        /// Type, as nm(1) writes it: one letter.
        pub kind: String,
        /// Name.
        pub name: String,
        /// Module that it belongs to, `bpf` for BPF programs; empty for the kernel itself.
        pub owner: String,
    }
}

/// A symbol table as it was read.
#[derive(Clone, Debug)]
pub struct Kallsyms {
    /// Rows of [`Symbol`].
    pub rows: RecordBatch,
    /// Lines that are no symbols, which are not in the rows.
    pub malformed: u64,
}

impl Kallsyms {
    /// Reads a symbol table in the format of `/proc/kallsyms`: `ADDRESS TYPE NAME [OWNER]`, the address in hexadecimal digits. All
    /// symbols are kept, of whatever type.
    ///
    /// # Errors
    /// If reading fails.
    pub fn read(mut text: impl BufRead) -> io::Result<Self> {
        let mut address = UInt64Builder::new();
        let (mut kind, mut name) = (StringBuilder::new(), StringBuilder::new());
        let mut owner = StringBuilder::new();
        let mut malformed = 0;
        let mut line = Vec::new();
        while text.read_until(b'\n', &mut line)? > 0 {
            match symbol(&String::from_utf8_lossy(&line)) {
                Some((at, letter, called, module)) => {
                    address.append_value(at);
                    kind.append_value(letter);
                    name.append_value(called);
                    owner.append_value(module);
                }
                None => malformed += 1,
            }
            line.clear();
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(address.finish()),
            Arc::new(kind.finish()),
            Arc::new(name.finish()),
            Arc::new(owner.finish()),
        ];
        Ok(Self {
            rows: RecordBatch::try_new(Arc::clone(Symbol::schema()), columns)
                .expect("the columns follow the schema"),
            malformed,
        })
    }
}

/// Address, type, name and owner of the symbol in a line.
fn symbol(line: &str) -> Option<(u64, &str, &str, &str)> {
    let mut words = line.split_ascii_whitespace();
    let (address, kind, name) = (words.next()?, words.next()?, words.next()?);
    let owner = words.next().unwrap_or_default();
    let owner = owner.strip_prefix('[').unwrap_or(owner);
    Some((
        u64::from_str_radix(address, 16).ok()?,
        kind,
        name,
        owner.strip_suffix(']').unwrap_or(owner),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_symbols() {
        let cases = [
            (
                "ffffffff81000000 T _text\n",
                Some((0xffff_ffff_8100_0000, "T", "_text", "")),
            ),
            (
                "ffffffffc0001000 t dup\t[mod1]",
                Some((0xffff_ffff_c000_1000, "t", "dup", "mod1")),
            ),
            ("0 A zero", Some((0, "A", "zero", ""))),
            ("ffffffff81000000 T", None),
            ("xyz T name", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(symbol(line), expected, "{line}");
        }
    }

    #[test]
    fn malformed_lines_are_counted() {
        let read = Kallsyms::read("1 T a\nnonsense\n\n2 d b\n".as_bytes()).expect("memory can be read");
        assert_eq!(read.malformed, 2);
        let names: Vec<_> = Symbol::from_batch(&read.rows)
            .expect("its own rows")
            .into_iter()
            .map(|symbol| symbol.name)
            .collect();
        assert_eq!(names, ["a", "b"]);
    }
}
