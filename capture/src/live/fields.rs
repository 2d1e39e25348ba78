//! From what the sensor's programs send of an event's fields to values of the types that the catalogue gives them.

use detectors_api::catalogue::{EventDefinition, FieldDefinition, FieldType};
use detectors_api::proto;
use detectors_api::proto::event_value::Value;
use ebpf::abi::{Credentials, Event, HookedFunction, RawValue};
use ebpf::symbols;

use super::address;

/// The fields of an event of type `definition`, in the order of the definition. What was not sent, or is of another type than the
/// catalogue says, is left out.
pub(super) fn values(definition: &EventDefinition, event: &Event) -> Vec<proto::EventValue> {
    let mut values = Vec::with_capacity(event.fields.len());
    for (number, field) in definition.fields.iter().enumerate() {
        let sent = u8::try_from(number).ok().and_then(|number| event.field(number));
        if let Some(value) = sent.and_then(|raw| value(field, raw)) {
            values.push(proto::EventValue {
                name: field.name.to_owned(),
                value: Some(value),
            });
        }
    }
    values
}

fn value(field: &FieldDefinition, raw: &RawValue) -> Option<Value> {
    let value = match (field.field_type?, raw) {
        // The kernel looks at the lower half of a register for a 32-bit argument.
        (FieldType::Int32, RawValue::Number(number)) => Value::Int32((*number as u32).cast_signed()),
        (FieldType::UInt32, RawValue::Number(number)) if field.declared_type == "uint16" => {
            Value::UInt32(u32::from(*number as u16))
        }
        (FieldType::UInt32, RawValue::Number(number)) => Value::UInt32(*number as u32),
        (FieldType::Int64, RawValue::Number(number)) => Value::Int64(number.cast_signed()),
        (FieldType::UInt64, RawValue::Number(number)) => Value::UInt64(*number),
        (FieldType::Pointer, RawValue::Number(number)) => Value::Pointer(*number),
        (FieldType::Bool, RawValue::Number(number)) => Value::Bool(*number != 0),
        (FieldType::String, RawValue::Text(text)) => Value::Str(text.clone()),
        (FieldType::StringArray, RawValue::Texts(texts)) => {
            Value::StrArray(proto::StringArray { value: texts.clone() })
        }
        (FieldType::Bytes, RawValue::Bytes(bytes)) => Value::Bytes(bytes.clone()),
        (FieldType::UInt64Array, RawValue::Numbers(numbers)) => Value::UInt64Array(proto::UInt64Array {
            value: numbers.clone(),
        }),
        (FieldType::HookedSyscalls, RawValue::Numbers(functions)) => {
            Value::HookedSyscalls(listers(functions))
        }
        (FieldType::HookedSeqOps, RawValue::Hooks(functions)) => {
            Value::HookedSeqOps(lists_of_connections(functions))
        }
        (FieldType::Int32Array, RawValue::Pair(pair)) => {
            Value::Int32Array(proto::Int32Array { value: pair.to_vec() })
        }
        (FieldType::SockAddr, RawValue::Address(bytes)) => Value::Sockaddr(address::decode(bytes)?),
        (FieldType::Timespec, RawValue::Time(seconds, ns)) => Value::Timespec(proto::Timespec {
            value: Some(*seconds as f64 + *ns as f64 / 1e9),
        }),
        (FieldType::Credentials, RawValue::Credentials(raw)) => Value::Credentials(credentials(raw)),
        _ => return None,
    };
    Some(value)
}

/// The functions that list a directory, by their roles, and which modules they are in. The kernel's own are no hooks: the programs
/// put 0 in their place.
fn listers(functions: &[u64]) -> proto::HookedSyscalls {
    let hooks = ["iterate_shared", "iterate"].into_iter().zip(functions);
    proto::HookedSyscalls {
        value: hooks
            .filter(|(_, function)| **function != 0)
            .map(|(role, function)| proto::HookedSymbolData {
                symbol_name: role.to_owned(),
                module_owner: symbols::module_at(*function),
            })
            .collect(),
    }
}

/// The functions that list connections, by their roles.
fn lists_of_connections(functions: &[HookedFunction]) -> proto::HookedSeqOps {
    let hook = |function: &HookedFunction| proto::HookedSymbolData {
        symbol_name: function.name.clone(),
        module_owner: function.owner.clone(),
    };
    proto::HookedSeqOps {
        value: functions
            .iter()
            .map(|function| (function.role.clone(), hook(function)))
            .collect(),
    }
}

fn credentials(raw: &Credentials) -> proto::Credentials {
    proto::Credentials {
        uid: Some(raw.uid),
        gid: Some(raw.gid),
        suid: Some(raw.suid),
        sgid: Some(raw.sgid),
        euid: Some(raw.euid),
        egid: Some(raw.egid),
        fsuid: Some(raw.fsuid),
        fsgid: Some(raw.fsgid),
        user_namespace: Some(raw.user_ns),
        secure_bits: Some(raw.secure_bits),
        cap_inheritable: capabilities(raw.inheritable),
        cap_permitted: capabilities(raw.permitted),
        cap_effective: capabilities(raw.effective),
        cap_bounding: capabilities(raw.bounding),
        cap_ambient: capabilities(raw.ambient),
    }
}

/// The numbers of the capabilities in a mask. The interface's enumeration is by number.
fn capabilities(mask: u64) -> Vec<i32> {
    (0..i64::BITS.cast_signed())
        .filter(|bit| mask >> bit & 1 != 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use detectors_api::catalogue::catalogue;

    use super::*;

    #[test]
    fn fields_have_the_types_of_the_catalogue() {
        let definition = catalogue().get("mknod").expect("an event");
        let event = Event {
            event: definition.internal_id_amd64,
            fields: vec![
                (3, RawValue::Number((-17_i64).cast_unsigned())),
                (0, RawValue::Text("/tmp/x".to_owned())),
                (1, RawValue::Number(0xffff_81a4)),
                // The field is no text.
                (2, RawValue::Text("no device".to_owned())),
            ],
        };
        let values: Vec<_> = values(definition, &event)
            .into_iter()
            .map(|value| (value.name, value.value.expect("sent")))
            .collect();
        assert_eq!(
            values,
            [
                ("pathname".to_owned(), Value::Str("/tmp/x".to_owned())),
                ("mode".to_owned(), Value::UInt32(0o100_644)),
                ("returnValue".to_owned(), Value::Int64(-17)),
            ]
        );
    }

    #[test]
    fn capabilities_are_numbers() {
        assert_eq!(capabilities(0b1010_0001), [0, 5, 7]);
    }
}
