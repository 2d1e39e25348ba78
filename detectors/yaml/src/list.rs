//! Lists of texts that the detectors of a directory share.

use std::path::PathBuf;
use std::sync::Arc;

use crate::document::item::Item;
use crate::error::{Faults, Reason};

/// A list of texts. The expressions of the detectors in its directory know it by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringList {
    /// Its name: capital letters, digits and underscores.
    pub name: String,
    /// The texts, in the order of the file.
    pub values: Arc<[String]>,
    /// The file that it was read from.
    pub file: PathBuf,
}

/// The name of a list, where it stands, and its values.
pub(crate) struct ListDraft<'d> {
    pub(crate) name: &'d str,
    pub(crate) place: Item<'d>,
    pub(crate) values: Vec<String>,
}

/// Reads a list. `None` if it has no usable name.
pub(crate) fn string_list<'d>(root: &Item<'d>, faults: &mut Faults) -> Option<ListDraft<'d>> {
    let mapping = root.mapping(&["type", "name", "values"], faults)?;
    let values = mapping
        .get("values")
        .map(|item| item.items(faults))
        .unwrap_or_default()
        .iter()
        .filter_map(|item| item.any_text(faults).map(str::to_owned))
        .collect();
    let place = mapping.require("name", faults)?;
    let name = place.text(faults)?;
    if !is_name(name) {
        let value = name.to_owned();
        let what = "name of a list";
        place
            .report(faults, Reason::Malformed { what, value })
            .hint("use capital letters, digits and underscores, a letter first: SHELL_BINARIES");
        return None;
    }
    Some(ListDraft { name, place, values })
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
