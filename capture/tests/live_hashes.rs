//! SHA-256 of what is executed on this kernel. It needs root and BTF, and says so where it has to skip.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;
use std::time::Duration;

use capture::CaptureReader;
use capture::live::{Config, HashMode, LATE, LiveError, NoObserver, Recording, record};
use detectors_api::event::RecordedEvent;
use detectors_api::proto::event_value::Value;
use sha2::{Digest, Sha256};

/// Records a script; none, with a note that the test harness does not capture, where this machine has no sensor.
fn record_script(directory: &Path, script: &str, patience: Duration) -> Option<CaptureReader> {
    let path = directory.join("test.tcap");
    let mut config = Config::new(Recording::new(&path));
    config.command = ["/bin/sh", "-c", script].map(Into::into).into();
    config.sensor.events = vec!["shared_object_loaded".to_owned()];
    config.hashes = Some(HashMode::DevInode);
    config.hash_patience = patience;
    match record(&config, None, &mut NoObserver, &mut || false) {
        Ok(_) => Some(CaptureReader::open(&path).expect("the capture can be read")),
        Err(LiveError::Sensor(
            error @ (ebpf::Error::Capabilities(_) | ebpf::Error::Btf(_) | ebpf::Error::Machine(_)),
        )) => {
            let note = format!("SKIPPED, no live recording here: {error}\n");
            nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn sha256(path: &str) -> String {
    let content = std::fs::read(path).unwrap();
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn text<'a>(event: &'a RecordedEvent, field: &str) -> Option<&'a str> {
    let fields = event.event.data.iter();
    fields
        .filter(|value| value.name == field)
        .find_map(|value| match &value.value {
            Some(Value::Str(text)) => Some(text.as_str()),
            _ => None,
        })
}

/// Path and hash of what was executed or mapped, in order.
fn hashed(reader: &CaptureReader) -> Vec<(String, Option<String>)> {
    let events = reader.events_of(&["sched_process_exec", "shared_object_loaded"], 0..=u64::MAX);
    let events = events.unwrap().map(|event| event.unwrap().1);
    let owned = |text: Option<&str>| text.map(str::to_owned);
    events
        .map(|event| {
            (
                owned(text(&event, "pathname")).unwrap(),
                owned(text(&event, "sha256")),
            )
        })
        .collect()
}

#[test]
fn what_is_executed_has_a_hash() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let (own, gone) = (path.join("own"), path.join("gone"));
    let [own, gone] = [&own, &gone].map(|path| path.to_str().unwrap());
    // One that ends at once, twice; and one that is removed while it runs.
    let script = format!(
        "cp /bin/true {own}; {own}; {own}; cp /bin/sleep {gone}; {gone} 0.5 & sleep 0.1; rm {gone}; wait"
    );
    let Some(reader) = record_script(&path, &script, Duration::from_secs(20)) else {
        return;
    };
    let enrichments = &reader.manifest().header.enrichments;
    assert!(
        enrichments.contains(&"executable-hash=dev-inode".to_owned()),
        "{enrichments:?}"
    );
    let found = hashed(&reader);
    let of = |path: &str| -> Vec<_> {
        let found = found.iter().filter(|(found, _)| found == path);
        found.map(|(_, hash)| hash.as_deref()).collect()
    };
    let (true_hash, sleep_hash) = (sha256("/bin/true"), sha256("/bin/sleep"));
    assert_eq!(of(own), [Some(true_hash.as_str()); 2], "{found:?}");
    assert_eq!(of(gone), [Some(sleep_hash.as_str())], "{found:?}");
    let libc = found.iter().filter(|(path, _)| path.contains("libc.so"));
    for (path, hash) in libc {
        assert_eq!(hash.as_deref(), Some(sha256(path).as_str()));
    }
    // Nothing was put in another order.
    let seqs: Vec<_> = reader.events().unwrap().map(|event| event.unwrap()).collect();
    let times: Vec<_> = seqs
        .iter()
        .filter_map(|(_, event)| detectors_api::event::timestamp_ns(event.event.timestamp.as_ref()?))
        .collect();
    assert!(times.is_sorted());
}

#[test]
fn what_comes_too_late_is_told_to_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let Some(reader) = record_script(&path, "sleep 0.5; /bin/true", Duration::ZERO) else {
        return;
    };
    let sleeps = hashed(&reader)
        .into_iter()
        .filter(|(path, _)| path.ends_with("/sleep"));
    assert_eq!(sleeps.map(|(_, hash)| hash).collect::<Vec<_>>(), [None]);
    let stores = reader.history().unwrap();
    let last = reader.manifest().seq.unwrap().last;
    let store = stores.custom().at(last, 0);
    let late = store.get(LATE).expect("there were some");
    let hashes: Vec<_> = late
        .entries()
        .map(|(_, _, data)| data["sha256"].as_str().unwrap().to_owned())
        .collect();
    assert!(hashes.contains(&sha256("/bin/sleep")), "{hashes:?}");
}
