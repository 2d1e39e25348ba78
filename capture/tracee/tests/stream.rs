//! Events come over gRPC as they would come from a file, and whatever goes wrong is said.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use capture::live::{Ended, Observer, Recording, StreamConfig, Summary, record_stream};
use capture::{
    CaptureReader, CaptureWriter, Header, Import, ImportedInput, Input, InputFormat, Source, State,
    Unreadable, WriterOptions,
};
use detectors_api::event::RecordedEvent;
use prost::Message;
use tempfile::TempDir;
use tracee::testkit::{Listen, Offer, Server, Step, VERSION};
use tracee::{Address, Error, Tracee};

/// What Tracee recorded.
const RECORDING: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../fixtures/data/tracee/v1beta1/events.ndjson.zst"
);

fn serve(listen: Listen, offer: Offer, script: Vec<Step>) -> Server {
    Server::start(listen, offer, script).expect("it listens")
}

/// Imports a file into a capture at `path`.
fn import(file: &Path, path: &Path) -> ImportedInput {
    let mut writer = CaptureWriter::create(path, Header::default(), WriterOptions::default()).expect("made");
    let imported = Import::open(&Input::File(file.to_owned()), InputFormat::Auto)
        .and_then(|import| import.run(&mut writer, &mut |_| (), &|_| ()))
        .expect("it can be imported");
    writer.finish().expect("written");
    imported
}

fn read(path: &Path) -> Vec<(u64, RecordedEvent)> {
    let reader = CaptureReader::open(path).expect("the capture can be read");
    assert_eq!(reader.state(), State::Closed);
    let events = reader.events().expect("the events can be read");
    events
        .map(|event| event.expect("the event can be read"))
        .collect()
}

/// Some of the events that Tracee recorded, as it would send them.
fn messages() -> &'static [Bytes] {
    static MESSAGES: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("recording.tcap");
        import(Path::new(RECORDING), &path);
        let events = read(&path).into_iter().take(300);
        events
            .map(|(_, recorded)| recorded.event.encode_to_vec().into())
            .collect()
    });
    &MESSAGES
}

