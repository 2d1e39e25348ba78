//! Numbers in packed bits, and in runs.

/// A whole number in groups of seven bits.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A number whose sign is its lowest bit.
#[expect(clippy::cast_possible_wrap, reason = "both halves fit")]
pub(super) fn zigzag(bytes: &mut &[u8]) -> Option<i64> {
    let number = varint(bytes)?;
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

/// The number at a place, of those that lie in `bytes` with `width` bits each, up to 64; bits that are not there are 0.
pub(super) fn bits(bytes: &[u8], place: usize, width: u32) -> u64 {
    let first = place * width as usize;
    let (start, shift) = (first / 8, first % 8);
    let rest = bytes.get(start..).unwrap_or_default();
    let word = rest.first_chunk().copied().unwrap_or_else(|| {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        word
    });
    let mut number = u64::from_le_bytes(word) >> shift;
    if shift + width as usize > 64 {
        let more = bytes.get(start + 8).copied().unwrap_or_default();
        number |= u64::from(more) << (64 - shift);
    }
    match width {
        64 => number,
        _ => number & ((1 << width) - 1),
    }
}

/// Numbers in runs: of one number, or of packed bits.
#[derive(Clone)]
pub(super) struct Hybrid<'a> {
    pub(super) bytes: &'a [u8],
    /// Bits of a number, up to 32.
    pub(super) width: u32,
}

/// Some numbers that follow each other.
pub(super) enum Run<'a> {
    Same {
        number: u64,
        length: usize,
    },
    Packed {
        bytes: &'a [u8],
        width: u32,
        length: usize,
    },
}

impl<'a> Iterator for Hybrid<'a> {
    type Item = Run<'a>;

    /// Ends where the bytes make no sense.
    fn next(&mut self) -> Option<Run<'a>> {
        let header = varint(&mut self.bytes)?;
        let length = usize::try_from(header >> 1).ok()?;
        if header & 1 == 0 {
            let size = self.width.div_ceil(8);
            let (number, rest) = self.bytes.split_at_checked(size as usize)?;
            self.bytes = rest;
            let number = bits(number, 0, size * 8);
            return (number >> self.width == 0).then_some(Run::Same { number, length });
        }
        // The last run may be cut short.
        let size = length.checked_mul(self.width as usize)?.min(self.bytes.len());
        let (bytes, rest) = self.bytes.split_at(size);
        self.bytes = rest;
        Some(Run::Packed {
            bytes,
            width: self.width,
            length: length.checked_mul(8)?,
        })
    }
}

impl Run<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Same { length, .. } | Self::Packed { length, .. } => *length,
        }
    }

    /// The number at a place in the run; `None` if it is not there.
    pub(super) fn get(&self, place: usize) -> Option<u64> {
        match self {
            Self::Same { number, .. } => Some(*number),
            Self::Packed { bytes, width, .. } => {
                let end = (place + 1).checked_mul(*width as usize)?;
                (end <= bytes.len() * 8).then(|| bits(bytes, place, *width))
            }
        }
    }

    /// How many of the numbers at places from `from` to before `to` are 1; they are 0 or 1.
    pub(super) fn ones(&self, from: usize, to: usize) -> usize {
        match self {
            Self::Same { number: 1, .. } => to - from,
            Self::Same { .. } => 0,
            Self::Packed { bytes, .. } => (from..to).filter(|place| bits(bytes, *place, 1) == 1).count(),
        }
    }
}
