//! Values as they lie in pages: numbers of four or eight bytes, texts with their length in front.

use bytes::Bytes;

/// A number of `size` bytes.
pub(super) fn number(value: &[u8], size: usize) -> Option<i64> {
    if size == size_of::<i32>() {
        Some(i32::from_le_bytes(value.try_into().ok()?).into())
    } else {
        Some(i64::from_le_bytes(value.try_into().ok()?))
    }
}

/// A text at `at`, with its length in front.
pub(super) fn plain_text<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let start = at.checked_add(4)?;
    let length = u32::from_le_bytes(bytes.get(*at..start)?.try_into().ok()?);
    let end = start.checked_add(length as usize)?;
    *at = end;
    bytes.get(start..end)
}

/// The values that numbers in pages stand for.
pub(super) struct Dictionary {
    bytes: Bytes,
    /// Where each of the texts lies; empty for numbers.
    texts: Vec<(u32, u32)>,
    size: Option<usize>,
}

impl Dictionary {
    pub(super) fn of(bytes: Bytes, values: usize, size: Option<usize>) -> Option<Self> {
        let mut texts = Vec::new();
        if size.is_none() {
            // Each takes four bytes at least, so that no more than what is there is asked for.
            texts.reserve(values.min(bytes.len() / 4));
            let mut at = 0;
            for _ in 0..values {
                let text = plain_text(&bytes, &mut at)?;
                texts.push((
                    u32::try_from(at - text.len()).ok()?,
                    u32::try_from(text.len()).ok()?,
                ));
            }
        }
        Some(Self { bytes, texts, size })
    }

    pub(super) fn get(&self, number: usize) -> Option<&[u8]> {
        if let Some(size) = self.size {
            let start = number.checked_mul(size)?;
            return self.bytes.get(start..start.checked_add(size)?);
        }
        let (start, length) = *self.texts.get(number)?;
        self.bytes.get(start as usize..start as usize + length as usize)
    }
}
