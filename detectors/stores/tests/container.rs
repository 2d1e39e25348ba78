//! The container store, told what happens on a small host.

use detectors_api::stores::{ContainerFilter, ContainerInfo, PodInfo, Runtime, Stores as _};
use detectors_api::testkit::{TestEvent, batches};
use detectors_stores::container::{ContainerFacts, ContainerInput, ContainersAt, Pod};
use detectors_stores::rows::{Row as _, RowsError};
use detectors_stores::{FoldError, Input, Stores};

const H: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const K: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// A path, in which `H` and `K` stand for ids.
fn spelt(path: &str) -> String {
    path.replace('H', H).replace('K', K)
}

/// A directory is made; the event's time is its sequence number times ten.
fn mkdir(cgroup: u64, path: &str) -> TestEvent {
    TestEvent::new("cgroup_mkdir")
        .set("cgroup_id", cgroup)
        .set("cgroup_path", spelt(path))
        .set("hierarchy_id", 0_u32)
}

fn rmdir(cgroup: u64, path: &str) -> TestEvent {
    TestEvent::new("cgroup_rmdir")
        .set("cgroup_id", cgroup)
        .set("cgroup_path", spelt(path))
        .set("hierarchy_id", 0_u32)
}

fn container_create(id: &str, ctime: u64) -> TestEvent {
    TestEvent::new("container_create")
        .set("runtime", "docker")
        .set("container_id", id)
        .set("ctime", ctime)
        .set("container_name", "web")
        .set("container_image", "nginx:1")
        .set("container_image_digest", "nginx@sha256:1")
        .set("pod_name", "")
        .set("pod_namespace", "")
        .set("pod_uid", "")
        .set("pod_sandbox", false)
}

fn container_remove(id: &str) -> TestEvent {
    TestEvent::new("container_remove")
        .set("runtime", "docker")
        .set("container_id", id)
}

/// Facts about a container called `name`.
fn facts(name: &str) -> ContainerFacts {
    ContainerFacts {
        runtime: Runtime::Docker,
        name: name.to_owned(),
        image: "nginx:1".to_owned(),
        image_digest: "nginx@sha256:1".to_owned(),
        started_ns: Some(7),
        pod: None,
    }
}

/// Inputs, each before an event, and events number 1, 2, … at 10, 20, … ns.
fn told(inputs: &[(u64, ContainerInput)], events: &[TestEvent]) -> Stores {
    let mut stores = Stores::new();
    for (seq, input) in inputs {
        stores
            .add_input(input_of(*seq, input))
            .expect("nothing applied yet");
    }
    let events: Vec<_> = (1..)
        .zip(events)
        .map(|(seq, event)| event.clone().at_ns(seq * 10))
        .collect();
    stores.advance(&batches(&events), 100).expect("in order");
    stores
}

fn input_of(seq: u64, input: &ContainerInput) -> Input {
    Input {
        store: "container".to_owned(),
        seq,
        rows: ContainerInput::to_batch(std::slice::from_ref(input)),
    }
}

fn at(stores: &Stores, seq: u64) -> ContainersAt<'_> {
    stores.containers().at(seq, 0)
}

fn get<'a>(stores: &'a Stores, seq: u64, id: &str) -> Option<ContainerInfo<'a>> {
    at(stores, seq)
        .all()
        .into_iter()
        .find(|container| container.id == id)
}

fn by_cgroup(stores: &Stores, seq: u64, cgroup: u64) -> Option<String> {
    let view = stores.at(seq, 0);
    let found = view.containers().get_container_by_cgroup(cgroup).ok()?;
    Some(found.id.to_owned())
}

fn live(stores: &Stores, seq: u64) -> Vec<String> {
    let view = stores.at(seq, 0);
    let found = view.containers().list_containers(&ContainerFilter::default());
    found
        .expect("healthy")
        .iter()
        .map(|container| container.id.to_owned())
        .collect()
}

/// A directory that existed when it was looked at.
fn directory(cgroup: u64, path: &str, ctime: u64) -> ContainerInput {
    ContainerInput::directory(1_000, 0, cgroup, spelt(path), Some(ctime))
}

