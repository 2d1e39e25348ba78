use proptest::prelude::*;

use super::*;

/// A record: header of `kind`, `payload` bytes of zeros, then chunks.
fn record(kind: u16, payload: usize, chunks: &[(u16, u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; size_of::<Header>() + payload];
    bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
    bytes[6..8].copy_from_slice(&VERSION.to_ne_bytes());
    for (tag, flags, content) in chunks {
        bytes.extend(tag.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(u32::try_from(content.len()).unwrap().to_ne_bytes());
        bytes.extend(*content);
    }
    let len = u32::try_from(bytes.len()).unwrap();
    bytes[..4].copy_from_slice(&len.to_ne_bytes());
    bytes
}

fn open_path(flags: u16, components: &[u8]) -> String {
    match parse(&record(4, 32, &[(1, flags, components)])).unwrap().body {
        Body::Open(open) => open.path,
        other => panic!("{other:?}"),
    }
}

#[test]
fn paths_are_put_in_order() {
    assert_eq!(open_path(0, b"passwd\0etc\0"), "/etc/passwd");
    assert_eq!(open_path(0, b""), "/");
    assert_eq!(open_path(PSEUDO, b"memfd:x\0"), "memfd:x");
    assert_eq!(open_path(PSEUDO, b"a\0b\0/\0"), "<disconnected>/b/a");
    assert_eq!(open_path(DISCONNECTED, b"a\0"), "<disconnected>/a");
    assert_eq!(open_path(TRUNCATED, b"a\0b\0"), "<truncated>/b/a");
}

#[test]
fn missing_arguments_are_question_marks() {
    let mut bytes = record(2, 64, &[(8, 1, b"sh\0-c\0tru")]);
    bytes[size_of::<Header>() + 48] = 5;
    let Body::Exec(exec) = parse(&bytes).unwrap().body else {
        panic!("not an exec")
    };
    assert_eq!(exec.argv, ["sh", "-c", "tru", "?", "?"]);
}

#[test]
fn empty_arguments_count() {
    let mut bytes = record(2, 64, &[(8, 0, b"sh\0\0\0")]);
    bytes[size_of::<Header>() + 48] = 3;
    let Body::Exec(exec) = parse(&bytes).unwrap().body else {
        panic!("not an exec")
    };
    assert_eq!(exec.argv, ["sh", "", ""]);
}

#[test]
fn control_groups_have_one_layout() {
    let mut mkdir = record(9, 32, &[(12, 0, b"/docker/x")]);
    let at = size_of::<Header>();
    mkdir[at..at + 8].copy_from_slice(&77_u64.to_ne_bytes());
    mkdir[at + 8..at + 12].copy_from_slice(&3_u32.to_ne_bytes());
    mkdir[at + 12..at + 16].copy_from_slice(&42_u32.to_ne_bytes());
    mkdir[at + 16..at + 19].copy_from_slice(b"sh\0");
    let cgroup = Cgroup {
        id: 77,
        hierarchy: 3,
        path: "/docker/x".to_owned(),
    };
    let of_kind = |kind: u16| {
        let mut bytes = mkdir.clone();
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        parse(&bytes).unwrap().body
    };
    assert_eq!(of_kind(9), Body::CgroupMkdir(cgroup.clone()));
    assert_eq!(of_kind(10), Body::CgroupRmdir(cgroup.clone()));
    assert_eq!(
        of_kind(11),
        Body::CgroupAttach(CgroupAttach {
            cgroup,
            tid: 42,
            comm: "sh".to_owned()
        })
    );
}

#[test]
fn wrong_records_are_refused() {
    let good = record(4, 32, &[(1, 0, b"a\0")]);
    assert!(parse(&good).is_ok());
    assert_eq!(
        parse(&good[..good.len() - 1]),
        Err(ParseError::Length {
            found: good.len() - 1,
            said: u32::try_from(good.len()).unwrap()
        })
    );
    assert_eq!(
        parse(&[0; 8]),
        Err(ParseError::Short {
            len: 8,
            part: "header"
        })
    );
    assert_eq!(parse(&record(99, 0, &[])), Err(ParseError::Kind(99)));
    assert_eq!(parse(&record(4, 32, &[(77, 0, b"")])), Err(ParseError::Tag(77)));
    let mut other = good;
    other[6] = 9;
    assert_eq!(parse(&other), Err(ParseError::Version(9)));
}

#[test]
fn the_stack_is_the_end_of_a_record() {
    let mut bytes = record(4, 32, &[(2, 0, b"a")]);
    bytes.extend([7_u64, 8].map(u64::to_ne_bytes).concat());
    let len = u32::try_from(bytes.len()).unwrap();
    bytes[..4].copy_from_slice(&len.to_ne_bytes());
    let at = std::mem::offset_of!(Header, frames);
    let with_frames = |frames: u16| {
        let mut bytes = bytes.clone();
        bytes[at..at + 2].copy_from_slice(&frames.to_ne_bytes());
        parse(&bytes)
    };
    let told = with_frames(2).unwrap();
    assert_eq!(told.stack, [7, 8]);
    assert!(matches!(told.body, Body::Open(open) if open.user_path == "a"));
    let short = ParseError::Short {
        len: bytes.len(),
        part: "stack",
    };
    assert_eq!(with_frames(u16::MAX), Err(short));
}

proptest! {
    /// Whatever the bytes are, the parser answers.
    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in 0_u16..14) {
        if bytes.len() >= 8 {
            let len = u32::try_from(bytes.len()).unwrap();
            bytes[..4].copy_from_slice(&len.to_ne_bytes());
            bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
            bytes[6..8].copy_from_slice(&VERSION.to_ne_bytes());
        }
        let _ = parse(&bytes);
    }

    /// Chunks of any content give an exec, and as many arguments as it says.
    #[test]
    fn random_chunks_never_panic(
        chunks in proptest::collection::vec((0_u16..14, any::<u16>(), proptest::collection::vec(any::<u8>(), 0..64)), 0..12),
        argc in 0_u32..20_000,
    ) {
        let chunks: Vec<_> = chunks.iter().map(|(tag, flags, bytes)| (*tag, *flags, bytes.as_slice())).collect();
        let mut bytes = record(2, 64, &chunks);
        let at = size_of::<Header>() + 48;
        bytes[at..at + 4].copy_from_slice(&argc.to_ne_bytes());
        if let Ok(Record { body: Body::Exec(exec), .. }) = parse(&bytes) {
            prop_assert_eq!(exec.argv.len(), usize::try_from(argc).unwrap().min(8192));
        }
    }
}
