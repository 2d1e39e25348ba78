//! The containers of this machine, as far as they are known at each event.
//!
//! Control groups are known from the directories that exist at the start, from the events that make and remove them, and,
//! where such an event was lost or not in scope, from the first event of a task inside. What is learnt beside events becomes
//! inputs of the container store, so that it can say the same; they take effect before the event that is looked at.

use std::collections::HashMap;
use std::sync::Arc;

use detectors_api::proto;
use detectors_api::stores::Runtime;
use detectors_stores::container::{CgroupContainer, ContainerFacts, ContainerInput, container_of};
use ebpf::abi::{Body, Cgroup, Header, Record};
use ebpf::clock::{BootOffset, boot_ns};

use super::container_events;
use super::enrichment::EnrichmentAnswer;
use super::hierarchy::{Directory, Hierarchy};

/// Containers by control group.
#[derive(Debug)]
pub(super) struct Containers {
    hierarchy: Hierarchy,
    offset: BootOffset,
    /// The container of every control group that was looked at and not removed since, if it is in one.
    cgroups: HashMap<u64, Option<Arc<str>>>,
    containers: HashMap<Arc<str>, Container>,
    inputs: Vec<ContainerInput>,
    questions: Vec<(Arc<str>, Runtime)>,
}

#[derive(Debug, Default)]
struct Container {
    /// Whether its own program runs.
    started: bool,
    /// Number of its control groups.
    cgroups: usize,
    /// What its control group says runs it.
    runtime: Runtime,
    /// When its control group was made, ns since the Unix epoch.
    made_ns: u64,
    facts: ContainerFacts,
}

impl Containers {
    /// The containers that exist. Their programs run already.
    pub(super) fn find(cgroup_v2: bool, offset: BootOffset) -> Self {
        let mut containers = Self {
            hierarchy: Hierarchy::find(cgroup_v2),
            offset,
            cgroups: HashMap::new(),
            containers: HashMap::new(),
            inputs: Vec::new(),
            questions: Vec::new(),
        };
        for directory in containers.hierarchy.directories() {
            containers.learn(&directory);
        }
        for container in containers.containers.values_mut() {
            container.started = true;
        }
        containers
    }

    /// Whether the control groups of this machine can be looked at.
    pub(super) fn can_look(&self) -> bool {
        self.hierarchy.is_mounted()
    }

    /// Takes in what a record says about control groups. Call it for every record, in order, before its event is made.
    pub(super) fn follow(&mut self, record: &Record) {
        match &record.body {
            Body::CgroupMkdir(cgroup) if self.counts(cgroup) => self.made(cgroup),
            Body::CgroupRmdir(cgroup) if self.counts(cgroup) => self.forget(cgroup.id),
            Body::CgroupAttach(attach) if self.counts(&attach.cgroup) => {
                let cgroup = &attach.cgroup;
                if !self.cgroups.contains_key(&cgroup.id) {
                    let found = self.hierarchy.at(&cgroup.path, cgroup.id);
                    self.learn_or_pass(cgroup.id, found);
                }
            }
            _ => {}
        }
        let head = &record.head;
        if !self.cgroups.contains_key(&head.cgroup_id) {
            let found = self.hierarchy.by_id(head.cgroup_id, head.pid);
            self.learn_or_pass(head.cgroup_id, found);
        }
    }

    /// Takes in what a runtime said.
    pub(super) fn answered(&mut self, answer: EnrichmentAnswer) {
        let now = self.now();
        self.inputs.push(match answer.facts {
            Ok(facts) => {
                let input = ContainerInput::enriched(now, &answer.container, &facts);
                if let Some(container) = self.containers.get_mut(answer.container.as_str()) {
                    container.facts = facts;
                }
                input
            }
            Err(error) => ContainerInput::enrichment_failed(now, answer.container, error),
        });
    }

    /// The program of the container that a task is in has been executed.
    pub(super) fn start(&mut self, head: &Header) {
        let id = self.cgroups.get(&head.cgroup_id).and_then(Option::as_ref);
        if let Some(container) = id.and_then(|id| self.containers.get_mut(id)) {
            container.started = true;
        }
    }

    /// The container and the pod that a task is in.
    pub(super) fn of(&self, head: &Header) -> Option<(proto::Container, Option<proto::K8s>)> {
        let id = self.cgroups.get(&head.cgroup_id)?.as_ref()?;
        let container = self.containers.get(id)?;
        let facts = &container.facts;
        let image = (!facts.image.is_empty()).then(|| proto::ContainerImage {
            id: String::new(),
            repo_digests: Some(facts.image_digest.clone())
                .filter(|digest| !digest.is_empty())
                .into_iter()
                .collect(),
            name: facts.image.clone(),
        });
        let pod = facts.pod.as_ref().map(|pod| proto::K8s {
            pod: Some(proto::Pod {
                name: pod.name.clone(),
                uid: pod.uid.clone(),
                ..proto::Pod::default()
            }),
            namespace: Some(proto::K8sNamespace {
                name: pod.namespace.clone(),
            }),
        });
        let container = proto::Container {
            id: id.to_string(),
            name: facts.name.clone(),
            image,
            started: container.started,
        };
        Some((container, pod))
    }

