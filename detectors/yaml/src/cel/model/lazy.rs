//! Fields of an event, each of which becomes a message when its value is asked for.
//!
//! `event.data.exists(d, d.name == "argv" && …)` looks at the names of all fields and at the value of one.

use std::cell::OnceCell;

use detectors_api::event::{Event, Value as Field};
use detectors_api::proto;
use detectors_api::proto::event_value::Value;

use super::field::Empty;
use super::variant::Variants;
use super::{Descriptor, Message};
use crate::cel::value::{Items, Val};

/// A field of an event, as `tracee.v1beta1.EventValue`.
pub(in crate::cel) struct LazyField<'a> {
    event: &'a Event<'a>,
    /// Its position among the fields of the event.
    index: usize,
    pub(in crate::cel) name: &'a str,
    value: OnceCell<Option<Value>>,
}

impl<'a> LazyField<'a> {
    /// All fields of an event, in order.
    pub(in crate::cel) fn of(event: &'a Event<'a>) -> Vec<Self> {
        let names = event.field_names().into_iter().enumerate();
        names
            .map(|(index, name)| Self {
                event,
                index,
                name,
                value: OnceCell::new(),
            })
            .collect()
    }

    /// The value, if it has one.
    pub(in crate::cel) fn value(&self) -> Option<&Value> {
        let value = self.value.get_or_init(|| match self.event.value_at(self.index) {
            // What is a message where it comes from has more to it than a view shows.
            Some(Field::SockAddr(_) | Field::Message(_)) => {
                self.event.data_messages().into_iter().nth(self.index)?.value
            }
            field => field.map(|field| field.to_message()),
        });
        value.as_ref()
    }
}

impl Message for LazyField<'_> {
    fn descriptor(&self) -> &'static Descriptor {
        proto::EventValue::static_descriptor()
    }

    fn get(&self, member: usize) -> Val<'_> {
        match member.checked_sub(1) {
            None => Val::text(self.name),
            Some(variant) => Variants::get(self.value(), variant),
        }
    }

    fn has(&self, member: usize) -> bool {
        match member.checked_sub(1) {
            None => !self.name.is_empty(),
            Some(variant) => Variants::has(self.value(), variant),
        }
    }
}

impl Items for Vec<LazyField<'_>> {
    fn count(&self) -> usize {
        self.len()
    }

    fn item(&self, index: usize) -> Option<Val<'_>> {
        self.get(index).map(|field| Val::Message(field))
    }
}
