//! Which program an exec starts.

use detectors_api::prelude::*;

use crate::path::base;

/// Whether the program that the exec `event` starts is called one of `names`, by the last part of its path.
///
/// What runs in the end may be called differently from what was asked for: a script is run by its interpreter, and a
/// symbolic link leads elsewhere. So each path that the event has of the program counts.
pub(crate) fn starts(event: &Event<'_>, names: &[&str]) -> bool {
    let asked = event.get::<&str>("cmdpath");
    let found = event.get::<&str>("pathname");
    [asked, found, Some(event.process().executable_path())]
        .into_iter()
        .flatten()
        .any(|path| names.contains(&base(path)))
}
