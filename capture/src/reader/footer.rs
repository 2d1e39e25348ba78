//! A look at a Parquet footer before it is decoded.
//!
//! The decoder reserves memory for as many row groups as the footer says there are; a footer of a few bytes that says two
//! billion would end the process, which no error handling can undo. So every list in the footer is held against the
//! bytes that are left: an element takes at least one. The footer is a struct in Thrift's compact encoding.

use crate::Stretch;

/// Bytes of the largest footer that is read: thousands of row groups of hundreds of columns.
const MAX_BYTES: u64 = 64 << 20;

/// A footer is nested less than half as deep.
const MAX_DEPTH: usize = 16;

/// Fails if the footer of `file` cannot be decoded in memory in proportion to its size.
pub(super) fn check(file: &Stretch) -> Result<(), String> {
    let mut end = [0; 8];
    let start = file
        .bytes()
        .checked_sub(8)
        .ok_or("the file is too short for a Parquet file")?;
    file.read_exact_at(&mut end, start)
        .map_err(|error| error.to_string())?;
    let [length @ .., b'P', b'A', b'R', b'1'] = end else {
        return Err("the file does not end as a Parquet file does".to_owned());
    };
    let length = u64::from(u32::from_le_bytes(length));
    let start = start
        .checked_sub(length)
        .ok_or("the footer is longer than the file")?;
    if length > MAX_BYTES {
        return Err(format!(
            "the footer has {length} bytes; at most {MAX_BYTES} are read"
        ));
    }
    let mut footer = vec![0; length as usize];
    file.read_exact_at(&mut footer, start)
        .map_err(|error| error.to_string())?;
    check_struct(&mut footer.as_slice(), 0).ok_or_else(|| "the footer is malformed".to_owned())
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = byte(rest)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn skip(rest: &mut &[u8], bytes: u64) -> Option<()> {
    *rest = rest.get(usize::try_from(bytes).ok()?..)?;
    Some(())
}

fn check_struct(rest: &mut &[u8], depth: usize) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    loop {
        let header = byte(rest)?;
        if header == 0 {
            return Some(());
        }
        // The high half is the distance from the field number before; without one, the number follows.
        if header >> 4 == 0 {
            varint(rest)?;
        }
        match header & 0x0f {
            // In a struct, a boolean is its type.
            1 | 2 => {}
            kind => check_value(rest, kind, depth)?,
        }
    }
}

fn check_value(rest: &mut &[u8], kind: u8, depth: usize) -> Option<()> {
    match kind {
        1..=3 => skip(rest, 1),
        4..=6 => varint(rest).map(drop),
        7 => skip(rest, 8),
        8 => {
            let length = varint(rest)?;
            skip(rest, length)
        }
        9 | 10 => {
            let header = byte(rest)?;
            let count = match header >> 4 {
                15 => varint(rest)?,
                count => u64::from(count),
            };
            if count > rest.len() as u64 || depth > MAX_DEPTH {
                return None;
            }
            (0..count).try_for_each(|_| check_value(rest, header & 0x0f, depth + 1))
        }
        12 => check_struct(rest, depth + 1),
        // A footer has no maps.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn checked(footer: &[u8]) -> Result<(), String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(footer).unwrap();
        file.write_all(&(footer.len() as u32).to_le_bytes()).unwrap();
        file.write_all(b"PAR1").unwrap();
        check(&Stretch::whole(file).unwrap())
    }

    #[test]
    fn lists_are_not_longer_than_the_footer() {
        // Field 4, a list of 2³¹ - 1 structs, of which none is there.
        assert!(checked(&[0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0]).is_err());
        // The same field with two empty structs.
        assert_eq!(checked(&[0x49, 0x2c, 0, 0, 0]), Ok(()));
    }

    #[test]
    fn nesting_has_an_end() {
        assert!(checked(&[0x1c; 100_000]).is_err());
        let lists = [0x19].into_iter().chain([0x19; 100_000]);
        assert!(checked(&lists.collect::<Vec<_>>()).is_err());
    }

    #[test]
    fn a_short_file_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        assert!(check(&Stretch::whole(file).unwrap()).is_err());
    }
}