    /// The containers that are there, in the order of their ids: id, runtime, when it was made (ns since the Unix epoch), and what is
    /// known of it.
    pub(super) fn all(&self) -> Vec<(Arc<str>, Runtime, u64, &ContainerFacts)> {
        let mut all: Vec<_> = self
            .containers
            .iter()
            .map(|(id, container)| {
                (
                    Arc::clone(id),
                    container.runtime,
                    container.made_ns,
                    &container.facts,
                )
            })
            .collect();
        all.sort_unstable_by(|(one, ..), (other, ..)| one.cmp(other));
        all
    }

    /// The fields of the event that tells that a container was made or removed, and that event's name, if that is what a record says.
    /// Call it after [`follow`](Self::follow).
    pub(super) fn event(&self, record: &Record) -> Option<(&'static str, Vec<proto::EventValue>)> {
        let own = |cgroup| -> Option<CgroupContainer<'_>> {
            let cgroup: &Cgroup = cgroup;
            container_of(&cgroup.path).filter(|found| found.root && self.counts(cgroup))
        };
        match &record.body {
            Body::CgroupMkdir(cgroup) => {
                let found = own(cgroup)?;
                let unknown = Container::default();
                let container = self.containers.get(found.id).unwrap_or(&unknown);
                let made_ns = match container.made_ns {
                    0 => self.offset.epoch(record.head.time),
                    made_ns => made_ns,
                };
                let fields = container_events::described(found.id, found.runtime, made_ns, &container.facts);
                Some((container_events::CREATED, fields))
            }
            Body::CgroupRmdir(cgroup) => {
                let found = own(cgroup)?;
                Some((
                    container_events::REMOVED,
                    container_events::removed(found.id, found.runtime),
                ))
            }
            _ => None,
        }
    }

    /// What the container store is to be told before the record's event.
    pub(super) fn take_inputs(&mut self) -> Vec<ContainerInput> {
        std::mem::take(&mut self.inputs)
    }

    /// The containers that have become known since the last call, to be asked about.
    pub(super) fn take_questions(&mut self) -> Vec<(Arc<str>, Runtime)> {
        std::mem::take(&mut self.questions)
    }

    /// Whether it is in the hierarchy that cgroup ids in events refer to. Others have the same numbers for other things.
    fn counts(&self, cgroup: &Cgroup) -> bool {
        cgroup.hierarchy == self.hierarchy.number()
    }

    fn made(&mut self, cgroup: &Cgroup) {
        match self.hierarchy.at(&cgroup.path, cgroup.id) {
            Some(directory) => self.learn(&directory),
            // It is gone by now. The events say that it was made and removed, and when, so that the store need not be told.
            None => self.know(cgroup.id, &cgroup.path, None),
        }
    }

    fn learn_or_pass(&mut self, id: u64, found: Option<Directory>) {
        match found {
            Some(directory) => self.learn(&directory),
            // What is gone is not looked for again.
            None => drop(self.cgroups.insert(id, None)),
        }
    }

    fn learn(&mut self, directory: &Directory) {
        self.inputs.push(ContainerInput::directory(
            self.now(),
            self.hierarchy.number(),
            directory.id,
            &directory.path,
            directory.ctime_ns,
        ));
        self.know(directory.id, &directory.path, directory.ctime_ns);
    }

    fn know(&mut self, id: u64, path: &str, made_ns: Option<u64>) {
        // What was made while the recording started has been found then, too.
        self.forget(id);
        let Some(found) = container_of(path) else {
            self.cgroups.insert(id, None);
            return;
        };
        let known = self.containers.get_key_value(found.id);
        let name = known.map_or_else(|| Arc::from(found.id), |(name, _)| Arc::clone(name));
        if known.is_none() {
            self.questions.push((Arc::clone(&name), found.runtime));
        }
        let container = self.containers.entry(Arc::clone(&name)).or_default();
        container.cgroups += 1;
        container.runtime = found.runtime;
        if found.root || container.made_ns == 0 {
            container.made_ns = made_ns.unwrap_or(container.made_ns);
        }
        self.cgroups.insert(id, Some(name));
    }

    /// A control group is gone, and its container with the last one.
    fn forget(&mut self, id: u64) {
        let Some(Some(name)) = self.cgroups.remove(&id) else {
            return;
        };
        if let Some(container) = self.containers.get_mut(&name) {
            container.cgroups -= 1;
            if container.cgroups == 0 {
                self.containers.remove(&name);
            }
        }
    }

    /// ns since the Unix epoch, by the clock of events.
    fn now(&self) -> u64 {
        self.offset.epoch(boot_ns())
    }
}
