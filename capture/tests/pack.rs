//! Packs: what a directory holds, in one file; and whatever else calls itself a pack is refused with a reason.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use capture::{CaptureReader, CaptureWriter, Error, Form, Header, State, WriterOptions};
use common::{event, expected, read_all};
use proptest::prelude::*;
use tar::EntryType;

const BLOCK: usize = 512;

/// A capture of 240 events in three segments; if it is not `closed`, the last is in the journal.
fn make(path: &Path, closed: bool) {
    let options = WriterOptions {
        segment_rows: 100,
        ..WriterOptions::default()
    };
    let header = Header {
        capture_id: "7".repeat(32),
        ..Header::default()
    };
    let mut writer = CaptureWriter::create(path, header, options).unwrap();
    for n in 0..240 {
        writer.push(&event(n));
        if n % 50 == 49 {
            writer.flush().unwrap();
        }
    }
    writer.flush().unwrap();
    if closed {
        writer.finish().unwrap();
    }
}

fn packed(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    CaptureReader::open(path)
        .unwrap()
        .pack(&mut bytes, &|_| ())
        .unwrap();
    bytes
}

/// The bytes of a pack of a closed capture.
fn sample() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    make(&path, true);
    packed(&path)
}

fn open(bytes: &[u8]) -> Result<CaptureReader, Error> {
    CaptureReader::open_stream(bytes, "x.tcap.tar")
}

fn refusal(bytes: &[u8]) -> String {
    match open(bytes) {
        Ok(_) => panic!("the pack is opened"),
        Err(error) => {
            assert!(error.is_bad_input(), "{error:?}");
            error.explain()
        }
    }
}

/// Names, headers and contents of a pack, by another reader.
fn entries(bytes: &[u8]) -> Vec<(String, tar::Header, Vec<u8>)> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            std::io::copy(&mut entry, &mut content).unwrap();
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            (name, entry.header().clone(), content)
        })
        .collect()
}

/// An archive of entries of any kind and name.
fn archive<'a>(entries: impl IntoIterator<Item = (&'a str, EntryType, &'a [u8])>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        // As it is: `set_path` would refuse what is tried here.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The sample with its entries changed, in any way, by `change`.
fn changed(change: impl FnOnce(&mut Vec<(String, EntryType, Vec<u8>)>)) -> Vec<u8> {
    let sample = sample();
    let mut all: Vec<_> = entries(&sample)
        .into_iter()
        .map(|(name, _, content)| (name, EntryType::Regular, content))
        .collect();
    change(&mut all);
    archive(
        all.iter()
            .map(|(name, kind, content)| (name.as_str(), *kind, content.as_slice())),
    )
}

fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(
                files(&path)
                    .into_iter()
                    .map(|(below, content)| (Path::new(path.file_name().unwrap()).join(below), content)),
            );
        } else {
            found.push((path.file_name().unwrap().into(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_pack_is_read_in_place() {
    let directory = tempfile::tempdir().unwrap();
    for closed in [true, false] {
        let path = directory.path().join(format!("{closed}.tcap"));
        make(&path, closed);
        let pack = path.with_extension("tcap.tar");
        let original = CaptureReader::open(&path).unwrap();
        original.pack_to(&pack, false, &|_| ()).unwrap();
        let mode = pack.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let reader = CaptureReader::open(&pack).unwrap();
        assert_eq!((reader.form(), original.form()), (Form::Pack, Form::Directory));
        assert_eq!(reader.manifest(), original.manifest());
        assert_eq!(
            reader.state(),
            if closed { State::Closed } else { State::Truncated }
        );
        assert_eq!(read_all(&reader), expected(240));
        let verification = reader.verify(&|_| ());
        assert_eq!(verification.faults, []);
        assert_eq!(verification.digest, original.manifest().digest());
        assert_eq!(reader.segments(), original.segments());
        // The same capture gives the same bytes, also packed from a pack.
        assert_eq!(packed(&path), fs::read(&pack).unwrap());
        assert_eq!(packed(&pack), fs::read(&pack).unwrap());
    }
}

#[test]
fn a_pack_is_a_plain_archive() {
    let sample = sample();
    let reader = open(&sample).unwrap();
    let entries = entries(&sample);
    let names: Vec<_> = entries.iter().map(|(name, ..)| name.as_str()).collect();
    let parts = reader.manifest().parts.iter().map(|part| part.path.as_str());
    let listed: Vec<_> = std::iter::once("manifest.json").chain(parts).collect();
    assert_eq!(names, listed);
    for (name, header, content) in &entries {
        assert_eq!(header.entry_type(), EntryType::Regular, "{name}");
        assert_eq!(header.mode().unwrap(), 0o600);
        assert_eq!((header.uid().unwrap(), header.mtime().unwrap()), (0, 0));
        assert!(!content.is_empty());
    }
}

#[test]
fn unpacking_gives_the_directory_back() {
    let directory = tempfile::tempdir().unwrap();
    for closed in [true, false] {
        let path = directory.path().join(format!("{closed}.tcap"));
        make(&path, closed);
        let target = directory.path().join(format!("{closed}-again.tcap"));
        let reader = open(&packed(&path)).unwrap();
        reader.unpack(&target, false, &|_| ()).unwrap();
        let mode = target.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let mut original = files(&path);
        // A dead recorder's lock and unfinished files are no part of the capture.
        original
            .retain(|(file, _)| !file.starts_with("journal") || file.extension() == Some("journal".as_ref()));
        assert_eq!(files(&target), original);
        let unpacked = CaptureReader::open(&target).unwrap();
        assert_eq!(unpacked.manifest(), reader.manifest());
        assert_eq!(unpacked.state(), reader.state());

        // What is there stays, unless told.
        let error = reader.unpack(&target, false, &|_| ()).unwrap_err();
        assert!(matches!(error, Error::Exists { .. }), "{error}");
        reader.unpack(&target, true, &|_| ()).unwrap();
        assert_eq!(files(&target), original);
        // Only a capture is replaced.
        let other = directory.path().join(format!("{closed}-other"));
        fs::create_dir(&other).unwrap();
        fs::write(other.join("precious"), "x").unwrap();
        let error = reader.unpack(&other, true, &|_| ()).unwrap_err();
        assert!(matches!(error, Error::Exists { .. }), "{error}");
    }
}

#[test]
fn an_open_capture_is_not_packed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    let mut writer = CaptureWriter::create(&path, Header::default(), WriterOptions::default()).unwrap();
    writer.push(&event(0));
    writer.flush().unwrap();
    let reader = CaptureReader::open(&path).unwrap();
    let error = reader.pack(&mut Vec::new(), &|_| ()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is still being recorded: end the recording first")
    );
    drop(writer);
    reader.pack(&mut Vec::new(), &|_| ()).unwrap();
}

#[test]
fn changed_files_are_not_packed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    make(&path, true);
    let reader = CaptureReader::open(&path).unwrap();
    let file = reader.part_path(&reader.manifest().parts[2]);
    let content = fs::read(&file).unwrap();
    for change in [
        |content: &mut Vec<u8>| content[100] ^= 1,
        |content: &mut Vec<u8>| content.truncate(100),
        |content: &mut Vec<u8>| content.push(0),
    ] {
        let mut damaged = content.clone();
        change(&mut damaged);
        fs::write(&file, damaged).unwrap();
        let target = directory.path().join("x.tcap.tar");
        let error = reader.pack_to(&target, false, &|_| ()).unwrap_err();
        assert!(error.to_string().contains("the digest is wrong"), "{error}");
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        // Nothing is left of the attempt.
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_pack_that_is_cut_off_is_refused_wherever_it_ends() {
    let sample = sample();
    let entries = entries(&sample);
    for length in (BLOCK..sample.len()).step_by(BLOCK / 4) {
        let said = refusal(&sample[..length]);
        assert!(said.contains("cut off"), "{length}: {said}");
        assert!(entries.iter().any(|(name, ..)| said.contains(name)), "{said}");
    }
    for length in [0, 1, 12, 200] {
        let said = refusal(&sample[..length]);
        assert!(
            said.contains("neither a directory nor a pack") || said.contains("cut off"),
            "{said}"
        );
    }
}

#[test]
fn damaged_headers_are_refused() {
    let sample = sample();
    // The size of the second entry.
    let manifest = entries(&sample)[0].2.len();
    let second = BLOCK + manifest.next_multiple_of(BLOCK);
    let mut damaged = sample.clone();
    damaged[second + 130] ^= 1;
    let said = refusal(&damaged);
    assert!(
        said.contains(&format!("after entry `manifest.json` at byte {second}: ")),
        "{said}"
    );
    assert!(said.contains("checksum"), "{said}");
    let mut more = sample.clone();
    more.extend([7; BLOCK]);
    assert!(refusal(&more).contains("something follows the end of the pack"));
    // Tapes and other tools fill up with zeros.
    let mut filled = sample;
    filled.resize(filled.len().next_multiple_of(20 * BLOCK), 0);
    open(&filled).unwrap();
}

#[test]
fn only_what_pack_writes_is_a_pack() {
    let regular = EntryType::Regular;
    let cases: [(&str, Vec<u8>); 12] = [
        ("a pack begins with manifest.json", changed(|all| all.swap(0, 1))),
        (
            "a pack begins with manifest.json",
            changed(|all| drop(all.remove(0))),
        ),
        (
            "entry `process/part-000000.parquet` at byte",
            changed(|all| {
                let twice = all
                    .iter()
                    .find(|(name, ..)| name.starts_with("process"))
                    .unwrap()
                    .clone();
                all.push(twice);
            }),
        ),
        (
            "there are two entries of this name",
            changed(|all| {
                let twice = all[0].clone();
                all.push(twice);
            }),
        ),
        (
            "the manifest does not list entry `events/name=close/part-000009.parquet`",
            changed(|all| {
                all.push((
                    "events/name=close/part-000009.parquet".to_owned(),
                    regular,
                    vec![1],
                ));
            }),
        ),
        // A closed capture has no journal.
        (
            "the manifest does not list entry `journal/segment-000003.journal`",
            changed(|all| {
                all.push(("journal/segment-000003.journal".to_owned(), regular, vec![1]));
            }),
        ),
        (
            "entry `../evil` at byte",
            changed(|all| all[1].0 = "../evil".to_owned()),
        ),
        (
            "the name is no path below the capture",
            changed(|all| all[1].0 = "/etc/passwd".to_owned()),
        ),
        (
            "the name is no path below the capture",
            changed(|all| all[1].0 = "events//x".to_owned()),
        ),
        (
            "this is no regular file",
            changed(|all| all[1].1 = EntryType::Symlink),
        ),
        (
            "this is no regular file",
            changed(|all| all[1].1 = EntryType::GNUSparse),
        ),
        (
            "this is no regular file",
            changed(|all| {
                all.insert(
                    1,
                    (
                        "PaxHeader".to_owned(),
                        EntryType::XHeader,
                        b"20 path=manifest.json\n".to_vec(),
                    ),
                );
            }),
        ),
    ];
    for (reason, bytes) in cases {
        let said = refusal(&bytes);
        assert!(said.contains(reason), "{reason}: {said}");
    }
    assert!(refusal(&archive([("manifest.json", EntryType::Link, &b""[..])])).contains("no regular file"));
    let nothing = archive([("manifest.json", regular, &b""[..])]);
    assert!(refusal(&nothing).contains("this is no manifest of a capture"));
}

#[test]
fn sizes_are_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap.tar");
    let header = |size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_path("manifest.json").unwrap();
        header.set_size(size);
        header.set_cksum();
        header
    };
    for size in [1, 1 << 40, u64::MAX >> 1, u64::MAX] {
        let said = refusal(header(size).as_bytes());
        assert!(
            said.contains("entry `manifest.json` at byte 0: the pack is cut off"),
            "{said}"
        );
    }
    // A file with holes is as large as it likes.
    let size = 200 << 20;
    let mut file = File::create(&path).unwrap();
    std::io::Write::write_all(&mut file, header(size).as_bytes()).unwrap();
    file.set_len(BLOCK as u64 + size + 2 * BLOCK as u64).unwrap();
    let said = CaptureReader::open(&path).unwrap_err().to_string();
    assert!(said.contains("manifest.json is larger than"), "{said}");
}

#[test]
fn changed_parts_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let name = "events/name=close/part-000001.parquet";
    let change = |change: fn(&mut Vec<u8>)| {
        changed(|all| {
            let entry = all.iter_mut().find(|(path, ..)| path == name).unwrap();
            change(&mut entry.2);
        })
    };
    let missing = changed(|all| all.retain(|(path, ..)| path != name));
    for (bytes, reason) in [
        (change(|content| content[40] ^= 4), "the digest is wrong"),
        (change(|content| content.truncate(100)), "the digest is wrong"),
        (missing, "is missing, and the manifest lists it"),
    ] {
        let reader = open(&bytes).unwrap();
        let faults = reader.verify(&|_| ()).faults;
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].path, name);
        assert!(faults[0].reason.contains(reason), "{faults:?}");
        let target = directory.path().join("x.tcap");
        let error = reader.unpack(&target, false, &|_| ()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(reason), "{error}");
        // Nothing is left of the attempt.
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

/// Reads all there is, as far as it can be read.
fn read(reader: &CaptureReader) -> Result<Vec<u64>, Error> {
    let seqs = reader.events()?.map(|event| event.map(|(seq, _)| seq)).collect();
    reader.losses()?;
    reader.stores(u64::MAX)?;
    seqs
}

/// One way to change bytes. Positions count blocks of 64 bytes, so that headers are met often.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(prop::sample::Index, u8),
    Write(prop::sample::Index, Vec<u8>),
    Cut(prop::sample::Index),
    /// Copies one block over another.
    Copy(prop::sample::Index, prop::sample::Index),
    /// Makes the checksums of headers right again.
    Mend,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    use prop::sample::Index;
    prop_oneof![
        4 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        4 => (any::<Index>(), prop::collection::vec(prop::sample::select(b"\x00017/.\xff ".to_vec()), 1..16))
            .prop_map(|(at, bytes)| Mutation::Write(at, bytes)),
        1 => any::<Index>().prop_map(Mutation::Cut),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Copy(from, to)),
        2 => Just(Mutation::Mend),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Self::Write(at, new) => {
                // Somewhere in a header, more often than not.
                let at = at.index(bytes.len().div_ceil(64)) * 64;
                let end = bytes.len().min(at + new.len());
                bytes[at..end].copy_from_slice(&new[..end - at]);
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Copy(from, to) => {
                let blocks = bytes.len() / BLOCK;
                if blocks > 0 {
                    let from = from.index(blocks) * BLOCK;
                    bytes.copy_within(from..from + BLOCK, to.index(blocks) * BLOCK);
                }
            }
            Self::Mend => {
                for block in bytes.chunks_exact_mut(BLOCK) {
                    if &block[257..262] == b"ustar" {
                        let mut header = tar::Header::from_byte_slice(block).clone();
                        header.set_cksum();
                        block.copy_from_slice(header.as_bytes());
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever a pack has become, it is read or refused; and what can be unpacked reads as the pack does.
    #[test]
    fn any_change_is_survived(mutations in prop::collection::vec(mutation(), 1..6)) {
        thread_local! {
            static SAMPLE: Vec<u8> = sample();
        }
        let mut bytes = SAMPLE.with(Clone::clone);
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("inner").join("x.tcap");
        fs::create_dir(target.parent().unwrap()).unwrap();
        if let Ok(reader) = open(&bytes) {
            let intact = reader.verify(&|_| ()).faults.is_empty();
            let events = read(&reader);
            match reader.unpack(&target, false, &|_| ()) {
                Ok(()) => {
                    let unpacked = CaptureReader::open(&target).unwrap();
                    prop_assert_eq!(unpacked.verify(&|_| ()).faults.is_empty(), intact);
                    prop_assert_eq!(read(&unpacked).ok(), events.ok());
                }
                Err(_) => prop_assert!(!intact),
            }
        }
        prop_assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
