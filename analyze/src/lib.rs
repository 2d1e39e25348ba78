//! SQL over captures.
//!
//! A capture is shown as a set of tables: one per event type, `events` over all types, what its stores know (processes,
//! containers, DNS, symbols …), losses and detections. Functions ask the stores as of an event. [`SqlSession`] opens captures and
//! answers queries; [`write_answer`] and [`repl`](repl()) are what the command line needs on top.
//!
//! Invariants:
//! * queries only ever read: nothing that a query says touches files, tables or settings;
//! * an answer depends on the captures and the query, not on the number of threads or their timing;
//! * a capture is untrusted: its faults are errors that say where, and scans take bounded memory.

mod as_of;
mod bounds;
mod columns;
mod error;
mod facts;
mod functions;
mod glob;
mod history;
mod json;
mod made;
mod merge;
mod other;
mod output;
mod repl;
mod rows;
mod scan;
mod session;
mod stores;
mod table;

pub use columns::sql_columns;
pub use error::Error;
pub use glob::glob_matches;
pub use output::{Format, Written, write_answer};
pub use repl::repl;
pub use session::{Answer, Options, Query, SqlSession};