#[test]
fn a_life_is_seen_as_it_was_at_every_event() {
    let stores = told(
        &[(3, ContainerInput::enriched(25, H, &facts("web")))],
        &[
            mkdir(5, "/docker/H"),
            mkdir(6, "/docker/H/init"),
            rmdir(6, "/docker/H/init"),
            rmdir(5, "/docker/H"),
        ],
    );
    assert_eq!(get(&stores, 0, H), None);
    let made = ContainerInfo {
        id: H,
        name: "",
        image: "",
        image_digest: "",
        runtime: Runtime::Docker,
        start_ns: Some(10),
        reported_start_ns: None,
        end_ns: None,
        pod: None,
    };
    assert_eq!(get(&stores, 1, H), Some(made));
    assert_eq!(
        get(&stores, 2, H),
        Some(made),
        "a directory further down changes nothing"
    );
    let told = ContainerInfo {
        name: "web",
        image: "nginx:1",
        image_digest: "nginx@sha256:1",
        reported_start_ns: Some(7),
        ..made
    };
    assert_eq!(get(&stores, 3, H), Some(told), "nor does its removal");
    let ended = ContainerInfo {
        end_ns: Some(40),
        ..told
    };
    assert_eq!(get(&stores, 4, H), Some(ended), "it can still be asked for");
    assert_eq!(get(&stores, 99, H), Some(ended), "for ever");
    assert_eq!([live(&stores, 3), live(&stores, 4)], [vec![H.to_owned()], vec![]]);
}

#[test]
fn the_empty_id_is_no_container() {
    let stores = told(
        &[(1, directory(1, "/", 1)), (1, directory(2, "/user.slice", 2))],
        &[mkdir(3, "/foo")],
    );
    let view = stores.at(1, 0);
    let containers = view.containers();
    assert!(containers.get_container("").expect_err("no id").is_not_found());
    assert!(
        containers
            .get_container_by_name("")
            .expect_err("no name")
            .is_not_found()
    );
    assert!(
        containers
            .get_container_by_cgroup(3)
            .expect_err("no container")
            .is_not_found()
    );
    assert_eq!(containers.metrics().item_count, 0);
    assert_eq!(
        containers.get_container("web").expect_err("unknown").to_string(),
        "container.get_container: no container with id `web` is known"
    );
}

#[test]
fn making_a_directory_in_a_container_wipes_nothing() {
    let stores = told(
        &[(2, ContainerInput::enriched(15, H, &facts("web")))],
        &[mkdir(5, "/docker/H"), mkdir(6, "/docker/H/nested")],
    );
    let container = get(&stores, 2, H).expect("known");
    assert_eq!((container.name, container.start_ns), ("web", Some(10)));
    assert_eq!(live(&stores, 2), [H], "one entry, not one per directory");
    for cgroup in [5, 6] {
        assert_eq!(by_cgroup(&stores, 2, cgroup).as_deref(), Some(H));
    }
}

#[test]
fn a_container_is_not_removed_while_a_directory_of_its_own_is_left() {
    let stores = told(
        &[],
        &[
            mkdir(5, "/docker/H"),
            mkdir(6, "/docker/H/nested"),
            rmdir(6, "/docker/H/nested"),
            rmdir(77, "/unknown"),
            mkdir(8, "/elsewhere/H"),
            rmdir(5, "/docker/H"),
            rmdir(8, "/elsewhere/H"),
        ],
    );
    assert_eq!(live(&stores, 6), [H]);
    assert_eq!(
        get(&stores, 7, H).and_then(|container| container.end_ns),
        Some(70)
    );
}

#[test]
fn an_inode_number_belongs_to_its_last_directory() {
    let stores = told(
        &[],
        &[
            mkdir(5, "/docker/H"),
            rmdir(5, "/docker/H"),
            mkdir(5, "/docker/K"),
            // Its removal was lost.
            mkdir(5, "/user.slice"),
            rmdir(5, "/user.slice"),
        ],
    );
    let found: Vec<_> = (0..6).map(|seq| by_cgroup(&stores, seq, 5)).collect();
    let (h, k) = (Some(H.to_owned()), Some(K.to_owned()));
    assert_eq!(found, [None, h.clone(), h, k, None, None]);
    assert_eq!(
        get(&stores, 5, K).and_then(|container| container.end_ns),
        Some(40)
    );
}

