//! The old data sources, as adapters on the stores.
//!
//! Signatures written for Tracee's data sources ask for one by namespace and id, check its version, and then get maps of
//! values by key. [`DataSources`] offers the three that Tracee has, with its schemas and names, as of an event:
//!
//! | data source | keys | is there |
//! |---|---|---|
//! | `tracee/containers` | a container's id | always |
//! | `tracee/process_tree` | an entity id and a time: of a process, a thread, or a process whose lineage is wanted | always |
//! | `tracee/dns` | a name or an address | if DNS was recorded |
//!
//! Where Tracee answers with what its caches lost, these answer with what was recorded: of the process tree, what held at the
//! time that was asked for, if that is not after the event. Nothing that happened later is told.

mod containers;
mod dns;
mod key;
mod process_tree;
mod time;

use std::fmt;

use detectors_api::stores::Store;
use serde_json::{Map, Value};

use crate::Stores;
use crate::container::ContainersAt;
use crate::dns::DnsAt;
use crate::process::ProcessesAt;

pub use key::{Key, KeyError, KeyType, TaskAt};

/// The namespace of all data sources here.
pub const NAMESPACE: &str = "tracee";

/// The version of what all data sources here answer.
pub const VERSION: u64 = 1;

/// What a data source answers: values by name, as its schema says.
pub type Data = Map<String, Value>;

/// The data sources as of one event.
#[derive(Clone, Copy, Debug)]
pub struct DataSources<'a> {
    containers: ContainersAt<'a>,
    processes: ProcessesAt<'a>,
    dns: Option<DnsAt<'a>>,
    time_ns: i64,
}

/// One of the data sources as of one event.
#[derive(Clone, Copy, Debug)]
pub struct DataSource<'a> {
    id: SourceId,
    source: Source<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    Containers(ContainersAt<'a>),
    ProcessTree(process_tree::ProcessTree<'a>),
    Dns(DnsAt<'a>),
}

/// Which data source it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceId {
    /// `containers`.
    Containers,
    /// `dns`.
    Dns,
    /// `process_tree`.
    ProcessTree,
}

impl SourceId {
    /// Every one, by id.
    pub const ALL: [Self; 3] = [Self::Containers, Self::Dns, Self::ProcessTree];

    /// Its id within [`NAMESPACE`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Containers => "containers",
            Self::Dns => "dns",
            Self::ProcessTree => "process_tree",
        }
    }

    /// The types of keys that it takes.
    #[must_use]
    pub const fn keys(self) -> &'static [KeyType] {
        match self {
            Self::Containers | Self::Dns => &[KeyType::Text],
            Self::ProcessTree => &[KeyType::Process, KeyType::Thread, KeyType::Lineage],
        }
    }

    /// What it answers, as JSON: the names of values, and their types in Tracee's own language.
    #[must_use]
    pub const fn schema(self) -> &'static str {
        match self {
            Self::Containers => containers::SCHEMA,
            Self::Dns => dns::SCHEMA,
            Self::ProcessTree => process_tree::SCHEMA,
        }
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAMESPACE}/{}", self.as_str())
    }
}

/// Why a data source has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataSourceError {
    /// There is no such data source, or the recording does not have what it needs.
    #[error("there is no data source {namespace}/{id}; there are {}", list(known))]
    UnknownSource {
        /// What was asked for.
        namespace: String,
        /// What was asked for.
        id: String,
        /// The data sources that there are.
        known: Vec<SourceId>,
    },
    /// The caller does not know what such a version answers.
    #[error(
        "the data source {data_source} has version {version}, but only versions up to {newest} are supported: \
         update whatever asks it"
    )]
    VersionTooNew {
        /// The data source.
        data_source: SourceId,
        /// Its version.
        version: u64,
        /// The newest one that the caller knows.
        newest: u64,
    },
    /// The data source has keys of other types.
    #[error("the data source {data_source} takes no {found} as key, but {}", list(data_source.keys()))]
    KeyNotSupported {
        /// The data source.
        data_source: SourceId,
        /// The type of the key.
        found: KeyType,
    },
    /// Nothing is known under the key. Normal: treat it as "no information".
    #[error("the data source {data_source} has no data about {key}")]
    NotFound {
        /// The data source.
        data_source: SourceId,
        /// The key.
        key: Key,
    },
    /// JSON that is no key.
    #[error(transparent)]
    InvalidKey(#[from] KeyError),
}

