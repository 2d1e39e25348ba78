//! Filters on who did it, and where.

use detectors_api::event::{Event, Value};

use super::syntax::{Expression, FilterError, Operator, similar};
use super::test::{Kind, Test};

/// What a scope filter can test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Timestamp,
    Pid,
    Tid,
    ParentPid,
    HostPid,
    HostTid,
    HostParentPid,
    Uid,
    Comm,
    Syscall,
    ContainerId,
    ContainerImage,
    ContainerImageDigest,
    ContainerName,
    PodName,
    PodNamespace,
    PodUid,
    Processor,
    MountNs,
    PidNs,
    Cgroup,
    HostName,
}

const I64: Kind = Kind::Integer(i64::MIN as i128, i64::MAX as i128);
const U32: Kind = Kind::Integer(0, u32::MAX as i128);
const U64: Kind = Kind::Integer(0, u64::MAX as i128);

/// Every name with its meaning.
const NAMES: [(&str, Scope, Kind); 31] = [
    ("timestamp", Scope::Timestamp, I64),
    ("p", Scope::Pid, U32),
    ("pid", Scope::Pid, U32),
    ("processId", Scope::Pid, U32),
    ("tid", Scope::Tid, U32),
    ("threadId", Scope::Tid, U32),
    ("ppid", Scope::ParentPid, U32),
    ("parentProcessId", Scope::ParentPid, U32),
    ("hostPid", Scope::HostPid, U32),
    ("hostTid", Scope::HostTid, U32),
    ("hostThreadId", Scope::HostTid, U32),
    ("hostParentProcessId", Scope::HostParentPid, U32),
    ("uid", Scope::Uid, U32),
    ("userId", Scope::Uid, U32),
    ("comm", Scope::Comm, Kind::Text),
    ("processName", Scope::Comm, Kind::Text),
    ("syscall", Scope::Syscall, Kind::Text),
    ("containerId", Scope::ContainerId, Kind::Text),
    ("containerImage", Scope::ContainerImage, Kind::Text),
    ("containerImageDigest", Scope::ContainerImageDigest, Kind::Text),
    ("containerName", Scope::ContainerName, Kind::Text),
    ("podName", Scope::PodName, Kind::Text),
    ("podNamespace", Scope::PodNamespace, Kind::Text),
    ("podUid", Scope::PodUid, Kind::Text),
    ("processorId", Scope::Processor, U32),
    ("mntns", Scope::MountNs, U32),
    ("mountNamespace", Scope::MountNs, U32),
    ("pidns", Scope::PidNs, U32),
    ("pidNamespace", Scope::PidNs, U32),
    ("cgroupId", Scope::Cgroup, U64),
    ("hostName", Scope::HostName, Kind::Text),
];

/// The names that take no value like the others.
const PLACES: [&str; 3] = ["container", "host", "not-container"];

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Container,
    StartedContainer,
    Host,
}

/// Scope filters, all of which must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct ScopeFilter {
    places: Vec<Place>,
    tests: Vec<(Scope, Test)>,
}

impl ScopeFilter {
    pub(super) fn new(filters: &[String]) -> Result<Self, Vec<FilterError>> {
        let mut compiled = Self::default();
        let errors: Vec<_> = filters
            .iter()
            .filter_map(|filter| compiled.add(filter).err())
            .collect();
        if errors.is_empty() {
            Ok(compiled)
        } else {
            Err(errors)
        }
    }

    fn add(&mut self, filter: &str) -> Result<(), FilterError> {
        let expression = Expression::parse(filter)?;
        if PLACES.contains(&expression.field) {
            self.places.push(place(&expression)?);
            return Ok(());
        }
        let (_, scope, kind) = NAMES
            .into_iter()
            .find(|(name, ..)| *name == expression.field)
            .ok_or_else(|| unknown(&expression))?;
        let Some(comparison) = &expression.comparison else {
            return Err(expression
                .error(filter.len(), "an operator and a value are missing")
                .hint(format!("such as `{filter}=value`")));
        };
        if let Some((offset, _)) = comparison
            .values
            .iter()
            .find(|(_, value)| kind == Kind::Text && value.is_empty())
        {
            return Err(expression
                .error(*offset, "an empty text matches nothing")
                .hint("where it is empty, it is missing"));
        }
        let position = self.tests.iter().position(|(known, _)| *known == scope);
        let position = position.unwrap_or_else(|| {
            self.tests.push((scope, kind.test()));
            self.tests.len() - 1
        });
        self.tests[position].1.add(kind, &expression, comparison)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.tests.is_empty()
    }

