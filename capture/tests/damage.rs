//! A capture is untrusted input: damage is found and said, and never makes a reader panic, hang or leave the capture.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, new_null_array};
use arrow::datatypes::Schema;
use capture::{CaptureReader, CaptureWriter, Error, Header, Loss, WriterOptions};
use common::{event, read_all};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A capture of one segment in Parquet and, if it is not `closed`, one in the journal.
fn make(path: &Path, closed: bool) {
    let options = WriterOptions {
        segment_rows: 100,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(path, Header::default(), options).unwrap();
    writer.record_loss(Loss {
        seq_from: 0,
        seq_to: 1,
        time_from: None,
        time_to: None,
        cpu: None,
        cause: "ring_full".to_owned(),
        count: 3,
    });
    for n in 0..140 {
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

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Reads all there is, as far as it can be read; the first error.
fn read(path: &Path) -> Result<(), Error> {
    let reader = CaptureReader::open(path)?;
    for event in reader.events()? {
        event?;
    }
    reader.losses()?;
    for store in reader.input_stores() {
        reader.inputs(&store)?;
    }
    reader.keyframes()?;
    reader.stores(u64::MAX)?;
    Ok(())
}

fn is_intact(path: &Path) -> bool {
    CaptureReader::open(path).is_ok_and(|reader| reader.verify(&|_| ()).faults.is_empty())
}

/// `count` positions of a file, spread evenly, its first and last bytes among them.
fn positions(length: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |n| n * (length - 1) / (count - 1))
}

#[test]
fn flipped_bytes_are_found() {
    let directory = tempfile::tempdir().unwrap();
    for closed in [true, false] {
        let path = directory.path().join(format!("{closed}.tcap"));
        make(&path, closed);
        assert!(is_intact(&path));
        for file in files(&path) {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            if name.ends_with(".tmp") || name == "lock" {
                continue;
            }
            let content = fs::read(&file).unwrap();
            for position in positions(content.len(), 15) {
                for bit in [0, 7] {
                    let mut damaged = content.clone();
                    damaged[position] ^= 1 << bit;
                    fs::write(&file, &damaged).unwrap();
                    // An error or not: what matters is that it comes back.
                    let _ = read(&path);
                    let intact = is_intact(&path);
                    // A torn end of a journal is cut off and reported otherwise; a manifest has blanks and free text.
                    if name.ends_with(".parquet") {
                        assert!(!intact, "{}, byte {position}", file.display());
                    }
                }
            }
            fs::write(&file, content).unwrap();
        }
        assert!(is_intact(&path));
    }
}

#[test]
fn files_of_every_length_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    make(&path, true);
    for file in files(&path) {
        let content = fs::read(&file).unwrap();
        for length in positions(content.len() - 1, 20) {
            fs::write(&file, &content[..length]).unwrap();
            let error = read(&path).unwrap_err();
            assert!(error.is_bad_input(), "{error}");
        }
        fs::remove_file(&file).unwrap();
        assert!(read(&path).unwrap_err().is_bad_input());
        fs::write(&file, content).unwrap();
    }
    read(&path).unwrap();
}

/// Errors name the file, the row group and the column.
#[test]
fn an_error_says_where() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    make(&path, true);
    let file = path.join("events/name=security_file_open/part-000000.parquet");
    let content = fs::read(&file).unwrap();
    let mut said = Vec::new();
    for position in (0..content.len()).step_by(11) {
        let mut damaged = content.clone();
        damaged[position] ^= 0x55;
        fs::write(&file, damaged).unwrap();
        if let Err(error @ Error::Parquet { column: Some(_), .. }) = read(&path) {
            said.push(error.to_string());
        }
    }
    let place = format!("{}, row group 0, column `pathname`: ", file.display());
    assert!(said.iter().any(|text| text.starts_with(&place)), "{said:?}");
}

fn edit(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let file = path.join("manifest.json");
    let mut manifest = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(&file, serde_json::to_vec(&manifest).unwrap()).unwrap();
}

#[test]
fn what_is_no_capture_is_refused_with_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let refusal = |path: &Path| CaptureReader::open(path).unwrap_err().to_string();
    let path = directory.path();
    assert!(refusal(&path.join("nowhere")).ends_with("is no capture: there is no such file or directory"));
    assert!(refusal(path).ends_with("is no capture: it has no manifest.json"));
    fs::write(path.join("file"), "x").unwrap();
    assert!(
        refusal(&path.join("file"))
            .ends_with("is no capture: it is neither a directory nor a pack nor a text")
    );
    fs::write(path.join("manifest.json"), "").unwrap();
    assert!(refusal(path).contains("this is no manifest of a capture"));
    fs::write(path.join("manifest.json"), r#"{"format": "one"}"#).unwrap();
    assert!(refusal(path).contains("`one` is no version"));
}