impl DataSourceError {
    /// Whether nothing is known about what was asked for.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

fn list(items: &[impl ToString]) -> String {
    let texts: Vec<_> = items.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

impl<'a> DataSources<'a> {
    /// The data sources as of event `seq`, whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn new(stores: &'a Stores, seq: u64, time_ns: i64) -> Self {
        let stores = stores.of(seq);
        let has_dns = stores.available().any(|store| store == Store::Dns);
        Self {
            containers: stores.containers().at(seq, time_ns),
            processes: stores.processes().at(seq, time_ns),
            dns: has_dns.then(|| stores.dns().at(seq, time_ns)),
            time_ns,
        }
    }

    /// The data sources that there are, by id. They are the same for all events of a recording.
    #[must_use]
    pub fn list(self) -> Vec<SourceId> {
        let mut sources = SourceId::ALL.to_vec();
        sources.retain(|id| self.source(*id).is_some());
        sources
    }

    /// A data source, by namespace and id.
    ///
    /// # Errors
    /// If there is none.
    pub fn get(self, namespace: &str, id: &str) -> Result<DataSource<'a>, DataSourceError> {
        let mut sources = SourceId::ALL.into_iter().filter(|_| namespace == NAMESPACE);
        sources
            .find(|source| source.as_str() == id)
            .and_then(|source| self.source(source))
            .ok_or_else(|| DataSourceError::UnknownSource {
                namespace: namespace.to_owned(),
                id: id.to_owned(),
                known: self.list(),
            })
    }

    fn source(self, id: SourceId) -> Option<DataSource<'a>> {
        let source = match id {
            SourceId::Containers => Source::Containers(self.containers),
            SourceId::ProcessTree => {
                Source::ProcessTree(process_tree::ProcessTree::new(self.processes, self.time_ns))
            }
            SourceId::Dns => Source::Dns(self.dns?),
        };
        Some(DataSource { id, source })
    }
}

impl DataSource<'_> {
    /// Which one it is.
    #[must_use]
    pub fn id(&self) -> SourceId {
        self.id
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &'static str {
        NAMESPACE
    }

    /// The version of what it answers.
    #[must_use]
    pub fn version(&self) -> u64 {
        VERSION
    }

    /// This data source, for a caller that knows versions up to `newest`.
    ///
    /// # Errors
    /// If it has a newer one.
    pub fn up_to_version(self, newest: u64) -> Result<Self, DataSourceError> {
        let version = self.version();
        if version > newest {
            return Err(DataSourceError::VersionTooNew {
                data_source: self.id,
                version,
                newest,
            });
        }
        Ok(self)
    }

    /// The types of keys that it takes, by the names that Tracee has for them.
    #[must_use]
    pub fn keys(&self) -> Vec<&'static str> {
        self.id.keys().iter().map(|key| key.as_str()).collect()
    }

    /// What it answers, as JSON: the names of values, and their types in Tracee's own language.
    #[must_use]
    pub fn schema(&self) -> &'static str {
        self.id.schema()
    }

    /// What is known under a key.
    ///
    /// # Errors
    /// If nothing is, or the data source does not take such keys.
    pub fn get(&self, key: &Key) -> Result<Data, DataSourceError> {
        if !self.id.keys().contains(&key.key_type()) {
            return Err(DataSourceError::KeyNotSupported {
                data_source: self.id,
                found: key.key_type(),
            });
        }
        let data = match (self.source, key) {
            (Source::Containers(containers), Key::Text(id)) => containers::get(containers, id),
            (Source::Dns(dns), Key::Text(query)) => dns::get(dns, query),
            (Source::ProcessTree(tree), key) => tree.get(key),
            _ => None,
        };
        data.ok_or_else(|| DataSourceError::NotFound {
            data_source: self.id,
            key: key.clone(),
        })
    }

    /// What is known under a key that comes as JSON (see [`Key`]).
    ///
    /// # Errors
    /// As [`get`](Self::get), or if it is no key.
    pub fn get_json(&self, key: &Value) -> Result<Data, DataSourceError> {
        self.get(&Key::try_from(key)?)
    }
}
