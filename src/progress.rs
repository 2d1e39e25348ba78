//! Progress on stderr, only on a terminal.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// How far a run over some captures is: which one, what part of it, how fast, what was found, and how long it will take.
#[derive(Debug)]
pub(crate) struct RunProgress {
    bar: ProgressBar,
    captures: usize,
    /// The capture that is being looked at, from 1.
    current: AtomicU64,
}

impl RunProgress {
    /// Nothing has begun. Hidden unless stderr is a terminal.
    pub(crate) fn new(captures: usize) -> Self {
        let bar = bar(Some(0), "");
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3}% {msg}, ETA {eta}")
        {
            bar.set_style(style);
        }
        Self {
            bar,
            captures,
            current: AtomicU64::new(0),
        }
    }

    /// The next capture begins.
    pub(crate) fn start(&self, capture: &str) {
        let current = self.current.fetch_add(1, Ordering::Relaxed) + 1;
        let place = if self.captures > 1 {
            format!(" ({current}/{})", self.captures)
        } else {
            String::new()
        };
        self.bar.reset();
        self.bar.set_prefix(format!("{capture}{place}"));
        self.bar.set_message("0 found");
        // So that something is there, however short the run is.
        self.bar.tick();
    }

    /// So far has it come.
    pub(crate) fn tell(&self, progress: replay::Progress) {
        let seconds = self.bar.elapsed().as_secs_f64().max(1e-3);
        self.bar.set_message(format!(
            "{} found, {:.1} M events/s",
            progress.detections,
            progress.rows as f64 / seconds / 1e6
        ));
        self.bar.set_length(progress.of);
        self.bar.set_position(progress.rows);
    }

    /// Lets `write` write to stderr.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Takes it off the terminal.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