#[test]
fn the_low_half_of_an_inode_number_counts() {
    let stores = told(&[], &[mkdir((9 << 32) | 5, "/docker/H"), rmdir(5, "/docker/H")]);
    for cgroup in [5, (9 << 32) | 5, (1 << 32) | 5] {
        assert_eq!(by_cgroup(&stores, 1, cgroup).as_deref(), Some(H));
    }
    assert_eq!(
        get(&stores, 2, H).and_then(|container| container.end_ns),
        Some(20)
    );
}

#[test]
fn a_number_that_differs_in_its_upper_half_is_another_directory() {
    // The container was restarted, and the removal in between was lost.
    let stores = told(
        &[],
        &[
            mkdir((1 << 32) | 5, "/docker/H"),
            mkdir((2 << 32) | 5, "/docker/H"),
        ],
    );
    assert_eq!(
        get(&stores, 2, H).and_then(|container| container.start_ns),
        Some(20)
    );
    assert_eq!(live(&stores, 2), [H]);
}

#[test]
fn a_container_that_comes_back_lives_again() {
    let stores = told(
        &[(2, ContainerInput::enriched(15, H, &facts("web")))],
        &[
            mkdir(5, "/docker/H"),
            rmdir(5, "/docker/H"),
            mkdir(9, "/docker/H"),
        ],
    );
    let again = get(&stores, 3, H).expect("known");
    assert_eq!((again.start_ns, again.end_ns), (Some(30), None));
    assert_eq!((again.name, again.reported_start_ns), ("web", None));
    assert_eq!(get(&stores, 2, H).and_then(|ended| ended.end_ns), Some(20));
    assert_eq!(at(&stores, 3).all().len(), 1);
}

#[test]
fn a_container_started_when_its_own_directory_was_made() {
    // A directory further down is seen first, and a better time for the start is learned last.
    let stores = told(
        &[
            (3, directory(5, "/docker/H", 8)),
            (4, directory(6, "/docker/H/init", 3)),
        ],
        &[mkdir(6, "/docker/H/init"), mkdir(5, "/docker/H")],
    );
    let starts: Vec<_> = (1..5)
        .map(|seq| get(&stores, seq, H).expect("known").start_ns)
        .collect();
    assert_eq!(starts, [None, Some(20), Some(8), Some(8)]);
}

#[test]
fn containers_that_existed_at_the_start() {
    let stores = told(
        &[
            (1, directory(5, "/docker/H", 3)),
            (1, directory(6, "/system.slice", 3)),
            (1, ContainerInput::directory(9, 0, 7, spelt("/docker/K"), None)),
        ],
        &[
            // The snapshot had seen it already.
            mkdir(5, "/docker/H"),
            rmdir(7, "/docker/K"),
        ],
    );
    let container = get(&stores, 1, H).expect("known");
    assert_eq!((container.start_ns, container.end_ns), (Some(3), None));
    assert_eq!(live(&stores, 1), [K, H], "one whose start is unknown comes first");
    assert_eq!(live(&stores, 2), [H]);
}

#[test]
fn a_directory_that_was_gone_when_it_was_looked_at_is_not_alive() {
    let dead =
        |seq, ns, cgroup, path: &str| (seq, ContainerInput::dead_directory(ns, 0, cgroup, spelt(path)));
    let stores = told(
        &[
            dead(2, 15, 5, "/docker/H"),
            dead(3, 25, 6, "/docker/K"),
            dead(4, 35, 6, "/docker/K"),
        ],
        &[
            mkdir(5, "/docker/H"),
            rmdir(5, "/docker/H"),
            mkdir(6, "/docker/K"),
        ],
    );
    // Announced, found gone, and its removal came after that.
    let ends: Vec<_> = (1..4)
        .map(|seq| get(&stores, seq, H).and_then(|found| found.end_ns))
        .collect();
    assert_eq!(ends, [None, Some(15), Some(15)]);
    // Found gone at 25, and made at 30: that is another one.
    assert_eq!(get(&stores, 3, K).map(|found| found.end_ns), Some(None));
    assert_eq!(get(&stores, 4, K).and_then(|found| found.end_ns), Some(35));
}

