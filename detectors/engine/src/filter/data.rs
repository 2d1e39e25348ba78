//! Filters on the event's own fields.

use detectors_api::catalogue::{EventDefinition, FieldType};
use detectors_api::definition::ProducedEvent;
use detectors_api::event::Event;
use detectors_api::spelling::similar;

use super::rejection::{Rejection, shown};
use super::syntax::{Expression, FilterError};
use super::syscalls;
use super::test::{Kind, Test};

/// A field that filters may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldInfo<'a> {
    /// Field name.
    pub name: &'a str,
    /// Its type.
    pub field_type: FieldType,
    /// What its values stand for.
    pub meaning: Meaning<'a>,
}

/// What the values of a field stand for, where filters may name that in another way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// Themselves.
    #[default]
    Plain,
    /// System calls: a field of numbers takes names, and a field of names takes numbers.
    Syscall {
        /// Architecture of the recording (`x86_64` or `amd64`, `aarch64` or `arm64`), which decides on the numbers; `None` if
        /// unknown.
        architecture: Option<&'a str>,
    },
}

/// The events whose field [`SYSCALL`] is a system call.
const SYSCALL_EVENTS: [&str; 5] = [
    "hooked_syscall",
    "stack_pivot",
    "suspicious_syscall_source",
    "sys_enter",
    "sys_exit",
];

/// The field of those events.
const SYSCALL: &str = "syscall";

impl<'a> FieldInfo<'a> {
    /// The fields of an event of the catalogue, in a recording of this architecture, if that is known.
    #[must_use]
    pub fn of_event(definition: &'a EventDefinition, architecture: Option<&'a str>) -> Vec<Self> {
        let meaning = |field: &str| {
            if field == SYSCALL && SYSCALL_EVENTS.contains(&definition.name) {
                Meaning::Syscall { architecture }
            } else {
                Meaning::Plain
            }
        };
        definition
            .carried()
            .map(|(name, field_type)| Self {
                name,
                field_type,
                meaning: meaning(name),
            })
            .collect()
    }

    /// The fields that a detector declares for its event.
    #[must_use]
    pub fn of_produced(event: &'a ProducedEvent) -> Vec<Self> {
        event
            .fields
            .iter()
            .map(|field| Self {
                name: &field.name,
                field_type: field.field_type,
                meaning: Meaning::Plain,
            })
            .collect()
    }
}

/// Filters on different fields, all of which must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct DataFilter {
    pub(super) fields: Vec<FieldFilter>,
}

/// All filters on one field.
#[derive(Clone, Debug)]
pub(crate) struct FieldFilter {
    pub(crate) name: String,
    /// As written.
    pub(crate) filters: Vec<String>,
    pub(crate) test: Test,
}

impl DataFilter {
    pub(super) fn new(fields: &[FieldInfo<'_>], filters: &[String]) -> Result<Self, Vec<FilterError>> {
        let mut compiled = Self::default();
        let errors: Vec<_> = filters
            .iter()
            .filter_map(|filter| compiled.add(fields, filter).err())
            .collect();
        if errors.is_empty() {
            Ok(compiled)
        } else {
            Err(errors)
        }
    }

    fn add(&mut self, fields: &[FieldInfo<'_>], filter: &str) -> Result<(), FilterError> {
        let mut expression = Expression::parse(filter)?;
        let field = fields
            .iter()
            .find(|field| field.name == expression.field)
            .ok_or_else(|| unknown(&expression, fields))?;
        let kind = kind(field.field_type).ok_or_else(|| {
            expression
                .error(
                    0,
                    format!(
                        "`{}` is {}, which filters cannot test",
                        field.name, field.field_type
                    ),
                )
                .hint("test it in the detector")
        })?;
        if let Meaning::Syscall { architecture } = field.meaning {
            syscalls::translate(&mut expression, kind == Kind::Text, architecture)?;
        }
        let Some(comparison) = &expression.comparison else {
            return Err(expression
                .error(filter.len(), "an operator and a value are missing")
                .hint(format!("such as `{filter}=value`")));
        };
        let position = self.fields.iter().position(|known| known.name == field.name);
        let position = position.unwrap_or_else(|| {
            self.fields.push(FieldFilter {
                name: field.name.to_owned(),
                filters: Vec::new(),
                test: kind.test(),
            });
            self.fields.len() - 1
        });
        let tested = &mut self.fields[position];
        tested.filters.push(filter.to_owned());
        tested.test.add(kind, &expression, comparison)
    }

    pub(super) fn matches(&self, event: &Event<'_>) -> bool {
        self.fields.iter().all(|field| field.matches(event))
    }

    /// The fields that keep `event` from passing.
    pub(super) fn rejections(&self, event: &Event<'_>) -> impl Iterator<Item = Rejection> {
        let failed = self.fields.iter().filter(|field| !field.matches(event));
        failed.map(|field| Rejection {
            filters: field.filters.clone(),
            tested: field.name.clone(),
            found: event.value(&field.name).map(|value| shown(&value)),
        })
    }
}

impl FieldFilter {
    fn matches(&self, event: &Event<'_>) -> bool {
        event
            .value(&self.name)
            .is_some_and(|value| self.test.matches(&value))
    }
}

fn unknown(expression: &Expression<'_>, fields: &[FieldInfo<'_>]) -> FilterError {
    let names = || fields.iter().map(|field| field.name);
    let error = expression.error(0, format!("the event has no field `{}`", expression.field));
    if let Some(name) = similar(expression.field, names()) {
        return error.hint(format!("did you mean `{name}`?"));
    }
    let names: Vec<_> = names().collect();
    error.hint(if names.is_empty() {
        "it declares no fields".to_owned()
    } else {
        format!("its fields are {}", names.join(", "))
    })
}

fn kind(field_type: FieldType) -> Option<Kind> {
    Some(match field_type {
        FieldType::Int32 | FieldType::Int32Array => Kind::Integer(i32::MIN.into(), i32::MAX.into()),
        FieldType::Int64 => Kind::Integer(i64::MIN.into(), i64::MAX.into()),
        FieldType::UInt32 => Kind::Integer(0, u32::MAX.into()),
        FieldType::UInt64 | FieldType::Pointer | FieldType::UInt64Array => Kind::Integer(0, u64::MAX.into()),
        FieldType::Timespec => Kind::Float,
        FieldType::Bool => Kind::Bool,
        FieldType::String | FieldType::StringArray => Kind::Text,
        FieldType::Bytes => Kind::Bytes,
        _ => return None,
    })
}