    /// Splits into what depends on the process context alone, and the rest.
    pub(super) fn by_context(&self) -> (Self, Self) {
        let (context, rest) =
            self.tests.iter().cloned().partition(|(scope, _)| {
                !matches!(scope, Scope::Timestamp | Scope::Syscall | Scope::Processor)
            });
        (
            Self {
                places: self.places.clone(),
                tests: context,
            },
            Self {
                places: Vec::new(),
                tests: rest,
            },
        )
    }

    pub(super) fn matches(&self, event: &Event<'_>) -> bool {
        let in_place = self.places.iter().all(|place| {
            let container = event.container();
            match place {
                Place::Container => !container.id().is_empty(),
                Place::StartedContainer => !container.id().is_empty() && container.started(),
                Place::Host => container.id().is_empty(),
            }
        });
        in_place && self.tests.iter().all(|(scope, test)| scope.matches(test, event))
    }
}

impl Scope {
    fn matches(self, test: &Test, event: &Event<'_>) -> bool {
        let number = |number: Option<u32>| number.is_some_and(|number| test.matches(&Value::UInt32(number)));
        // Where a text is empty, it is missing.
        let text = |text: &str| !text.is_empty() && test.matches(&Value::Str(text));
        match self {
            Self::Timestamp => event
                .timestamp_ns()
                .is_some_and(|ns| test.matches(&Value::Int64(ns))),
            Self::Pid => number(event.process().pid()),
            Self::Tid => number(event.thread().tid()),
            Self::ParentPid => number(event.parent().pid()),
            Self::HostPid => number(event.process().host_pid()),
            Self::HostTid => number(event.thread().host_tid()),
            Self::HostParentPid => number(event.parent().host_pid()),
            Self::Uid => number(event.process().uid()),
            Self::Comm => text(event.thread().name()),
            Self::Syscall => text(event.thread().syscall()),
            Self::ContainerId => text(event.container().id()),
            Self::ContainerImage => text(event.container().image()),
            Self::ContainerImageDigest => text(event.container().image_digest()),
            Self::ContainerName => text(event.container().name()),
            Self::PodName => text(event.k8s().pod_name()),
            Self::PodNamespace => text(event.k8s().namespace()),
            Self::PodUid => text(event.k8s().pod_uid()),
            Self::Processor => number(event.processor()),
            Self::MountNs => number(event.kernel_context().mount_ns),
            Self::PidNs => number(event.kernel_context().pid_ns),
            Self::Cgroup => event
                .kernel_context()
                .cgroup_id
                .is_some_and(|id| test.matches(&Value::UInt64(id))),
            Self::HostName => event.kernel_context().host_name.is_some_and(|name| text(&name)),
        }
    }
}

fn place(expression: &Expression<'_>) -> Result<Place, FilterError> {
    match (expression.field, &expression.comparison) {
        ("container", None) => Ok(Place::Container),
        ("host" | "not-container", None) => Ok(Place::Host),
        ("container", Some(comparison)) => match (comparison.operator, comparison.values.as_slice()) {
            (Operator::Equal, [(_, "started")]) => Ok(Place::StartedContainer),
            (Operator::Equal, [(_, "true")]) | (Operator::NotEqual, [(_, "false")]) => Ok(Place::Container),
            (Operator::Equal, [(_, "false")]) | (Operator::NotEqual, [(_, "true")]) => Ok(Place::Host),
            _ => Err(expression
                .error(
                    comparison.offset,
                    "`container` takes `=started`, `=true` or `=false`",
                )
                .hint("for one container, use `containerId=…` or `containerName=…`")),
        },
        (_, Some(comparison)) => Err(expression.error(
            comparison.offset,
            format!("`{}` takes no value", expression.field),
        )),
        (_, None) => Err(unknown(expression)),
    }
}

fn unknown(expression: &Expression<'_>) -> FilterError {
    let error = expression.error(0, format!("there is no scope `{}`", expression.field));
    if expression.field == "podSandbox" {
        return error.hint("events do not carry it");
    }
    let names = || NAMES.iter().map(|(name, ..)| *name).chain(PLACES);
    if let Some(name) = similar(expression.field, names()) {
        return error.hint(format!("did you mean `{name}`?"));
    }
    error.hint(format!("scopes are {}", names().collect::<Vec<_>>().join(", ")))
}
