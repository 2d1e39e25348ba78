//! What Docker and containerd say here is what their own command line clients print.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use detectors_api::stores::Runtime;
use detectors_stores::container::{ContainerFacts, Pod, container_of};
use jiff::Timestamp;
use runtimes::testkit::{DockerEngine, EngineError, IMAGE};
use runtimes::{Answer, Cause, Error, Runtimes, Sockets};
use serde_json::Value;

/// An engine, if the machine can run one.
#[expect(
    clippy::print_stderr,
    reason = "who runs the tests must see that one was skipped"
)]
fn engine() -> Option<DockerEngine> {
    match DockerEngine::start() {
        Ok(engine) => Some(engine),
        Err(error @ EngineError::Missing(_)) => {
            eprintln!("SKIPPED: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn connect(sockets: Sockets) -> Runtimes {
    let runtimes = Runtimes::connect(sockets).expect("a thread");
    assert_eq!(runtimes.skipped(), []);
    runtimes
}

fn ns(text: &Value) -> Option<u64> {
    let time: Timestamp = text.as_str()?.parse().expect("a time");
    Some(u64::try_from(time.as_nanosecond()).expect("not before 1970"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn docker_says_what_docker_inspect_prints() {
    let Some(engine) = engine() else { return };
    let labels = [
        "--label=io.kubernetes.pod.name=web-0",
        "--label=io.kubernetes.pod.namespace=shop",
        "--label=io.kubernetes.pod.uid=u-1",
        "--label=io.kubernetes.docker.type=sandbox",
    ];
    let id = engine.run("web", &[], &["sleep", "600"]).expect("runs");
    let in_pod = engine.run("in-a-pod", &labels, &["sleep", "600"]).expect("runs");

    let inspect = |what: &str| json(&engine.docker(["inspect", what]).expect("known"))[0].take();
    let (container, image) = (inspect(&id), inspect(IMAGE));
    assert_eq!(
        (&container["Id"], &container["Name"]),
        (&id.as_str().into(), &"/web".into())
    );
    assert_eq!(image["RepoTags"], serde_json::json!([IMAGE]));
    // An image that was never in a registry has no digest.
    assert_eq!(image["RepoDigests"].as_array().map_or(0, Vec::len), 0);
    let facts = ContainerFacts {
        runtime: Runtime::Docker,
        name: "web".to_owned(),
        image: IMAGE.to_owned(),
        image_digest: String::new(),
        started_ns: ns(&container["State"]["StartedAt"]),
        pod: None,
    };
    assert!(facts.started_ns.is_some());

    let mut runtimes = connect(Sockets::none().with(Runtime::Docker, engine.socket()));
    for runtime in [Runtime::Docker, Runtime::Unknown] {
        let answer = runtimes.ask_now(&id, runtime);
        assert_eq!(
            (answer.container_id.as_str(), answer.outcome),
            (id.as_str(), Ok(facts.clone()))
        );
    }
    let pod = Pod {
        name: "web-0".to_owned(),
        uid: "u-1".to_owned(),
        namespace: "shop".to_owned(),
        sandbox: true,
    };
    let answer = runtimes.ask_now(&in_pod, Runtime::Docker);
    assert_eq!(answer.outcome.expect("known").pod, Some(pod));

    // Podman speaks the same.
    let podman = connect(Sockets::none().with(Runtime::Podman, engine.socket()));
    let expected = ContainerFacts {
        runtime: Runtime::Podman,
        ..facts.clone()
    };
    assert_eq!(podman.ask_now(&id, Runtime::Podman).outcome, Ok(expected));

    // Neither names nor beginnings of ids are ids.
    let unknown = Error::Runtime {
        runtime: Runtime::Docker,
        socket: engine.socket(),
        cause: Cause::UnknownContainer,
    };
    for text in ["web", &id[..32], &"0".repeat(64)] {
        assert_eq!(
            runtimes.ask_now(text, Runtime::Docker).outcome,
            Err(unknown.clone()),
            "{text}"
        );
    }

    // Without waiting: asked once, however often it is asked for.
    let before = since_epoch();
    for _ in 0..3 {
        runtimes.ask(&id, Runtime::Docker);
        runtimes.ask(&in_pod, Runtime::Docker);
    }
    let mut answers: Vec<Answer> = Vec::new();
    while answers.len() < 2 {
        std::thread::sleep(Duration::from_millis(10));
        answers.extend(runtimes.answers());
    }
    assert_eq!((runtimes.waiting(), runtimes.answers()), (0, Vec::new()));
    assert!(
        answers
            .iter()
            .all(|answer| (before..=since_epoch()).contains(&answer.arrived_ns))
    );
    let answer = answers
        .iter()
        .find(|answer| answer.container_id == id)
        .expect("answered");
    assert_eq!(answer.outcome, Ok(facts.clone()));
    assert_eq!(answer.to_input().name.as_deref(), Some("web"));

    // Its cgroup names it.
    let cgroups = engine.exec("web", &["cat", "/proc/1/cgroup"]).expect("runs");
    assert!(!cgroups.is_empty());
    let pid = container["State"]["Pid"].as_u64().expect("a pid");
    let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("alive");
    let found: Vec<_> = cgroups
        .lines()
        .filter_map(|line| container_of(line.splitn(3, ':').nth(2)?))
        .collect();
    assert!(!found.is_empty(), "{cgroups}");
    assert!(
        found
            .iter()
            .all(|found| (found.id, found.runtime, found.root) == (&*id, Runtime::Docker, true))
    );

    // A container that has stopped is still known, and so is one whose image is gone.
    engine.stop("web").expect("stops");
    assert_eq!(runtimes.ask_now(&id, Runtime::Docker).outcome, Ok(facts));
    engine.docker(["image", "rm", "--force", IMAGE]).expect("goes");
    let facts = runtimes.ask_now(&id, Runtime::Docker).outcome.expect("known");
    assert_eq!((facts.image.as_str(), facts.image_digest.as_str()), (IMAGE, ""));
}

#[test]
fn containerd_says_what_ctr_prints() {
    let Some(engine) = engine() else { return };
    let image = engine.give_image_to_containerd("shop").expect("imported");
    let id = "0123456789abcdef".repeat(4);
    let in_namespace = |args: &[&str]| engine.ctr(["--namespace", "shop"].iter().chain(args));
    let labels = [
        "--label=io.kubernetes.container.name=web",
        "--label=io.kubernetes.pod.name=web-0",
        "--label=io.kubernetes.pod.uid=u-1",
        "--label=io.kubernetes.pod.namespace=shop",
        "--label=io.cri-containerd.kind=container",
    ];
    let create = ["containers", "create", "--snapshotter=native"];
    in_namespace(&[&create[..], &labels, &[&image, &id, "/bin/sleep", "600"]].concat()).expect("created");
    let plain = "fedcba9876543210".repeat(4);
    in_namespace(&[&create[..], &[&image, &plain, "/bin/sleep", "600"]].concat()).expect("created");

    let info = json(&in_namespace(&["containers", "info", &id]).expect("known"));
    let images = in_namespace(&["images", "list"]).expect("answers");
    let digest = images
        .split_whitespace()
        .find(|word| word.starts_with("sha256:"))
        .expect("a digest");
    let facts = ContainerFacts {
        runtime: Runtime::Containerd,
        name: "web".to_owned(),
        image: info["Image"].as_str().expect("a text").to_owned(),
        image_digest: digest.to_owned(),
        started_ns: ns(&info["CreatedAt"]),
        pod: Some(Pod {
            name: "web-0".to_owned(),
            uid: "u-1".to_owned(),
            namespace: "shop".to_owned(),
            sandbox: false,
        }),
    };
    assert_eq!(facts.image, image);

    let runtimes = connect(Sockets::none().with(Runtime::Containerd, engine.containerd_socket()));
    assert_eq!(
        runtimes.ask_now(&id, Runtime::Containerd).outcome,
        Ok(facts.clone())
    );
    let other = runtimes
        .ask_now(&plain, Runtime::Containerd)
        .outcome
        .expect("known");
    assert_eq!(
        (other.name.as_str(), other.pod, other.image_digest),
        ("", None, facts.image_digest)
    );

    // Without its image, only the reference is left.
    in_namespace(&["images", "rm", "--sync", &image]).expect("goes");
    let gone = runtimes.ask_now(&id, Runtime::Containerd).outcome.expect("known");
    assert_eq!((gone.image, gone.image_digest), (image.clone(), image));

    let unknown = runtimes.ask_now(&"0".repeat(64), Runtime::Containerd).outcome;
    assert_eq!(
        unknown.expect_err("no such container").to_string(),
        format!(
            "containerd at {}: it does not know the container",
            engine.containerd_socket().display()
        )
    );
    // Of two runtimes the second knows it; of none, both are named.
    let both = connect(
        Sockets::none()
            .with(Runtime::Containerd, engine.containerd_socket())
            .with(Runtime::Docker, engine.socket()),
    );
    assert_eq!(
        both.ask_now(&id, Runtime::Unknown)
            .outcome
            .expect("known")
            .runtime,
        Runtime::Containerd
    );
    assert_eq!(
        both.ask_now(&"0".repeat(64), Runtime::Unknown)
            .outcome
            .expect_err("no such container")
            .to_string(),
        format!(
            "no runtime knows the container: docker at {}: it does not know the container; \
             containerd at {}: it does not know the container",
            engine.socket().display(),
            engine.containerd_socket().display()
        )
    );
}

fn since_epoch() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_nanos()).expect("before 2554")
}
