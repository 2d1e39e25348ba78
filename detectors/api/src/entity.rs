//! Entity ids: 32-bit names of tasks that stay the same across events, bit-exact with Tracee's.
//!
//! The id is MurmurHash3 (x86, 32 bit, Austin Appleby, public domain) with a fixed seed over the host thread id and the
//! start time rounded down to 100 ms, both big-endian. Rounding hides the difference between kernel and procfs clocks.

const SEED: u32 = 0x1827_3645;
const ROUNDING_NS: u64 = 100_000_000;

/// Entity id of the task with host thread id `tid` that started at `start_ns` (ns since the Unix epoch).
///
/// For a process, pass the host pid and the start time of its thread-group leader.
#[must_use]
pub fn entity_id(tid: u32, start_ns: u64) -> u32 {
    hash(tid, start_ns - start_ns % ROUNDING_NS)
}

fn hash(tid: u32, start_ns: u64) -> u32 {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&tid.to_be_bytes());
    bytes[4..].copy_from_slice(&start_ns.to_be_bytes());
    murmur3(&bytes)
}

/// MurmurHash3 x86 32 bit; blocks are little-endian words on every machine, so that captures travel.
fn murmur3(bytes: &[u8]) -> u32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let scramble = |block: u32| block.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);

    let mut state = SEED;
    let mut blocks = bytes.chunks_exact(4);
    for block in &mut blocks {
        state ^= scramble(u32::from_le_bytes([block[0], block[1], block[2], block[3]]));
        state = state.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let tail = blocks.remainder();
    if !tail.is_empty() {
        let word = tail
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
        state ^= scramble(word);
    }
    // The algorithm takes the length modulo 2^32.
    state ^= bytes.len() as u32;
    state ^= state >> 16;
    state = state.wrapping_mul(0x85eb_ca6b);
    state ^= state >> 13;
    state = state.wrapping_mul(0xc2b2_ae35);
    state ^ state >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur_vectors() {
        for (bytes, expected) in [
            (&[][..], 0xac1e_97d9),
            (&[0x42], 0xd03e_2e67),
            (&[1, 2, 3, 4], 0xb503_cc53),
            (b"hello", 0x6fcf_e226),
            (&[0; 12], 0xf6c5_6b4a),
        ] {
            assert_eq!(murmur3(bytes), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn hash_vectors() {
        for (tid, start, expected) in [
            (1, 2, 0xd25f_0e74),
            (0x1234_5678, 0x1234_5678_9abc_def0, 0xb065_052c),
            (u32::MAX, 0, 0x6d04_5877),
            (0, u64::MAX, 0xece9_8cf5),
            (u32::MAX, u64::MAX, 0xffa2_82fc),
        ] {
            assert_eq!(hash(tid, start), expected, "({tid}, {start})");
        }
    }

    #[test]
    fn entity_id_vectors() {
        for (tid, start, expected) in [
            (1, 0, 2_241_331_610),
            (1, 1_785_571_200_000_000_000, 1_967_434_638),
            (1234, 1_785_571_200_100_000_000, 3_235_579_962),
            (1234, 1_785_571_200_123_456_789, 3_235_579_962),
            (1234, 1_785_571_200_199_999_999, 3_235_579_962),
            (4242, 1_785_571_200_123_456_789, 1_663_820_031),
            (4242, 1_785_571_200_200_000_000, 2_943_377_654),
            (u32::MAX, 1_785_571_200_000_000_000, 3_446_119_756),
        ] {
            assert_eq!(entity_id(tid, start), expected, "({tid}, {start})");
        }
    }
}
