//! Numbers that lie as differences.

use super::bits::{bits, varint, zigzag};
use super::found::Found;

/// Takes numbers that lie as differences, in blocks of packed bits.
pub(super) fn deltas(mut bytes: &[u8], size: usize, ranks: &[usize], found: &mut Found) -> Option<()> {
    let of_size = |number: i64| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "sums of small numbers wrap around"
        )]
        if size == size_of::<i32>() {
            i64::from(number as i32)
        } else {
            number
        }
    };
    let block = usize::try_from(varint(&mut bytes)?).ok()?;
    let miniblocks = usize::try_from(varint(&mut bytes)?).ok()?;
    let count = usize::try_from(varint(&mut bytes)?).ok()?;
    let mut number = zigzag(&mut bytes)?;
    let per_miniblock = block.checked_div(miniblocks)?;
    if per_miniblock == 0 || per_miniblock % 8 != 0 {
        return None;
    }
    let Some(last) = ranks.last() else { return Some(()) };
    // A file may say that there are any number of values.
    let last = count.checked_sub(1).filter(|end| end >= last).and(Some(*last))?;
    let mut ranks = ranks.iter().peekable();
    let mut at = 0_usize;
    while ranks.next_if(|rank| **rank == at).is_some() {
        found.push_number(of_size(number))?;
    }
    while ranks.peek().is_some() {
        let least = zigzag(&mut bytes)?;
        let widths;
        (widths, bytes) = bytes.split_at_checked(miniblocks)?;
        for width in widths {
            let width = u32::from(*width);
            if width > 64 {
                return None;
            }
            let packed;
            (packed, bytes) = bytes.split_at_checked((per_miniblock / 8).checked_mul(width as usize)?)?;
            let end = at.checked_add(per_miniblock)?.min(last);
            for place in 0..end - at {
                #[expect(clippy::cast_possible_wrap, reason = "differences wrap around")]
                let delta = bits(packed, place, width) as i64;
                number = number.wrapping_add(least).wrapping_add(delta);
                if ranks.next_if(|rank| **rank == at + place + 1).is_some() {
                    found.push_number(of_size(number))?;
                }
            }
            at = end;
            if ranks.peek().is_none() {
                return Some(());
            }
        }
    }
    Some(())
}
