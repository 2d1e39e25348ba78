//! The answer as of event N is the answer of a plain fold of what came before: no history, no bookkeeping, one table of what
//! is the case now. It stays the same when history is dropped, and when a store begins with a keyframe.

mod facts;
mod plain;

use std::collections::BTreeSet;

use detectors_api::stores::{ContainerFilter, Stores as _};
use detectors_api::testkit::{TestEvent, batches};
use detectors_stores::container::ContainerInput;
use detectors_stores::rows::Row as _;
use detectors_stores::{Input, Settings, Stores};
use facts::{Fact, IDS, NAMES, TREE, event, facts, input};
use plain::Now;
use proptest::prelude::*;

/// Start, id, runtime, name, start as reported, and end of a container.
type Told = (
    Option<u64>,
    String,
    &'static str,
    String,
    Option<u64>,
    Option<u64>,
);

/// Everything that can be asked.
#[derive(Debug, PartialEq, Eq)]
struct Answers {
    /// By start and id.
    all: Vec<Told>,
    live: Vec<String>,
    by_name: Vec<Option<String>>,
    by_cgroup: Vec<Option<String>>,
    count: u64,
}

impl Answers {
    fn of_store(stores: &Stores, seq: u64) -> Self {
        let view = stores.at(seq, 0);
        let view = view.containers();
        let containers = stores.containers().at(seq, 0).all();
        let all = containers.iter().map(|container| {
            assert_eq!(view.get_container(container.id).as_ref(), Ok(container));
            (
                container.start_ns,
                container.id.to_owned(),
                container.runtime.as_str(),
                container.name.to_owned(),
                container.reported_start_ns,
                container.end_ns,
            )
        });
        let live = view
            .list_containers(&ContainerFilter::default())
            .expect("healthy");
        Self {
            all: all.collect(),
            live: live.iter().map(|container| container.id.to_owned()).collect(),
            by_name: NAMES
                .map(|name| {
                    view.get_container_by_name(name)
                        .ok()
                        .map(|found| found.id.to_owned())
                })
                .into(),
            by_cgroup: (0..5)
                .map(|cgroup| {
                    view.get_container_by_cgroup(cgroup)
                        .ok()
                        .map(|found| found.id.to_owned())
                })
                .collect(),
            count: view.metrics().item_count,
        }
    }

    fn of_plain_fold(now: &mut Now) -> Self {
        let id = |id: &usize| IDS[*id].to_owned();
        let mut all: Vec<_> = now
            .containers
            .iter()
            .map(|(of, state)| {
                let runtime = match state.docker {
                    None => "unknown",
                    Some(true) => "docker",
                    Some(false) => "podman",
                };
                (
                    state.start,
                    id(of),
                    runtime,
                    state.name.to_owned(),
                    state.reported,
                    state.end,
                )
            })
            .collect();
        all.sort();
        let of_name = |name: &&str| {
            let named = now
                .containers
                .iter()
                .filter(|(_, state)| state.name == *name && !name.is_empty());
            let best =
                named.min_by_key(|(of, state)| (state.end.is_some(), std::cmp::Reverse(state.start), **of));
            best.map(|(of, _)| id(of))
        };
        let by_name = NAMES.iter().map(of_name).collect();
        let live = all
            .iter()
            .filter(|container| container.5.is_none())
            .map(|container| container.1.clone())
            .collect();
        let by_cgroup = (0..5)
            .map(|cgroup| {
                let (of, _) = TREE[now.current(cgroup)?.place].1?;
                now.containers.contains_key(&of).then(|| id(&of))
            })
            .collect();
        Self {
            count: all.len() as u64,
            all,
            live,
            by_name,
            by_cgroup,
        }
    }
}

/// What happens, as inputs and events by sequence number.
fn recording(facts: &[(Fact, u64)]) -> (Vec<Input>, Vec<TestEvent>) {
    let (mut inputs, mut events) = (Vec::new(), Vec::new());
    for (fact, ns) in facts {
        events.extend(event(fact, *ns));
        inputs.extend(input(fact, *ns).map(|row| Input {
            store: "container".to_owned(),
            seq: events.len() as u64 + 1,
            rows: ContainerInput::to_batch(&[row]),
        }));
    }
    (inputs, events)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]
    #[test]
    fn every_moment_is_as_a_plain_fold_has_it(
        facts in facts(),
        retention in prop::option::of(20..200_u64),
        compactions in prop::collection::btree_set(0..40_u64, 0..6),
        cut in 1..40_u64,
    ) {
        let settings = Settings { retention_ns: retention, ..Settings::default() };
        let (inputs, events) = recording(&facts);
        let batches = batches(&events);
        let end = events.len() as u64 + 2;
        let cut = cut.min(end - 1);

        let mut whole = Stores::with(settings.clone());
        let mut kept = Stores::with(settings.clone());
        for input in &inputs {
            whole.add_input(input.clone()).expect("nothing applied yet");
            kept.add_input(input.clone()).expect("nothing applied yet");
        }
        whole.advance(&batches, end).expect("in order");

        // One that drops history while it goes on.
        let part = |from: u64, until: u64| batches.iter().filter_map(|batch| {
            let rows: Vec<usize> = batch.seqs().iter().enumerate()
                .filter(|(_, seq)| (from..until).contains(*seq)).map(|(row, _)| row).collect();
            let (first, last) = (*rows.first()?, *rows.last()?);
            Some(batch.slice(first, last - first + 1))
        }).collect::<Vec<_>>();
        let mut from = 0;
        for seq in compactions.iter().copied().filter(|seq| *seq < end) {
            kept.advance(&part(from, seq), seq).expect("in order");
            kept.compact(seq.saturating_sub(2));
            kept.compact(seq);
            from = seq;
        }
        kept.advance(&part(from, end), end).expect("in order");
        let dropped = from;

        // One that begins in the middle.
        let mut first = Stores::with(settings.clone());
        for input in &inputs {
            first.add_input(input.clone()).expect("nothing applied yet");
        }
        first.advance(&part(0, cut), cut).expect("in order");
        let frames: Vec<_> = first.keyframes().into_iter().map(|(name, rows)| (name.to_owned(), rows)).collect();
        let mut second = Stores::with(settings);
        second.restore(cut, &frames, inputs).expect("a keyframe");
        second.advance(&part(cut, end), end).expect("in order");

        let mut now = Now::default();
        let mut moments = vec![Answers::of_plain_fold(&mut now)];
        let mut known = BTreeSet::new();
        for (fact, ns) in &facts {
            now.apply(fact, *ns);
            if fact.is_event() {
                now.sweep(*ns, retention);
                moments.push(Answers::of_plain_fold(&mut now));
            }
            known.extend(now.containers.keys().copied());
        }
        // Inputs after the last event.
        moments.push(Answers::of_plain_fold(&mut now));
        for (seq, answers) in (0..).zip(&moments) {
            prop_assert_eq!(&Answers::of_store(&whole, seq), answers, "as of {}", seq);
            if seq >= dropped {
                prop_assert_eq!(&Answers::of_store(&kept, seq), answers, "compacted, as of {}", seq);
            }
            if seq >= cut {
                prop_assert_eq!(&Answers::of_store(&second, seq), answers, "from {}, as of {}", cut, seq);
            }
        }
        // Without a retention time, nothing is ever forgotten.
        for id in known.into_iter().filter(|_| retention.is_none()) {
            prop_assert!(whole.containers().best_known(IDS[id]).is_some());
        }
        kept.compact(u64::MAX);
        prop_assert_eq!(kept.containers().history().count(), now.containers.len());
    }
}
