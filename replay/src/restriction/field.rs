//! A filter on a field of any event, or on who did it and where.

use std::collections::HashMap;

use detectors_api::catalogue::catalogue;
use detectors_api::event::Event;
use detectors_api::spelling::similar;
use detectors_engine::filter::{FieldInfo, Filter, FilterError, scopes};

/// What a field of events is prefixed with where a scope has the same name.
const DATA: &str = "data.";

/// A filter of the engine, for events of all types.
#[derive(Debug)]
pub(super) enum FieldFilter {
    /// On who did it and where, which all events tell alike.
    Scope(Filter),
    /// On a field.
    Field {
        /// By event: types, and what numbers mean, may differ. `None` where the field cannot have such a value.
        by_event: HashMap<&'static str, Option<Filter>>,
        /// For events that carry the field though the catalogue does not say so.
        other: Box<Filter>,
    },
}

impl FieldFilter {
    /// Compiles `text` for a recording of this architecture (as `uname -m`), if that is known.
    pub(super) fn new(text: &str, architecture: Option<&str>) -> Result<Self, FilterError> {
        let name = field_name(text);
        if scopes().any(|scope| scope == name) {
            return Filter::new(&[], &[], &[text.to_owned()])
                .map(Self::Scope)
                .map_err(|errors| first(errors, text));
        }
        let (text, name) = match name.strip_prefix(DATA) {
            Some(name) => (&text[DATA.len()..], name),
            None => (text, name),
        };
        let (mut by_event, mut other, mut error) = (HashMap::new(), None, None);
        for event in catalogue().iter() {
            let fields = FieldInfo::of_event(event, architecture);
            if !fields.iter().any(|field| field.name == name) {
                continue;
            }
            let filter = match Filter::new(&fields, &[text.to_owned()], &[]) {
                Ok(filter) => Some(filter),
                Err(errors) => {
                    error.get_or_insert(errors);
                    None
                }
            };
            other = other.or_else(|| filter.clone());
            by_event.insert(event.name, filter);
        }
        match (other, error) {
            (Some(other), _) => Ok(Self::Field {
                by_event,
                other: Box::new(other),
            }),
            (None, Some(errors)) => Err(first(errors, text)),
            (None, None) => Err(unknown(text, name)),
        }
    }

    /// Whether `event` passes.
    pub(super) fn matches(&self, event: &Event<'_>) -> bool {
        match self {
            Self::Scope(filter) => filter.matches(event),
            Self::Field { by_event, other } => match by_event.get(event.name()) {
                Some(filter) => filter.as_ref().is_some_and(|filter| filter.matches(event)),
                None => other.matches(event),
            },
        }
    }
}

/// What stands before the operator; all, if there is none.
fn field_name(text: &str) -> &str {
    text.find(['=', '!', '<', '>']).map_or(text, |end| &text[..end])
}

/// Whether an event has a field called `name`, by the catalogue.
pub(super) fn is_field(name: &str) -> bool {
    field_names().any(|field| field == name)
}

/// The name of a field that `name` may have been meant to be.
pub(super) fn similar_field(name: &str) -> Option<&'static str> {
    similar(name, field_names())
}

fn field_names() -> impl Iterator<Item = &'static str> {
    let events = catalogue().iter();
    events.flat_map(|event| event.carried().map(|(name, _)| name))
}

fn first(errors: Vec<FilterError>, text: &str) -> FilterError {
    let first = errors.into_iter().next();
    first.unwrap_or_else(|| error(text, "it cannot be used".to_owned(), None))
}

fn unknown(text: &str, name: &str) -> FilterError {
    let near = similar(name, field_names().chain(scopes()));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`tracee-cap events show NAME` shows the fields of an event".to_owned(),
    };
    error(
        text,
        format!("no event has a field `{name}`, and it is no scope"),
        Some(hint),
    )
}

fn error(text: &str, message: String, hint: Option<String>) -> FilterError {
    FilterError {
        filter: text.to_owned(),
        offset: 0,
        message,
        hint,
    }
}
