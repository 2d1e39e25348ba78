//! Progress on stderr, only on a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over `total` units, or a spinner when the total is unknown. Hidden unless stderr is a terminal.
pub(crate) fn bar(total: Option<u64>, what: &'static str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let template = match total {
        Some(_) => "{prefix} {wide_bar} {percent:>3}% {msg} ETA {eta}",
        None => "{prefix} {spinner} {elapsed} {msg}",
    };
    let bar = ProgressBar::with_draw_target(total, target).with_prefix(what);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
