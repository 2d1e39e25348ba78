//! Event tables.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use capture::{CaptureReader, Scan};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::datasource::TableType;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use detectors_api::columns::{OTHER, layout};

use crate::bounds::Bounds;
use crate::columns::{Column, all_columns, event_columns, schema_of};
use crate::history::History;
use crate::rows::Projection;
use crate::scan::{CaptureScan, EventsExec};

/// A capture and what it is called.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: Arc<str>,
    pub(crate) reader: CaptureReader,
    pub(crate) history: History,
}

impl Named {
    pub(crate) fn new(name: String, reader: CaptureReader) -> Self {
        Self {
            name: name.into(),
            history: History::of(reader.clone()),
            reader,
        }
    }
}

/// The events of one type, or of all, over several captures.
#[derive(Debug)]
pub(crate) struct EventTable {
    captures: Arc<[Named]>,
    /// `None` for all.
    event_type: Option<&'static str>,
    columns: Vec<Column>,
    schema: SchemaRef,
    threads: usize,
}

impl EventTable {
    pub(crate) fn of_type(captures: Arc<[Named]>, event_type: &'static str, threads: usize) -> Self {
        Self::new(
            captures,
            Some(event_type),
            event_columns(layout(event_type)),
            threads,
        )
    }

    pub(crate) fn of_all(captures: Arc<[Named]>, threads: usize) -> Self {
        Self::new(captures, None, all_columns(), threads)
    }

    fn new(
        captures: Arc<[Named]>,
        event_type: Option<&'static str>,
        columns: Vec<Column>,
        threads: usize,
    ) -> Self {
        Self {
            captures,
            event_type,
            schema: schema_of(&columns),
            columns,
            threads,
        }
    }

    /// The event types of `capture` that the table shows and `bounds` allow.
    fn types(&self, capture: &Named, bounds: &Bounds) -> Vec<&'static str> {
        let mut types = capture.reader.event_types();
        match self.event_type {
            Some(event_type) => types.retain(|name| *name == event_type),
            // Events that the catalogue does not know can have any name.
            None => types.retain(|name| *name == OTHER || bounds.allows(name)),
        }
        types
    }

    fn rows(capture: &Named, event_type: &str) -> u64 {
        let events = &capture.reader.manifest().events;
        events.get(event_type).copied().unwrap_or_default()
    }

    fn describe(&self, bounds: &Bounds, projected: &SchemaRef, types: usize) -> String {
        let columns: Vec<_> = projected
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let mut text = format!(
            "table={}, types={types}, columns=[{}]",
            self.event_type.unwrap_or("events"),
            columns.join(", ")
        );
        if let Some(seq) = bounds.seq() {
            text.push_str(&format!(", seq={}..={}", seq.start(), seq.end()));
        }
        if let Some(time) = bounds.time() {
            text.push_str(&format!(", time={}..={} ns", time.start(), time.end()));
        }
        if let Some(names) = bounds.names() {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            text.push_str(&format!(", names=[{}]", names.join(", ")));
        }
        text
    }
}

#[async_trait]
impl TableProvider for EventTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if Bounds::of([*filter]).is_unbounded() {
                    TableProviderFilterPushDown::Unsupported
                } else {
                    TableProviderFilterPushDown::Inexact
                }
            })
            .collect())
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = match projection {
            Some(wanted) => wanted.iter().map(|index| self.columns[*index].clone()).collect(),
            None => self.columns.clone(),
        };
        let bounds = Bounds::of(filters);
        let mut rows: u64 = 0;
        let mut types = 0;
        let captures: Vec<_> = self
            .captures
            .iter()
            .map(|capture| {
                let wanted = self.types(capture, &bounds);
                types += wanted.len();
                let scans = wanted
                    .into_iter()
                    .map(|name| {
                        rows = rows.saturating_add(Self::rows(capture, name));
                        bounded(capture.reader.scan(name), &bounds)
                    })
                    .collect();
                CaptureScan {
                    scans,
                    projection: Projection::new(columns.clone(), &capture.name),
                }
            })
            .collect();
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        let rows = if filters.is_empty() {
            Precision::Exact(rows)
        } else {
            Precision::Inexact(rows)
        };
        let described = self.describe(&bounds, &schema_of(&columns), types);
        Ok(Arc::new(EventsExec::new(
            captures,
            limit,
            rows,
            self.threads,
            described,
        )?))
    }
}

fn bounded(mut scan: Scan, bounds: &Bounds) -> Scan {
    if let Some(seq) = bounds.seq() {
        scan = scan.seq_range(seq);
    }
    if let Some(time) = bounds.time() {
        scan = scan.time_range(time);
    }
    scan
}