#[test]
fn what_is_found_out_late_does_not_bring_a_container_back() {
    let stores = told(
        &[
            (3, directory(5, "/docker/H", 9)),
            (3, directory(6, "/docker/H/init", 15)),
            (4, directory(7, "/docker/H", 25)),
        ],
        &[
            mkdir(5, "/docker/H"),
            rmdir(5, "/docker/H"),
            mkdir(1, "/"),
            mkdir(1, "/"),
        ],
    );
    let container = get(&stores, 3, H).expect("known");
    assert_eq!((container.start_ns, container.end_ns), (Some(10), Some(20)));
    assert_eq!(
        by_cgroup(&stores, 3, 6).as_deref(),
        Some(H),
        "but it is known whose it was"
    );
    let container = get(&stores, 4, H).expect("known");
    assert_eq!(
        (container.start_ns, container.end_ns),
        (Some(25), None),
        "made after the end"
    );
}

#[test]
fn directories_that_go_without_notice() {
    let stores = told(
        &[
            (1, directory(5, "/docker/H", 1)),
            (2, ContainerInput::removed(15, 0, 5)),
            (3, ContainerInput::removed(25, 0, 99)),
        ],
        &[mkdir(1, "/"), mkdir(1, "/"), mkdir(1, "/")],
    );
    let ends: Vec<_> = (1..4)
        .map(|seq| get(&stores, seq, H).and_then(|found| found.end_ns))
        .collect();
    assert_eq!(ends, [None, Some(15), Some(15)]);
}

#[test]
fn other_hierarchies_do_not_count() {
    let in_hierarchy = |number: u32, event: TestEvent| event.set("hierarchy_id", number);
    let stores = told(
        &[(2, ContainerInput::directory(15, 4, 1, "/", Some(1)))],
        &[
            in_hierarchy(4, mkdir(5, "/docker/H")),
            in_hierarchy(4, mkdir(6, "/docker/K")),
            in_hierarchy(0, mkdir(6, "/docker/H")),
            in_hierarchy(7, rmdir(6, "/docker/K")),
            in_hierarchy(4, rmdir(6, "/docker/K")),
        ],
    );
    // Before an input says otherwise, it is that of cgroup v2.
    assert_eq!(live(&stores, 1), [""; 0]);
    assert_eq!(live(&stores, 4), [K]);
    assert_eq!(by_cgroup(&stores, 4, 6).as_deref(), Some(K));
    assert_eq!(live(&stores, 5), [""; 0]);
    assert_eq!(stores.containers().unusable(), 0);
}

#[test]
fn what_a_runtime_tells_is_known_from_then_on() {
    let pod = Pod {
        name: "web-0".to_owned(),
        uid: "u-1".to_owned(),
        namespace: "shop".to_owned(),
        sandbox: false,
    };
    let in_pod = ContainerFacts {
        runtime: Runtime::Containerd,
        pod: Some(pod),
        ..facts("renamed")
    };
    let nothing = ContainerFacts::default();
    let stores = told(
        &[
            (2, ContainerInput::enrichment_failed(15, H, "timed out")),
            (3, ContainerInput::enriched(25, H, &facts("web"))),
            (4, ContainerInput::enriched(35, H, &in_pod)),
            (5, ContainerInput::enriched(45, H, &nothing)),
        ],
        &[
            mkdir(5, "/foo/H"),
            mkdir(1, "/"),
            mkdir(1, "/"),
            mkdir(1, "/"),
            rmdir(5, "/foo/H"),
        ],
    );
    let names: Vec<_> = (1..6)
        .map(|seq| get(&stores, seq, H).expect("known").name)
        .collect();
    assert_eq!(names, ["", "", "web", "renamed", "renamed"]);
    let runtime = |seq| get(&stores, seq, H).expect("known").runtime;
    assert_eq!(runtime(2), Runtime::Unknown);
    assert_eq!(runtime(5), Runtime::Docker, "the first that knew the container");
    let pod = PodInfo {
        name: "web-0",
        uid: "u-1",
        namespace: "shop",
        sandbox: false,
    };
    assert_eq!(get(&stores, 3, H).expect("known").pod, None);
    assert_eq!(get(&stores, 5, H).expect("known").pod, Some(pod));

    let by_name = |seq, name: &str| {
        at(&stores, seq).all().iter().any(|found| found.name == name)
            && stores.at(seq, 0).containers().get_container_by_name(name).is_ok()
    };
    assert!(by_name(3, "web") && !by_name(4, "web") && by_name(4, "renamed"));

    let best = stores.containers().best_known(H).expect("known");
    assert_eq!((best.name, best.end_ns), ("renamed", Some(50)));
    assert_eq!(stores.containers().best_known(K), None);

    let history: Vec<_> = stores
        .containers()
        .history()
        .map(|version| {
            (
                version.from_seq,
                version.until_seq,
                version.container.name,
                version.error,
            )
        })
        .collect();
    assert_eq!(
        history,
        [
            (1, Some(2), "", None),
            (2, Some(3), "", Some("timed out")),
            (3, Some(4), "web", None),
            (4, Some(5), "renamed", None),
            (5, None, "renamed", None),
        ]
    );
}