/// Ten of them.
fn some_events() -> Vec<Step> {
    messages().iter().take(10).cloned().map(Step::Event).collect()
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Observer for Faults {
    fn unreadable(&mut self, record: &Unreadable) {
        self.0.push(record.to_string());
    }
}

struct Recorded {
    path: PathBuf,
    faults: Vec<String>,
    summary: Summary,
    _directory: TempDir,
}

impl Recorded {
    fn input(&self) -> &ImportedInput {
        match &self.summary.manifest.header.source {
            Source::Import { inputs } => &inputs[0],
            Source::Live => panic!("not from a stream"),
        }
    }
}

/// Records what the server sends, until it ends or `stop` says so.
fn record(server: &Server, stop: &mut dyn FnMut() -> bool) -> Recorded {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("stream.tcap");
    let mut faults = Faults::default();
    let stream = Tracee::connect(server.address(), &mut || false)
        .and_then(Tracee::stream)
        .expect("connected");
    let config = StreamConfig::new(Recording::new(&path));
    let summary = record_stream(&config, stream, &mut |_| true, &mut faults, &mut || stop());
    Recorded {
        path,
        faults: faults.0,
        summary: summary.expect("recorded"),
        _directory: directory,
    }
}

#[test]
fn a_stream_gives_what_an_import_of_the_same_messages_gives() {
    let directory = TempDir::new().expect("a directory");
    let mut messages = messages().to_vec();
    // One with a field that our schema does not know, and one that is none.
    let unknown = [&messages[0][..], &[0xc0, 0x3e, 0x01]].concat();
    messages.insert(3, unknown.into());
    messages.insert(7, Bytes::from_static(&[0xff]));
    let file = directory.path().join("messages");
    let mut delimited = Vec::new();
    for message in &messages {
        prost::encode_length_delimiter(message.len(), &mut delimited).expect("a vector takes it");
        delimited.extend_from_slice(message);
    }
    std::fs::write(&file, delimited).expect("written");
    let path = directory.path().join("import.tcap");
    let imported = import(&file, &path);
    assert_eq!((imported.events, imported.unreadable), (301, 1));

    let script: Vec<_> = messages.iter().cloned().map(Step::Event).collect();
    for listen in [Listen::Unix, Listen::Tcp] {
        let server = serve(listen, Offer::Everything, script.clone());
        let recorded = record(&server, &mut || false);
        assert_eq!(recorded.summary.ended, Ended::Stream);
        assert_eq!(read(&recorded.path), read(&path), "{listen:?}");
        assert_eq!(
            recorded.input(),
            &ImportedInput {
                name: server.address().to_string(),
                format: "grpc".to_owned(),
                producer: format!("tracee {VERSION}"),
                bytes: messages.iter().map(|message| message.len() as u64).sum(),
                ..imported.clone()
            }
        );
        assert_eq!(recorded.faults.len(), 1);
        assert!(
            recorded.faults[0].contains("the message is no event"),
            "{:?}",
            recorded.faults
        );
        assert_eq!(recorded.summary.progress.lost, 0);
    }
}

#[test]
fn what_tracee_has_lost_is_lost() {
    let mut script = some_events();
    script.insert(5, Step::Lose(40));
    script.push(Step::Pause(Duration::from_millis(2500)));
    script.push(Step::Lose(2));
    let server = serve(Listen::Unix, Offer::Everything, script);
    let recorded = record(&server, &mut || false);
    let progress = recorded.summary.progress;
    assert_eq!((progress.written, progress.lost, progress.received), (10, 42, 52));
    let reader = CaptureReader::open(&recorded.path).expect("the capture can be read");
    let losses = reader.losses().expect("the losses can be read");
    let counts: Vec<_> = losses
        .iter()
        .map(|loss| (loss.cause.as_str(), loss.count))
        .collect();
    assert_eq!(counts, [("upstream", 40), ("upstream", 2)]);
}

#[test]
fn what_came_before_a_stream_broke_off_is_kept() {
    for (last, says) in [
        (Step::Fail("out of order"), "out of order (DATA_LOSS)"),
        (Step::Vanish, "the connection failed: "),
    ] {
        let script = [some_events(), vec![Step::Pause(Duration::from_millis(300)), last]].concat();
        let server = serve(Listen::Tcp, Offer::Everything, script);
        let recorded = record(&server, &mut || false);
        match &recorded.summary.ended {
            Ended::Broken(reason) => assert!(reason.contains(says), "{reason}"),
            ended => panic!("{ended:?}"),
        }
        assert_eq!(read(&recorded.path).len(), 10);
    }
}

#[test]
fn a_recording_ends_though_the_stream_does_not() {
    let script = [some_events(), vec![Step::Hang]].concat();
    let server = serve(Listen::Unix, Offer::NoDiagnostics, script);
    let begun = Instant::now();
    let recorded = record(&server, &mut || begun.elapsed() > Duration::from_millis(500));
    assert_eq!(recorded.summary.ended, Ended::Requested);
    assert_eq!(read(&recorded.path).len(), 10);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

fn refusal(address: &Address) -> Error {
    Tracee::connect(address, &mut || false).expect_err("this is not Tracee")
}

#[test]
fn an_older_tracee_need_not_tell_losses() {
    let server = serve(Listen::Unix, Offer::NoDiagnostics, Vec::new());
    let tracee = Tracee::connect(server.address(), &mut || false).expect("it is Tracee");
    assert!(!tracee.tells_losses());
    assert_eq!(tracee.producer(), format!("tracee {VERSION}"));
}

#[test]
fn nobody_and_somebody_else_are_told_apart() {
    let nobody = refusal(&Address::Unix("/nonexistent/tracee.sock".to_owned()));
    assert!(matches!(&nobody, Error::Connect { .. }), "{nobody}");
    assert!(
        nobody.to_string().contains("No such file or directory"),
        "{nobody}"
    );

    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = |listener: &TcpListener| Address::Tcp {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().expect("it has a port").port(),
    };
    let free = address(&listener);
    drop(listener);
    let nobody = refusal(&free);
    assert!(matches!(&nobody, Error::Connect { .. }), "{nobody}");
    assert!(nobody.to_string().contains("Connection refused"), "{nobody}");

    let server = serve(Listen::Tcp, Offer::NoEvents, Vec::new());
    let other = refusal(server.address());
    assert!(matches!(&other, Error::NotTracee { .. }), "{other}");
    assert!(other.to_string().ends_with("it has no such service"), "{other}");

    // Somebody who does not speak HTTP/2.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let web = address(&listener);
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let other = refusal(&web);
    assert!(matches!(&other, Error::NotTracee { .. }), "{other}");

    // Somebody who says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = refusal(&address(&listener));
    assert!(matches!(&silent, Error::Silent { .. }), "{silent}");
}
