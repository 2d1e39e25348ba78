//! Memory is bounded by the window, not by the capture.

use std::path::Path;
use std::process::Command;

use capture::{CaptureReader, CaptureWriter, Header, WriterOptions};
use detectors_api::stores::Store;
use detectors_engine::EngineBuilder;
use fixtures::generator::Generator;

/// Names the capture for the replay that runs in a process of its own.
const PATH: &str = "REPLAY_TEST_CAPTURE";
const ANSWER: &str = "peak memory in KiB:";
const WINDOW: u64 = 6_000;

/// The replay whose memory is measured: run by the test below in a process of its own.
#[test]
fn measured() {
    let Some(path) = std::env::var_os(PATH) else {
        return;
    };
    let engine = EngineBuilder::new()
        .detectors(detectors_builtin::detectors())
        .enrichments(["environment"])
        .stores(Store::ALL)
        .build()
        .engine;
    let reader = CaptureReader::open(&path).expect("own capture");
    let options = replay::Options {
        window: WINDOW,
        threads: 2,
        ..replay::Options::default()
    };
    let mut found = 0;
    let count = |detections: Vec<_>| {
        found += detections.len();
        Ok(())
    };
    replay::Replay::plan(&reader, engine, Vec::new(), options)
        .and_then(|replay| replay.run(count, |_| {}))
        .expect("the capture is whole");
    assert!(found > 0, "nothing was found, so this shows nothing");
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs is mounted");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("the kernel tells");
    println!("{ANSWER} {}", peak.trim().trim_end_matches(" kB"));
}

/// Peak memory of a replay, in KiB.
fn peak(capture: &Path) -> u64 {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "measured", "--nocapture"])
        .env(PATH, capture)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = text.lines().find_map(|line| line.split_once(ANSWER));
    let (_, answer) = answer.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)));
    answer.trim().parse().expect("a number")
}

#[test]
fn three_times_the_events_take_no_more_memory() {
    let directory = tempfile::tempdir().expect("a directory");
    let peaks = [60_000_usize, 180_000].map(|events| {
        let path = directory.path().join(format!("{events}.tcap"));
        let header = Header {
            enrichments: vec!["environment".to_owned()],
            // Event time: some 15,000 events. Without it the stores keep all that has ended.
            stores_retention_ns: Some(30_000_000),
            ..Header::default()
        };
        let options = WriterOptions {
            segment_rows: 2 * WINDOW,
            ..WriterOptions::default()
        };
        let mut writer = CaptureWriter::create(&path, header, options).expect("a new capture");
        for (count, event) in (1..).zip(Generator::new(5).take(events)) {
            writer.push(&event);
            if count % WINDOW == 0 {
                writer.flush().expect("flushed");
            }
        }
        writer.finish().expect("finished");
        peak(&path)
    });
    let [small, large] = peaks;
    assert!(
        large <= small + small / 4,
        "60,000 events take {small} KiB, and 180,000 take {large} KiB"
    );
}
