//! Executables, by their first bytes.

/// The first bytes of every ELF file.
const MAGIC: &[u8] = b"\x7fELF";

/// Whether a file that begins with `head` is an ELF file.
pub(crate) fn is_elf(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bytes_decide() {
        assert!(is_elf(b"\x7fELF") && is_elf(b"\x7fELF\x02\x01"));
        for head in [&b""[..], b"\x7fEL", b"ELF\x7f", b"#!/bin/sh", b" \x7fELF"] {
            assert!(!is_elf(head), "{head:?}");
        }
    }
}
