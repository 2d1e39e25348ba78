//! System calls in filters: names where the field is a number, numbers where it is a name.
//!
//! A system call has one name and, on every architecture, another number. A name in a filter on a field of numbers becomes the
//! number that it has in events of the recording's architecture, and a number in a filter on a field of names the name. If the
//! architecture is unknown such a filter is refused: a number of another architecture would be another system call.

use std::borrow::Cow;

use detectors_api::spelling::similar;
use detectors_api::stores::SyscallStore as _;
use detectors_stores::syscall::SyscallStore;

use super::syntax::{Expression, FilterError, integer};

/// The architectures whose system calls have names.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// Rewrites the values of `expression` to what the field holds: names if `names`, else numbers.
pub(super) fn translate(
    expression: &mut Expression<'_>,
    names: bool,
    architecture: Option<&str>,
) -> Result<(), FilterError> {
    let Some(mut comparison) = expression.comparison.take() else {
        return Ok(());
    };
    for (offset, value) in &mut comparison.values {
        let problem = |(message, hint): (String, String)| expression.error(*offset, message).hint(hint);
        let translated = match (names, integer(value)) {
            (true, Some(number)) => Some(name_of(number, architecture).map_err(problem)?),
            (true, None) => {
                known(value).map_err(problem)?;
                None
            }
            (false, Some(_)) => None,
            (false, None) => Some(number_of(value, architecture).map_err(problem)?),
        };
        if let Some(translated) = translated {
            *value = Cow::Owned(translated);
        }
    }
    expression.comparison = Some(comparison);
    Ok(())
}

/// What is wrong, and what to do about it.
type Problem = (String, String);

fn table(architecture: Option<&str>, what: &str) -> Result<SyscallStore, Problem> {
    let store = SyscallStore::for_architecture(architecture.unwrap_or_default());
    if store.is_known() {
        return Ok(store);
    }
    Err((
        format!(
            "which system call is `{what}` depends on the architecture of the recording, which is unknown"
        ),
        "write it as events of this type have it, or import the recording with `--architecture`".to_owned(),
    ))
}

fn name_of(number: i128, architecture: Option<&str>) -> Result<String, Problem> {
    let table = table(architecture, &number.to_string())?;
    let name = i32::try_from(number).ok().and_then(|number| {
        let name = table.at(0).get_syscall_name(number).map(str::to_owned);
        name.ok()
    });
    name.ok_or_else(|| {
        (
            format!("there is no system call {number}"),
            "name the system call".to_owned(),
        )
    })
}

fn number_of(name: &str, architecture: Option<&str>) -> Result<String, Problem> {
    if name.contains(['*', '?']) {
        return Err((
            "the system call is a number, which no pattern matches".to_owned(),
            "list the names, separated by commas".to_owned(),
        ));
    }
    known(name)?;
    let architecture_name = architecture.unwrap_or_default();
    match table(architecture, name)?.at(0).get_syscall_id(name) {
        Ok(number) => Ok(number.to_string()),
        Err(_) => Err((
            format!("events of {architecture_name} have no system call `{name}`"),
            "leave it out".to_owned(),
        )),
    }
}

/// Whether `name` is a pattern, or a system call of any architecture.
fn known(name: &str) -> Result<(), Problem> {
    let numbers: Vec<_> = ARCHITECTURES
        .iter()
        .flat_map(|architecture| {
            SyscallStore::for_architecture(architecture)
                .all()
                .collect::<Vec<_>>()
        })
        .collect();
    let names = || {
        numbers
            .iter()
            .flat_map(|number| [number.name, number.native_name])
            .flatten()
    };
    if name.contains(['*', '?']) || names().any(|known| known == name) {
        return Ok(());
    }
    let hint = match similar(name, names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "write it as its manual page does".to_owned(),
    };
    Err((format!("there is no system call `{name}`"), hint))
}
