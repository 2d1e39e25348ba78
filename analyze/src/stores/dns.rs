//! What DNS answers said.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::error::Result;
use detectors_stores::dns::DnsRecord;

use crate::facts::Facts;
use crate::made::made;
use crate::table::Named;

/// Every record of every answer.
pub(super) fn dns(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &record_facts(&[]).schema(), |capture, rows| {
        let stores = capture.history.stores()?;
        let machines = stores.machines().iter();
        rows.add_all(machines.flat_map(|machine| machine.dns().history()), record_facts)
    })
}

fn record_facts<'r, 'a>(records: &'r [DnsRecord<'a>]) -> Facts<'r, DnsRecord<'a>> {
    Facts::about(records)
        .u64("seq", |record| Some(record.seq))
        .signed_time("timestamp", |record| Some(record.time_ns))
        .text("question", |record| &record.question)
        .text("question_type", |record| record.question_type)
        .text("name", |record| &record.name)
        .text("record_type", |record| record.record_type.as_str())
        .text("value", |record| &record.value)
        .u32("ttl", |record| Some(record.ttl))
        .signed_time("valid_until", |record| Some(record.valid_until_ns))
}
