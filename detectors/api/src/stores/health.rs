//! What every store can say about itself.

/// A store, whatever it keeps.
pub trait DataStore {
    /// Its name, such as `process`.
    fn name(&self) -> &str;

    /// Whether it can answer.
    fn health(&self) -> Health;

    /// How much it keeps.
    fn metrics(&self) -> Metrics;
}

impl<T: DataStore + ?Sized> DataStore for &T {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn health(&self) -> Health {
        (**self).health()
    }

    fn metrics(&self) -> Metrics {
        (**self).metrics()
    }
}

/// Whether a store can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// In a word.
    pub status: HealthStatus,
    /// Why, if it is not healthy, or what its answers lack. Can be empty.
    pub message: String,
    /// As of when: the time of the event that the store is asked for, ns since the Unix epoch.
    pub last_check_ns: i64,
}

impl Health {
    /// Healthy as of `at_ns`.
    #[must_use]
    pub const fn healthy(at_ns: i64) -> Self {
        Self {
            status: HealthStatus::Healthy,
            message: String::new(),
            last_check_ns: at_ns,
        }
    }

    /// Not healthy as of `at_ns`, because of `message`.
    #[must_use]
    pub fn unhealthy(at_ns: i64, message: impl Into<String>) -> Self {
        Self {
            status: HealthStatus::Unhealthy,
            message: message.into(),
            last_check_ns: at_ns,
        }
    }
}

/// Whether a store can answer, in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthStatus {
    /// Nobody knows.
    #[default]
    Unknown,
    /// It can.
    Healthy,
    /// It cannot.
    Unhealthy,
}

impl HealthStatus {
    /// `unknown`, `healthy` or `unhealthy`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// How much a store keeps. Reading leaves no traces, so there are no counts of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Entities as of the event: processes, containers, names and addresses, symbols, entries …
    pub item_count: u64,
}

/// What a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// What it keeps, in a sentence.
    pub description: String,
}
