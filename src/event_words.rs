//! Events as the command line names them: names, wildcards and sets.

use std::collections::BTreeSet;

use detectors_api::catalogue::{EventDefinition, catalogue};

use crate::exit::Failure;
use crate::spelling;

/// The events that a word of `option` names: a name, one with `*` and `?`, or `@` and the name of a set. At least one.
///
/// # Errors
/// If there is no such event or set.
pub(crate) fn named(option: &str, word: &str) -> Result<Vec<&'static EventDefinition>, Failure> {
    let set = word.strip_prefix('@');
    if let Some(set) = set {
        let sets: BTreeSet<&str> = catalogue()
            .iter()
            .flat_map(|event| event.sets.iter().copied())
            .collect();
        if !sets.contains(set) {
            let sets: Vec<_> = sets.into_iter().collect();
            return Err(Failure::usage(format!(
                "{option}: there is no set `{set}`; sets are: {}",
                sets.join(", ")
            )));
        }
    }
    let found: Vec<_> = catalogue()
        .iter()
        .filter(|event| match set {
            Some(set) => event.sets.contains(&set),
            None => analyze::glob_matches(word, event.name),
        })
        .collect();
    if found.is_empty() {
        return Err(unknown(option, word));
    }
    Ok(found)
}

/// Whether a word names one event and no other, whatever events there are.
pub(crate) fn is_name(word: &str) -> bool {
    !word.starts_with('@') && !word.contains(['*', '?'])
}

fn unknown(option: &str, word: &str) -> Failure {
    let near = spelling::nearest(word, catalogue().iter().map(|event| event.name));
    let hint = if near.is_empty() {
        "`tracee-cap events list` shows all".to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    };
    Failure::usage(format!("{option}: the catalogue has no event `{word}`; {hint}"))
}
