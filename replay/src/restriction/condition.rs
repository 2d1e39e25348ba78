//! A condition on events, written as a filter or in CEL.
//!
//! What can be a filter on a field or scope that there is, is one; everything else is CEL. `filter:` and `cel:` in front decide
//! for themselves.

use std::fmt;

use detectors_api::detector::Context;
use detectors_api::event::Event;
use detectors_engine::filter::FilterError;
use detectors_yaml::cel::{CelError, Environment, Program};

use super::ConditionFailures;
use super::failures::Failures;
use super::field::{FieldFilter, is_field, similar_field};

/// A condition on events.
#[derive(Debug)]
pub struct Condition {
    /// As written, without the prefix.
    text: String,
    meaning: Meaning,
}

#[derive(Debug)]
enum Meaning {
    Filter(FieldFilter),
    Cel { program: Program, failures: Failures },
}

/// A text that is no condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionError {
    /// The text, as written.
    pub text: String,
    /// Why it is no filter; `None` if it was not meant to be one.
    pub filter: Option<Box<FilterError>>,
    /// Why it is no CEL; empty if it was not meant to be any.
    pub cel: Vec<CelError>,
}

impl Condition {
    /// Reads a condition on events of a recording of this architecture (as `uname -m`), if that is known.
    ///
    /// # Errors
    /// If it is no condition: what is wrong with it as a filter, and as CEL.
    pub fn parse(text: &str, architecture: Option<&str>) -> Result<Self, ConditionError> {
        if let Some(rest) = text.strip_prefix("filter:") {
            return filter(rest, architecture)
                .map_err(|error| ConditionError::new(text, Some(error), Vec::new()));
        }
        if let Some(rest) = text.strip_prefix("cel:") {
            return cel(rest).map_err(|errors| ConditionError::new(text, None, errors));
        }
        filter(text, architecture)
            .and_then(|condition| doubtful(text).map_or(Ok(condition), Err))
            .or_else(|error| cel(text).map_err(|errors| ConditionError::new(text, Some(error), errors)))
    }

    /// Whether it is a filter, which needs no stores and always has a value.
    pub(super) fn is_filter(&self) -> bool {
        matches!(self.meaning, Meaning::Filter(_))
    }

    /// Whether it holds for `event`; not without a value, which is counted.
    pub(super) fn holds(&self, event: &Event<'_>, cx: &Context<'_>) -> bool {
        match &self.meaning {
            Meaning::Filter(filter) => filter.matches(event),
            Meaning::Cel { program, failures } => program.holds(event, cx).unwrap_or_else(|error| {
                failures.count(event, &error);
                false
            }),
        }
    }

    /// How often it had no value, if ever.
    pub(super) fn failures(&self) -> Option<ConditionFailures> {
        let Meaning::Cel { failures, .. } = &self.meaning else {
            return None;
        };
        let (events, first) = failures.get()?;
        Some(ConditionFailures {
            condition: self.to_string(),
            events,
            seq: first.seq,
            event: first.event,
            reason: first.reason,
        })
    }
}

impl fmt::Display for Condition {
    /// With what it was understood as in front: it is read back as the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.is_filter() { "filter:" } else { "cel:" };
        write!(f, "{prefix}{}", self.text)
    }
}

fn filter(text: &str, architecture: Option<&str>) -> Result<Condition, FilterError> {
    FieldFilter::new(text, architecture).map(|filter| Condition {
        text: text.to_owned(),
        meaning: Meaning::Filter(filter),
    })
}

/// `==` is CEL's: as a filter, it would look for a text that begins with `=`.
fn doubtful(text: &str) -> Option<FilterError> {
    let offset = text.find(['=', '!', '<', '>'])?;
    text[offset..].starts_with("==").then(|| FilterError {
        filter: text.to_owned(),
        offset: offset + 1,
        message: "filters have one `=`".to_owned(),
        hint: Some("`filter:` in front takes the second as part of the text".to_owned()),
    })
}

fn cel(text: &str) -> Result<Condition, Vec<CelError>> {
    let program = Environment::default().condition(text)?;
    let unknown: Vec<_> = program
        .fields()
        .filter(|(_, field)| !is_field(field))
        .map(|(offset, field)| CelError {
            offset,
            message: format!("no event has a field `{field}`"),
            hint: similar_field(field).map(|near| format!("did you mean `{near}`?")),
        })
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    Ok(Condition {
        text: text.to_owned(),
        meaning: Meaning::Cel {
            program,
            failures: Failures::default(),
        },
    })
}