#[test]
fn versions() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    make(&path, true);
    edit(&path, |manifest| {
        manifest["format"] = "1.9".into();
        manifest["of_the_future"] = serde_json::json!({"x": [1]});
        manifest["parts"][0]["of_the_future"] = 1.into();
    });
    read(&path).unwrap();
    edit(&path, |manifest| manifest["format"] = "2.0".into());
    let error = read(&path).unwrap_err();
    assert!(matches!(&error, Error::Version { found, .. } if found == "2.0"));
    assert!(error.to_string().contains("use a newer tracee-cap"), "{error}");
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    type Change = fn(&mut serde_json::Value);
    let changes: [(Change, &str); 6] = [
        (
            |m| m["totals"]["received"] = 1.into(),
            "the totals contradict each other",
        ),
        (|m| m["parts"][0]["path"] = "../secret".into(), "should be"),
        (|m| m["parts"][0]["path"] = "/etc/shadow".into(), "should be"),
        (|m| m["parts"][0]["table"] = "../x".into(), "cannot name a table"),
        (|m| m["parts"][1] = m["parts"][0].clone(), "listed twice"),
        (|m| m["segments"] = 0.into(), "belongs to segment"),
    ];
    for (change, reason) in changes {
        let _ = fs::remove_dir_all(&path);
        make(&path, true);
        edit(&path, change);
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn links_and_pipes_are_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    make(&path, true);
    let outside = directory.path().join("outside");
    let part = path.join("process/part-000000.parquet");
    fs::rename(&part, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &part).unwrap();
    assert!(matches!(
        read(&path),
        Err(Error::Escape {
            what: "a symbolic link",
            ..
        })
    ));
    fs::remove_file(&part).unwrap();
    nix::unistd::mkfifo(&part, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(matches!(
        read(&path),
        Err(Error::Escape {
            what: "no regular file",
            ..
        })
    ));
    fs::remove_file(&part).unwrap();
    fs::rename(path.join("process"), directory.path().join("process")).unwrap();
    std::os::unix::fs::symlink(directory.path().join("process"), path.join("process")).unwrap();
    fs::rename(&outside, directory.path().join("process/part-000000.parquet")).unwrap();
    assert!(matches!(
        read(&path),
        Err(Error::Escape {
            what: "a symbolic link",
            ..
        })
    ));
}

#[test]
fn verification_names_what_was_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    make(&path, true);
    let faults = || -> Vec<String> {
        let faults = CaptureReader::open(&path).unwrap().verify(&|_| ()).faults;
        faults
            .into_iter()
            .map(|fault| format!("{}: {}", fault.path, fault.reason))
            .collect()
    };
    assert_eq!(faults(), [""; 0]);

    let planted = path.join("events/name=close/part-000007.parquet");
    fs::copy(path.join("events/name=close/part-000000.parquet"), &planted).unwrap();
    assert_eq!(
        faults(),
        ["events/name=close/part-000007.parquet: the manifest does not list this file"]
    );
    fs::remove_file(planted).unwrap();

    edit(&path, |manifest| manifest["events"]["close"] = 5.into());
    assert_eq!(
        faults(),
        [
            "manifest.json: says 5 events of type close, and there are 28",
            "manifest.json: says 140 events in all, and 117 by type"
        ]
    );
    edit(&path, |manifest| manifest["events"]["close"] = 28.into());

    // A file of the same name out of another capture, with the manifest adapted to it: only the chain tells.
    edit(&path, |manifest| {
        let digest = manifest["parts"][0]["digest"].clone();
        manifest["parts"][1]["digest"] = digest;
    });
    let faults = faults();
    assert!(
        faults
            .iter()
            .any(|fault| fault.contains("the hash chain is broken here")),
        "{faults:?}"
    );
}

/// The journal's frames have digests, so only a hostile writer makes frames like these.
#[test]
fn a_forged_journal_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    make(&path, false);
    let journal = path.join("journal/segment-000001.journal");
    let content = fs::read(&journal).unwrap();
    let frame = |payload: &[u8]| {
        let mut frame = b"TCJ1".to_vec();
        frame.extend((payload.len() as u32).to_le_bytes());
        frame.extend(&blake3::hash(payload).as_bytes()[..8]);
        frame.extend(payload);
        frame
    };
    let length = u32::from_le_bytes(content[4..8].try_into().unwrap()) as usize;
    let payload = &content[16..16 + length];
    assert_eq!(frame(payload), content[..16 + length]);
    let before = read_all(&CaptureReader::open(&path).unwrap()).len();
    assert_eq!(before, 140);
    for position in positions(payload.len(), 150) {
        for mask in [0x01, 0x80, 0xff] {
            let mut forged = payload.to_vec();
            forged[position] ^= mask;
            fs::write(&journal, frame(&forged)).unwrap();
            let _ = read(&path);
        }
    }
    for length in positions(payload.len(), 100) {
        fs::write(&journal, frame(&payload[..length])).unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.is_bad_input(), "{error}");
    }
}

#[test]
fn a_table_of_nothing_but_nulls_is_decoded_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    make(&path, true);
    let part = path.join("process/part-000000.parquet");
    let table = ParquetRecordBatchReaderBuilder::try_new(File::open(&part).unwrap()).unwrap();
    let fields = table.schema().fields().iter();
    let fields: Vec<_> = fields
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let nulls = RecordBatch::new_empty(Arc::new(Schema::new(fields)));
    let columns = nulls.columns().iter();
    let columns = columns
        .map(|column| new_null_array(column.data_type(), 100))
        .collect();
    let nulls = RecordBatch::try_new(nulls.schema(), columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&part).unwrap(), nulls.schema(), None).unwrap();
    writer.write(&nulls).unwrap();
    writer.close().unwrap();
    // What the footer says is not enough: there are no rows.
    let table = ParquetRecordBatchReaderBuilder::try_new(File::open(&part).unwrap()).unwrap();
    let data = table.metadata().row_group(0).compressed_size() as usize;
    let mut content = fs::read(&part).unwrap();
    content[4..4 + data].fill(0xff);
    fs::write(&part, &content).unwrap();
    edit(&path, |manifest| {
        let parts = manifest["parts"].as_array_mut().unwrap();
        let entry = parts
            .iter_mut()
            .find(|entry| entry["path"] == "process/part-000000.parquet")
            .unwrap();
        entry["bytes"] = content.len().into();
    });
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("row group 0: Parquet"), "{error}");
}
