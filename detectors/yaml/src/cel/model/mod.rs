//! The messages of an event as expressions see them: by member name, with protobuf's rules.
//!
//! A member that is unset reads as the default of its type; numbers in wrappers read as null. The members and their types
//! follow from the generated Rust types of `tracee.v1beta1`: a message that gets a new member does not compile until it
//! is listed here.

mod field;
mod lazy;
mod messages;
mod path;
mod variant;

pub(super) use field::FieldValue;
pub(super) use lazy::LazyField;
pub(super) use messages::{ENUMS, TYPES};
pub(super) use path::{Read, read};
pub(super) use variant::data_value;

use detectors_api::event::Event;
use detectors_api::proto;

use super::types::Type;
use super::value::Val;
use field::Empty;

/// The type of `event`.
pub(super) fn event_descriptor() -> &'static Descriptor {
    proto::Event::static_descriptor()
}

/// The type of `workload`.
pub(super) fn workload_descriptor() -> &'static Descriptor {
    proto::Workload::static_descriptor()
}

/// `event.id`
pub(super) fn event_id<'a>(event: &'a Event<'_>) -> Val<'a> {
    Val::Int(event.id().into())
}

/// `event.name`
pub(super) fn event_name<'a>(event: &'a Event<'_>) -> Val<'a> {
    Val::text(event.name())
}

/// A message: members by position in its [`Descriptor`].
pub(super) trait Message {
    fn descriptor(&self) -> &'static Descriptor;
    /// The value of a member.
    fn get(&self, member: usize) -> Val<'_>;
    /// Whether a member is set: not the default of its type.
    fn has(&self, member: usize) -> bool;
}

/// A type of messages.
pub(super) struct Descriptor {
    /// Full name.
    pub name: &'static str,
    /// Members in the order of the interface.
    pub members: &'static [Member],
    /// Names that stand for a path of members.
    pub aliases: &'static [(&'static str, &'static [&'static str])],
}

pub(super) struct Member {
    pub name: &'static str,
    pub ty: fn() -> Type,
}

impl Descriptor {
    /// The position of a member.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|member| member.name == name)
    }

    /// The path of members that `name` stands for.
    pub(super) fn alias(&self, name: &str) -> Option<&'static [&'static str]> {
        self.aliases
            .iter()
            .find(|(alias, _)| *alias == name)
            .map(|(_, path)| *path)
    }
}

impl std::fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