#[test]
fn runtimes_cannot_tell_about_unknown_containers() {
    let stores = told(
        &[
            (1, ContainerInput::enriched(5, H, &facts("web"))),
            (1, ContainerInput::enrichment_failed(5, K, "gone")),
        ],
        &[mkdir(1, "/")],
    );
    assert_eq!(at(&stores, 1).all(), []);
    assert_eq!(stores.containers().unusable(), 2);
}

#[test]
fn a_name_finds_the_container_that_matters_most() {
    let named = |seq, id: &str, name: &str| (seq, ContainerInput::enriched(1, id, &facts(name)));
    let third = "1".repeat(64);
    let stores = told(
        &[
            (1, directory(5, "/docker/H", 3)),
            (1, directory(6, "/docker/K", 3)),
            (
                1,
                ContainerInput::directory(1, 0, 7, format!("/docker/{third}"), Some(2)),
            ),
            named(2, H, "web"),
            named(2, K, "web"),
            named(2, &third, "web"),
        ],
        &[
            mkdir(1, "/"),
            mkdir(1, "/"),
            rmdir(5, "/docker/H"),
            rmdir(6, "/docker/K"),
            rmdir(7, &format!("/docker/{third}")),
        ],
    );
    let by_name = |seq| {
        let view = stores.at(seq, 0);
        view.containers()
            .get_container_by_name("web")
            .map(|found| found.id.to_owned())
            .ok()
    };
    assert_eq!(by_name(1), None, "nobody knew the name");
    assert_eq!(
        by_name(2).as_deref(),
        Some(H),
        "of two that started last, the smaller id"
    );
    assert_eq!(by_name(3).as_deref(), Some(K), "alive before ended");
    assert_eq!(by_name(4), Some(third), "though it started first");
    assert_eq!(
        by_name(5).as_deref(),
        Some(H),
        "of ended ones, the one that started last"
    );
}

#[test]
fn lists_are_filtered_and_in_order() {
    let podman = ContainerFacts {
        runtime: Runtime::Podman,
        image: "redis".to_owned(),
        ..facts("db")
    };
    let stores = told(
        &[
            (1, directory(5, "/docker/H", 9)),
            (1, directory(6, "/machine.slice/libpod-K.scope", 3)),
            (1, ContainerInput::enriched(1, H, &facts("web"))),
            (1, ContainerInput::enriched(1, K, &podman)),
        ],
        &[mkdir(1, "/")],
    );
    let list = |filter: ContainerFilter<'_>| {
        let view = stores.at(1, 0);
        let found = view.containers().list_containers(&filter).expect("healthy");
        found
            .iter()
            .map(|container| container.id.to_owned())
            .collect::<Vec<_>>()
    };
    let all = ContainerFilter::default();
    assert_eq!(list(all), [K, H]);
    assert_eq!(
        list(ContainerFilter {
            name: Some("web"),
            ..all
        }),
        [H]
    );
    assert_eq!(
        list(ContainerFilter {
            name: Some("Web"),
            ..all
        }),
        [""; 0]
    );
    assert_eq!(
        list(ContainerFilter {
            image: Some("redis"),
            ..all
        }),
        [K]
    );
    assert_eq!(
        list(ContainerFilter {
            runtime: Some("podman"),
            ..all
        }),
        [K]
    );
    assert_eq!(
        list(ContainerFilter {
            runtime: Some("podman"),
            name: Some("web"),
            ..all
        }),
        [""; 0]
    );
    assert_eq!(stores.at(1, 0).containers().metrics().item_count, 2);
}

