//! Runtimes that are missing, slow or broken cost an error, and nothing else.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use detectors_api::stores::Runtime;
use runtimes::{Answer, Cause, Error, Runtimes, Sockets};
use tempfile::TempDir;

/// Longer than anything here takes, and shorter than anyone wants to wait for a failing test.
const LONG: Duration = Duration::from_secs(30);

/// A socket whose connections `serve` gets.
fn listen(serve: impl Fn(UnixStream) + Send + 'static) -> (TempDir, PathBuf) {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("runtime.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    (dir, path)
}

fn cause(answer: Answer) -> Cause {
    match answer.outcome {
        Err(Error::Runtime { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_to_ask() {
    let runtimes =
        Runtimes::connect(Sockets::none().with(Runtime::Crio, "/nonexistent/crio.sock")).expect("a thread");
    assert_eq!(runtimes.skipped().len(), 1);
    let error = |id: &str, runtime| runtimes.ask_now(id, runtime).outcome.expect_err("nobody there");
    assert_eq!(error("abc", Runtime::Unknown), Error::NoRuntime);
    for runtime in [Runtime::Crio, Runtime::Garden] {
        assert_eq!(error("abc", runtime), Error::NoSocket { runtime });
    }
    assert_eq!(
        error("abc", Runtime::Docker).to_string(),
        "docker cannot be asked: it has no socket here; say where it is if it is not at the usual place"
    );
    for id in ["", "..", "../version", "a/b", "a?all=1", "a b", "ä"] {
        assert_eq!(error(id, Runtime::Unknown), Error::NotAnId, "{id}");
    }
}

#[test]
fn a_runtime_that_does_not_answer_is_given_up() {
    let (_dir, socket) = listen(std::mem::forget);
    let timeout = Duration::from_millis(100);
    for runtime in [Runtime::Docker, Runtime::Containerd, Runtime::Crio] {
        let sockets = Sockets::none().with(runtime, &socket);
        let runtimes = Runtimes::with_timeout(sockets, timeout).expect("a thread");
        let began = Instant::now();
        let answer = runtimes.ask_now("abc", runtime);
        assert!(began.elapsed() < LONG);
        assert_eq!(
            answer.to_input().error,
            Some(format!(
                "{runtime} at {}: no answer within 0.1 s",
                socket.display()
            ))
        );
        assert_eq!(cause(answer), Cause::TimedOut(timeout));
    }
}

#[test]
fn a_runtime_that_talks_nonsense_is_refused() {
    let (_dir, socket) = listen(|mut stream| {
        let mut request = [0; 512];
        let _ = stream.read(&mut request);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnonsense!");
    });
    for runtime in [Runtime::Docker, Runtime::Containerd, Runtime::Crio] {
        let runtimes = Runtimes::connect(Sockets::none().with(runtime, &socket)).expect("a thread");
        let cause = cause(runtimes.ask_now("abc", runtime));
        assert!(
            matches!(cause, Cause::Connect(_) | Cause::Refused { .. }),
            "{runtime}: {cause:?}"
        );
    }
}

#[test]
fn a_socket_that_nobody_listens_on() {
    let (dir, socket) = listen(drop);
    let dead = dir.path().join("dead.sock");
    drop(UnixListener::bind(&dead).expect("a socket"));
    for runtime in [
        Runtime::Docker,
        Runtime::Containerd,
        Runtime::Crio,
        Runtime::Podman,
    ] {
        let runtimes = Runtimes::connect(Sockets::none().with(runtime, &dead)).expect("a thread");
        let cause = cause(runtimes.ask_now("abc", runtime));
        assert!(
            matches!(&cause, Cause::Connect(reason) if reason.contains("refused")),
            "{runtime}: {cause:?}"
        );
    }
    assert!(socket.exists());
}

#[test]
fn slow_runtimes_hold_up_nobody_who_asks_or_leaves() {
    let (_dir, socket) = listen(std::mem::forget);
    let mut runtimes = Runtimes::connect(Sockets::none().with(Runtime::Docker, &socket)).expect("a thread");
    let began = Instant::now();
    for number in 0..5_000 {
        runtimes.ask(&format!("container-{number}"), Runtime::Docker);
        runtimes.ask(&format!("container-{number}"), Runtime::Docker);
    }
    let refused = runtimes.answers();
    let most = runtimes.waiting();
    assert_eq!(most, 4_096, "questions are not kept without end");
    // Each of the others was refused, both times.
    assert_eq!(refused.len(), 2 * (5_000 - most));
    let busy = Error::Busy { waiting: most };
    assert!(refused.iter().all(|answer| answer.outcome.as_ref() == Err(&busy)));
    drop(runtimes);
    // A single answer would have taken 10 s.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}
