//! Containers: as they were last known, and every version of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::error::Result;
use detectors_api::stores::ContainerInfo;
use detectors_stores::Stores;
use detectors_stores::container::ContainerVersion;

use super::mentions::{self, contexts, fill_container};
use crate::facts::Facts;
use crate::made::made;
use crate::table::Named;

/// What is told about a container.
pub(crate) fn container_facts<'r, 'a: 'r, T>(
    facts: Facts<'r, T>,
    of: impl Fn(&'r T) -> &'r ContainerInfo<'a> + Copy,
) -> Facts<'r, T> {
    let pod = move |thing| of(thing).pod;
    facts
        .text("container_id", |thing| of(thing).id)
        .text("container_name", |thing| of(thing).name)
        .text("container_image", |thing| of(thing).image)
        .text("container_image_digest", |thing| of(thing).image_digest)
        .text("runtime", |thing| of(thing).runtime.as_str())
        .time("start_time", |thing| of(thing).start_ns)
        .time("reported_start_time", |thing| of(thing).reported_start_ns)
        .time("end_time", |thing| of(thing).end_ns)
        .text("pod_name", |thing| pod(thing).map_or("", |pod| pod.name))
        .text("pod_uid", |thing| pod(thing).map_or("", |pod| pod.uid))
        .text("pod_namespace", |thing| {
            pod(thing).map_or("", |pod| pod.namespace)
        })
        .flag("pod_sandbox", |thing| Some(pod(thing)?.sandbox))
}

/// Every version of every container.
pub(super) fn versions(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &version_facts(&[]).schema(), |capture, rows| {
        let stores = capture.history.stores()?;
        let machines = stores.machines().iter();
        rows.add_all(
            machines.flat_map(|machine| machine.containers().history()),
            version_facts,
        )
    })
}

fn version_facts<'r, 'a>(versions: &'r [ContainerVersion<'a>]) -> Facts<'r, ContainerVersion<'a>> {
    let facts = Facts::about(versions)
        .u64("from_seq", |version| Some(version.from_seq))
        .u64("until_seq", |version| version.until_seq);
    container_facts(facts, |version| &version.container)
        .text("error", |version| version.error.unwrap_or_default())
}

/// Every container that is mentioned, once: with all that anything tells about it.
pub(super) fn containers(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &known_facts(&[]).schema(), |capture, rows| {
        let stores = capture.history.stores()?;
        let contexts = contexts(&capture.reader)?;
        rows.add_all(known(&stores, &contexts).into_values(), known_facts)
    })
}

/// A container as it was last known.
struct Known<'a> {
    container: ContainerInfo<'a>,
    error: Option<&'a str>,
    /// The events that first and last changed what the container store knows of it; `None` if the store does not know it.
    seqs: Option<(u64, u64)>,
}

/// The containers by id. What the container store does not know is filled in from the process contexts of events.
fn known<'a>(stores: &'a Stores, contexts: &'a [RecordBatch]) -> BTreeMap<&'a str, Known<'a>> {
    let mut known: BTreeMap<&str, Known<'_>> = BTreeMap::new();
    let machines = stores.machines().iter();
    for version in machines.flat_map(|machine| machine.containers().history()) {
        let id = version.container.id;
        let first = known.get(id).and_then(|known| known.seqs);
        let first = first.map_or(version.from_seq, |(first, _)| first);
        known.insert(
            id,
            Known {
                container: version.container,
                error: version.error,
                seqs: Some((first, version.from_seq)),
            },
        );
    }
    for (id, mention) in mentions::containers(contexts) {
        match known.get_mut(id) {
            Some(known) => fill_container(&mut known.container, &mention),
            None => {
                known.insert(
                    id,
                    Known {
                        container: mention,
                        error: None,
                        seqs: None,
                    },
                );
            }
        }
    }
    known
}

fn known_facts<'r, 'a>(containers: &'r [Known<'a>]) -> Facts<'r, Known<'a>> {
    container_facts(Facts::about(containers), |known| &known.container)
        .text("error", |known| known.error.unwrap_or_default())
        .u64("first_seq", |known| Some(known.seqs?.0))
        .u64("last_seq", |known| Some(known.seqs?.1))
}
