//! How a file is opened: the lowest two bits of the open flags.

const ACCESS: i64 = 0b11;
const READ_ONLY: i64 = 0;
const WRITE_ONLY: i64 = 1;
const READ_WRITE: i64 = 2;

/// Whether a file opened with `flags` can be read.
pub(crate) const fn is_read(flags: i64) -> bool {
    matches!(flags & ACCESS, READ_ONLY | READ_WRITE)
}

/// Whether a file opened with `flags` can be written.
pub(crate) const fn is_write(flags: i64) -> bool {
    matches!(flags & ACCESS, WRITE_ONLY | READ_WRITE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_modes() {
        let modes: Vec<_> = (0..4).map(|flags| (is_read(flags), is_write(flags))).collect();
        assert_eq!(
            modes,
            [(true, false), (false, true), (true, true), (false, false)]
        );
        assert!(is_write(0o100_001), "other bits do not matter");
    }
}
