//! Filters on who did it, and where.

use detectors_api::columns;
use detectors_api::event::{Event, Value};
use detectors_api::spelling::similar;

use super::rejection::{Rejection, shown};
use super::syntax::{Expression, FilterError, Operator};
use super::test::{Kind, Test};

/// What a scope filter can test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
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

/// The names of all scopes.
pub fn scopes() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, ..)| *name).chain(PLACES)
}

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Container,
    StartedContainer,
    Host,
}

/// Scope filters, all of which must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScopeFilter {
    pub(crate) tests: Vec<ScopeTest>,
}

/// All filters on one scope; but every filter on the place is a test of its own.
#[derive(Clone, Debug)]
pub(crate) struct ScopeTest {
    /// The name that was used first.
    pub(crate) name: &'static str,
    /// As written.
    pub(crate) filters: Vec<String>,
    pub(crate) what: ScopeTested,
}

/// What is tested of the scope.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ScopeTested {
    Place(Place),
    Value(Scope, Test),
}

/// Where an event keeps what a scope test looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reads<'a> {
    /// In its process context.
    Context,
    /// In a common column, whose values must pass the test; an empty text counts as missing.
    Column(&'static str, &'a Test),
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
            self.tests.push(ScopeTest {
                name: "container",
                filters: vec![filter.to_owned()],
                what: ScopeTested::Place(place(&expression)?),
            });
            return Ok(());
        }
        let (name, scope, kind) = NAMES
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
        for known in &mut self.tests {
            if let ScopeTested::Value(tested, test) = &mut known.what
                && *tested == scope
            {
                known.filters.push(filter.to_owned());
                return test.add(kind, &expression, comparison);
            }
        }
        let mut test = kind.test();
        test.add(kind, &expression, comparison)?;
        self.tests.push(ScopeTest {
            name,
            filters: vec![filter.to_owned()],
            what: ScopeTested::Value(scope, test),
        });
        Ok(())
    }

    pub(super) fn matches(&self, event: &Event<'_>) -> bool {
        self.tests.iter().all(|test| test.what.matches(event))
    }

    /// What keeps `event` from passing.
    pub(super) fn rejections(&self, event: &Event<'_>) -> impl Iterator<Item = Rejection> {
        let failed = self.tests.iter().filter(|test| !test.what.matches(event));
        failed.map(|test| Rejection {
            filters: test.filters.clone(),
            tested: test.name.to_owned(),
            found: match &test.what {
                ScopeTested::Place(_) => Place::of(event),
                ScopeTested::Value(scope, _) => {
                    scope.with_value(event, |value| value.map(|value| shown(&value)))
                }
            },
        })
    }
}

impl ScopeTested {
    pub(crate) fn matches(&self, event: &Event<'_>) -> bool {
        match self {
            Self::Place(place) => place.matches(event),
            Self::Value(scope, test) => {
                scope.with_value(event, |value| value.is_some_and(|value| test.matches(&value)))
            }
        }
    }

    pub(crate) fn reads(&self) -> Reads<'_> {
        match self {
            Self::Value(Scope::Syscall, test) => Reads::Column(columns::THREAD_SYSCALL, test),
            Self::Value(Scope::Timestamp, test) => Reads::Column(columns::TIMESTAMP, test),
            Self::Value(Scope::Processor, test) => Reads::Column(columns::PROCESSOR, test),
            Self::Place(_) | Self::Value(..) => Reads::Context,
        }
    }
}

impl Place {
    fn matches(self, event: &Event<'_>) -> bool {
        let container = event.container();
        match self {
            Self::Container => !container.id().is_empty(),
            Self::StartedContainer => !container.id().is_empty() && container.started(),
            Self::Host => container.id().is_empty(),
        }
    }

    /// Where `event` comes from, in words; `None` for the host.
    fn of(event: &Event<'_>) -> Option<String> {
        let container = event.container();
        (!container.id().is_empty()).then(|| {
            let state = if container.started() {
                "started"
            } else {
                "not started"
            };
            format!("{:?}, {state}", container.id())
        })
    }
}

impl Scope {
    /// What `event` has for this scope; where a text is empty, it is missing.
    fn with_value<T>(self, event: &Event<'_>, then: impl FnOnce(Option<Value<'_>>) -> T) -> T {
        let number = |number: Option<u32>| number.map(Value::UInt32);
        fn text(text: &str) -> Option<Value<'_>> {
            (!text.is_empty()).then_some(Value::Str(text))
        }
        match self {
            Self::Timestamp => then(event.timestamp_ns().map(Value::Int64)),
            Self::Pid => then(number(event.process().pid())),
            Self::Tid => then(number(event.thread().tid())),
            Self::ParentPid => then(number(event.parent().pid())),
            Self::HostPid => then(number(event.process().host_pid())),
            Self::HostTid => then(number(event.thread().host_tid())),
            Self::HostParentPid => then(number(event.parent().host_pid())),
            Self::Uid => then(number(event.process().uid())),
            Self::Comm => then(text(event.thread().name())),
            Self::Syscall => then(text(event.thread().syscall())),
            Self::ContainerId => then(text(event.container().id())),
            Self::ContainerImage => then(text(event.container().image())),
            Self::ContainerImageDigest => then(text(event.container().image_digest())),
            Self::ContainerName => then(text(event.container().name())),
            Self::PodName => then(text(event.k8s().pod_name())),
            Self::PodNamespace => then(text(event.k8s().namespace())),
            Self::PodUid => then(text(event.k8s().pod_uid())),
            Self::Processor => then(number(event.processor())),
            Self::MountNs => then(number(event.kernel_context().mount_ns)),
            Self::PidNs => then(number(event.kernel_context().pid_ns)),
            Self::Cgroup => then(event.kernel_context().cgroup_id.map(Value::UInt64)),
            Self::HostName => {
                let name = event.kernel_context().host_name.unwrap_or_default();
                then(text(&name))
            }
        }
    }
}

fn place(expression: &Expression<'_>) -> Result<Place, FilterError> {
    match (expression.field, &expression.comparison) {
        ("container", None) => Ok(Place::Container),
        ("host" | "not-container", None) => Ok(Place::Host),
        ("container", Some(comparison)) => match (comparison.operator, comparison.single_value()) {
            (Operator::Equal, Some("started")) => Ok(Place::StartedContainer),
            (Operator::Equal, Some("true")) | (Operator::NotEqual, Some("false")) => Ok(Place::Container),
            (Operator::Equal, Some("false")) | (Operator::NotEqual, Some("true")) => Ok(Place::Host),
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
    if let Some(name) = similar(expression.field, scopes()) {
        return error.hint(format!("did you mean `{name}`?"));
    }
    error.hint(format!("scopes are {}", scopes().collect::<Vec<_>>().join(", ")))
}