impl ConditionError {
    fn new(text: &str, filter: Option<FilterError>, cel: Vec<CelError>) -> Self {
        Self {
            text: text.to_owned(),
            filter: filter.map(Box::new),
            cel,
        }
    }
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = match (&self.filter, self.cel.is_empty()) {
            (Some(_), false) => "neither a filter nor CEL",
            (Some(_), true) => "no filter",
            (None, _) => "no CEL condition",
        };
        write!(f, "`{}` is {kinds}", self.text)?;
        if let Some(error) = &self.filter {
            write!(f, "\nas a filter:\n{}", indented(&error.to_string()))?;
        }
        let source = self.text.strip_prefix("cel:").unwrap_or(&self.text);
        for error in &self.cel {
            write!(f, "\nas CEL:\n{}", indented(&pointed_at(source, error)))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConditionError {}

/// The line of `source` that `error` is in, a mark under the place, the problem and the hint.
fn pointed_at(source: &str, error: &CelError) -> String {
    let before = source.get(..error.offset).unwrap_or(source);
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = source[start..].lines().next().unwrap_or_default();
    let column = before[start..].chars().count();
    let mut text = format!("{line}\n{:column$}^ {}", "", error.message);
    if let Some(hint) = &error.hint {
        text.push_str(&format!("\n{:column$}  {hint}", ""));
    }
    text
}

fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use detectors_api::stores::NullStores;
    use detectors_api::testkit::{TestEvent, batches};

    use super::*;

    fn parse(text: &str) -> Condition {
        Condition::parse(text, Some("x86_64")).unwrap_or_else(|error| panic!("{error}"))
    }

    fn holds(condition: &Condition, event: &TestEvent) -> bool {
        let batches = batches(std::slice::from_ref(event));
        condition.holds(&batches[0].event(0), &Context::new(&NullStores))
    }

    #[test]
    fn filters_and_cel_are_told_apart() {
        for (text, understood) in [
            ("pathname=/etc/*", "filter:pathname=/etc/*"),
            ("uid=0", "filter:uid=0"),
            ("container=started", "filter:container=started"),
            ("not-container", "filter:not-container"),
            ("data.syscall=ptrace", "filter:data.syscall=ptrace"),
            ("timestamp>5", "filter:timestamp>5"),
            (
                "timestamp>timestamp('2026-01-01T00:00:00Z')",
                "cel:timestamp>timestamp('2026-01-01T00:00:00Z')",
            ),
            ("workload.process.host_pid==5", "cel:workload.process.host_pid==5"),
            ("cel:hasData('pathname')", "cel:hasData('pathname')"),
            ("filter:comm==x", "filter:comm==x"),
        ] {
            assert_eq!(parse(text).to_string(), understood);
            assert_eq!(parse(understood).to_string(), understood);
        }
    }

    #[test]
    fn what_is_neither_is_told_as_both() {
        let told = |text: &str| {
            Condition::parse(text, None)
                .expect_err("it is no condition")
                .to_string()
        };
        let text = told("pathnam=/etc/*");
        assert!(text.contains("neither a filter nor CEL"), "{text}");
        assert!(text.contains("did you mean `pathname`?"), "{text}");
        assert!(text.contains("as CEL:"), "{text}");
        let text = told("comm==bash");
        assert!(text.contains("filters have one `=`"), "{text}");
        let text = told("filter:pathnam=x");
        assert!(
            text.contains("is no filter") && !text.contains("as CEL"),
            "{text}"
        );
        let text = told("cel:getEventData('pathnam') == 'x'");
        assert!(
            text.contains("did you mean `pathname`?") && !text.contains("as a filter"),
            "{text}"
        );
        assert!(told("cel:1 + 1").contains("a condition must be bool"));
        assert!(told("sockfd=some").contains("as a filter"));
        assert!(told("").contains("neither"));
    }

    #[test]
    fn filters_look_at_fields_of_any_event() {
        let pathname = parse("pathname=/etc/*");
        for name in ["security_file_open", "openat"] {
            assert!(holds(
                &pathname,
                &TestEvent::new(name).set("pathname", "/etc/shadow")
            ));
            assert!(!holds(&pathname, &TestEvent::new(name).set("pathname", "/tmp/x")));
        }
        assert!(!holds(&pathname, &TestEvent::new("ptrace")));
        assert!(!holds(&parse("pathname!=/etc/*"), &TestEvent::new("ptrace")));
        let root = parse("uid=0");
        assert!(holds(&root, &TestEvent::new("ptrace").uid(0)));
        assert!(!holds(&root, &TestEvent::new("ptrace").uid(1)));
        // System calls by name, where the field has numbers.
        let syscall = parse("data.syscall=ptrace");
        assert!(holds(
            &syscall,
            &TestEvent::new("sys_enter").set("syscall", 101_i32)
        ));
        assert!(!holds(
            &syscall,
            &TestEvent::new("sys_enter").set("syscall", 102_i32)
        ));
    }

    #[test]
    fn what_has_no_value_is_counted() {
        let condition = parse("getEventData('pathname').startsWith('/etc/')");
        assert!(holds(
            &condition,
            &TestEvent::new("openat").set("pathname", "/etc/shadow")
        ));
        assert_eq!(condition.failures(), None);
        assert!(!holds(&condition, &TestEvent::new("ptrace")));
        let failures = condition.failures().expect("null has no beginning");
        assert_eq!((failures.events, failures.event.as_str()), (1, "ptrace"));
        assert!(failures.reason.contains("startsWith"), "{}", failures.reason);
    }
}