#[test]
fn containers_of_recordings_without_cgroup_events() {
    let existing = TestEvent::new("existing_container")
        .set("runtime", "containerd")
        .set("container_id", K)
        .set("ctime", 4_u64)
        .set("pod_name", "web-0")
        .set("pod_uid", "u-1")
        .set("pod_namespace", "shop")
        .set("pod_sandbox", true);
    let stores = told(
        &[],
        &[
            existing,
            container_create(H, 18),
            container_remove(H),
            container_create(H, 0),
            container_create(H, 38),
        ],
    );
    let container = get(&stores, 1, K).expect("known");
    assert_eq!(
        (container.runtime, container.start_ns),
        (Runtime::Containerd, Some(4))
    );
    assert!(container.pod.is_some_and(|pod| pod.sandbox && pod.uid == "u-1"));
    let container = get(&stores, 2, H).expect("known");
    assert_eq!(
        (container.name, container.image, container.start_ns),
        ("web", "nginx:1", Some(18))
    );
    let lives: Vec<_> = (2..6)
        .map(|seq| get(&stores, seq, H).map(|found| (found.start_ns, found.end_ns)))
        .collect();
    assert_eq!(
        lives,
        [
            Some((Some(18), None)),
            Some((Some(18), Some(30))),
            Some((None, None)),
            Some((Some(38), None))
        ]
    );
}

#[test]
fn a_removal_may_be_that_of_a_directory_further_down() {
    let stores = told(
        &[],
        &[
            mkdir(5, "/docker/H"),
            container_create(H, 10),
            mkdir(6, "/docker/H/init"),
            rmdir(6, "/docker/H/init"),
            container_remove(H),
            rmdir(5, "/docker/H"),
            container_remove(H),
        ],
    );
    assert_eq!(live(&stores, 5), [H]);
    assert_eq!(
        get(&stores, 7, H).and_then(|container| container.end_ns),
        Some(60)
    );
}

#[test]
fn a_directory_whose_making_was_not_seen_ends_its_container() {
    let stores = told(
        &[],
        &[
            container_create(H, 5),
            rmdir(6, "/docker/H/init"),
            container_remove(H),
            rmdir(5, "/docker/H"),
            rmdir(8, "/docker/K"),
        ],
    );
    assert_eq!(live(&stores, 3), [H]);
    assert_eq!(
        get(&stores, 4, H).and_then(|container| container.end_ns),
        Some(40)
    );
    assert_eq!(get(&stores, 5, K), None, "nothing but its end is known");
}

#[test]
fn what_cannot_be_used_is_counted() {
    let newer = ContainerInput {
        kind: "paused".to_owned(),
        ..ContainerInput::default()
    };
    let stores = told(
        &[(1, newer)],
        &[
            mkdir(5, "/docker/H").without("cgroup_id"),
            container_create("", 5),
            mkdir(5, "/docker/H").without("hierarchy_id"),
        ],
    );
    assert_eq!(stores.containers().unusable(), 3);
    assert_eq!(stores.containers().unknown_inputs(), 1);
    assert_eq!(at(&stores, 9).all(), []);
}

#[test]
fn rows_that_lack_what_they_are_about_are_refused() {
    let pathless = ContainerInput {
        path: None,
        ..directory(5, "/docker/H", 1)
    };
    let nameless = ContainerInput {
        container_id: None,
        ..ContainerInput::enrichment_failed(1, H, "gone")
    };
    for (input, column) in [(pathless, "path"), (nameless, "container_id")] {
        let mut stores = Stores::new();
        stores
            .add_input(input_of(1, &input))
            .expect("nothing applied yet");
        let error = stores.advance(&[], 5).expect_err("a null");
        assert_eq!(
            error,
            FoldError::Rows(RowsError::Null {
                table: "stores/container",
                column,
                row: 0
            })
        );
    }
}
