//! What a recording knows about containers beside events.

use detectors_api::stores::Runtime;

use crate::rows::rows;

rows! {
    table "stores/container";
    /// A row of the container store's input table. The constructors make the kinds that there are.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ContainerInput {
        /// What it tells: `directory`, `removed`, `enriched` or `enrichment_failed`. Others are counted, and passed over.
        pub kind: String,
        /// When it became known: ns since the Unix epoch.
        pub arrived_ns: u64,
        /// The cgroup: inode number of its directory.
        pub cgroup_id: Option<u64>,
        /// Path of the cgroup in its hierarchy, without the mount point.
        pub path: Option<String>,
        /// Number of the hierarchy, as in events; 0 is that of cgroup v2.
        pub hierarchy: Option<u32>,
        /// When the directory was made or last changed: ns since the Unix epoch.
        pub ctime_ns: Option<u64>,
        /// Whether the directory was gone when it was looked at.
        pub dead: Option<bool>,
        /// Id of the container.
        pub container_id: Option<String>,
        /// What runs the container.
        pub runtime: Option<String>,
        /// Name of the container.
        pub name: Option<String>,
        /// Its image.
        pub image: Option<String>,
        /// Digest of the image.
        pub image_digest: Option<String>,
        /// When the container was started, as its runtime says: ns since the Unix epoch.
        pub started_ns: Option<u64>,
        /// Name of the pod that the container is in.
        pub pod_name: Option<String>,
        /// UID of the pod.
        pub pod_uid: Option<String>,
        /// Namespace of the pod.
        pub pod_namespace: Option<String>,
        /// Whether the container is the pod's sandbox.
        pub pod_sandbox: Option<bool>,
        /// Why the container's runtime did not tell about it.
        pub error: Option<String>,
    }
}

/// What a container runtime says about a container. Texts are empty if it does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerFacts {
    /// The runtime.
    pub runtime: Runtime,
    /// Name.
    pub name: String,
    /// Image.
    pub image: String,
    /// Digest of the image.
    pub image_digest: String,
    /// When the container was started: ns since the Unix epoch.
    pub started_ns: Option<u64>,
    /// The pod that it is in.
    pub pod: Option<Pod>,
}

/// A Kubernetes pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Namespace.
    pub namespace: String,
    /// Whether the container is the pod's sandbox.
    pub sandbox: bool,
}

/// What a row tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    Removed,
    Enriched,
    EnrichmentFailed,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self::Directory,
        Self::Removed,
        Self::Enriched,
        Self::EnrichmentFailed,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Removed => "removed",
            Self::Enriched => "enriched",
            Self::EnrichmentFailed => "enrichment_failed",
        }
    }
}

impl ContainerInput {
    /// A cgroup's directory exists. `hierarchy` is the one that cgroup ids in events refer to.
    #[must_use]
    pub fn directory(
        arrived_ns: u64,
        hierarchy: u32,
        cgroup_id: u64,
        path: impl Into<String>,
        ctime_ns: Option<u64>,
    ) -> Self {
        Self {
            cgroup_id: Some(cgroup_id),
            path: Some(path.into()),
            hierarchy: Some(hierarchy),
            ctime_ns,
            ..Self::new(Kind::Directory, arrived_ns)
        }
    }

    /// A cgroup's directory was announced, but was gone when it was looked at.
    #[must_use]
    pub fn dead_directory(arrived_ns: u64, hierarchy: u32, cgroup_id: u64, path: impl Into<String>) -> Self {
        Self {
            dead: Some(true),
            ..Self::directory(arrived_ns, hierarchy, cgroup_id, path, None)
        }
    }

    /// A cgroup's directory does not exist any more. Events say so too; this is for what they did not say.
    #[must_use]
    pub fn removed(arrived_ns: u64, hierarchy: u32, cgroup_id: u64) -> Self {
        Self {
            cgroup_id: Some(cgroup_id),
            hierarchy: Some(hierarchy),
            ..Self::new(Kind::Removed, arrived_ns)
        }
    }

    /// A runtime told about a container.
    #[must_use]
    pub fn enriched(arrived_ns: u64, container_id: impl Into<String>, facts: &ContainerFacts) -> Self {
        let pod = |part: fn(&Pod) -> &String| facts.pod.as_ref().map(part).cloned();
        Self {
            container_id: Some(container_id.into()),
            runtime: Some(facts.runtime.to_string()),
            name: Some(facts.name.clone()),
            image: Some(facts.image.clone()),
            image_digest: Some(facts.image_digest.clone()),
            started_ns: facts.started_ns,
            pod_name: pod(|pod| &pod.name),
            pod_uid: pod(|pod| &pod.uid),
            pod_namespace: pod(|pod| &pod.namespace),
            pod_sandbox: facts.pod.as_ref().map(|pod| pod.sandbox),
            ..Self::new(Kind::Enriched, arrived_ns)
        }
    }

    /// No runtime told about a container, and why.
    #[must_use]
    pub fn enrichment_failed(
        arrived_ns: u64,
        container_id: impl Into<String>,
        error: impl Into<String>,
    ) -> Self {
        Self {
            container_id: Some(container_id.into()),
            error: Some(error.into()),
            ..Self::new(Kind::EnrichmentFailed, arrived_ns)
        }
    }

    fn new(kind: Kind, arrived_ns: u64) -> Self {
        Self {
            kind: kind.as_str().to_owned(),
            arrived_ns,
            ..Self::default()
        }
    }

    /// What it tells; `None` if only a newer version knows.
    pub(super) fn kind(&self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == self.kind)
    }

    /// What a runtime told.
    pub(super) fn into_facts(self) -> ContainerFacts {
        let pod = Pod {
            name: self.pod_name.unwrap_or_default(),
            uid: self.pod_uid.unwrap_or_default(),
            namespace: self.pod_namespace.unwrap_or_default(),
            sandbox: self.pod_sandbox.unwrap_or_default(),
        };
        ContainerFacts {
            runtime: self
                .runtime
                .as_deref()
                .and_then(Runtime::from_name)
                .unwrap_or_default(),
            name: self.name.unwrap_or_default(),
            image: self.image.unwrap_or_default(),
            image_digest: self.image_digest.unwrap_or_default(),
            started_ns: self.started_ns,
            pod: pod.or_none(),
        }
    }
}

impl Pod {
    /// This, if there is such a pod: it has a name or a UID.
    #[must_use]
    pub fn or_none(self) -> Option<Self> {
        (!self.name.is_empty() || !self.uid.is_empty()).then_some(self)
    }
}
