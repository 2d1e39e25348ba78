//! Queries over captures.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use capture::{CaptureReader, DetectionsFile};
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder};
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use datafusion::sql::parser::{DFParser, Statement};
use detectors_api::catalogue::catalogue;
use detectors_api::columns::OTHER;
use futures::StreamExt;
use tokio::runtime::Runtime;

use crate::error::{Error, sql_error};
use crate::other::Detections;
use crate::table::{EventTable, Named};
use crate::{as_of, functions, other, stores};

/// Memory that sorts, joins and aggregations may take, unless told otherwise: 2 GiB.
const DEFAULT_MEMORY: usize = 2 << 30;

/// How queries run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads that read captures. Results do not depend on it.
    pub threads: usize,
    /// Bytes that sorts, joins and aggregations may take; sorts and aggregations spill to temporary files above it.
    pub memory: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory: DEFAULT_MEMORY,
        }
    }
}

/// One or several captures, as tables.
///
/// Results depend on the captures and the query alone: rows of event tables come in the order of their sequence numbers
/// (capture by capture), and every plan runs in one partition.
pub struct SqlSession {
    captures: Arc<[Named]>,
    context: SessionContext,
    runtime: Runtime,
}

impl fmt::Debug for SqlSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlSession")
            .field("captures", &self.captures)
            .finish_non_exhaustive()
    }
}

/// A parsed query that may run.
#[derive(Clone, Debug)]
pub struct Query {
    statement: Statement,
    /// The whole text, to point at places in it.
    text: Arc<str>,
}

/// What a query answers: batches as they are made.
pub struct Answer<'a> {
    session: &'a SqlSession,
    schema: SchemaRef,
    stream: SendableRecordBatchStream,
    text: Arc<str>,
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl SqlSession {
    /// Opens captures for queries. They are named by their file names, or by the whole path where file names repeat.
    ///
    /// # Errors
    /// If one of them cannot be opened.
    pub fn open(paths: &[PathBuf], options: Options) -> Result<Self, Error> {
        let readers = paths
            .iter()
            .map(|path| CaptureReader::open(path).map_err(|source| Error::Capture { source }))
            .collect::<Result<Vec<_>, _>>()?;
        Self::new(readers, options)
    }

    /// As [`open`](Self::open), with captures that are open already.
    ///
    /// # Errors
    /// If the detections of one cannot be read, or there are no threads.
    pub fn new(readers: Vec<CaptureReader>, options: Options) -> Result<Self, Error> {
        Self::over(readers, Vec::new(), options)
    }

    /// As [`new`](Self::new), with files of detections, whose rows are in the table `detections`, too.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if a file cannot be read.
    pub fn over(
        readers: Vec<CaptureReader>,
        files: Vec<DetectionsFile>,
        options: Options,
    ) -> Result<Self, Error> {
        let captures = readers.iter().map(CaptureReader::path);
        let paths: Vec<_> = captures
            .chain(files.iter().map(DetectionsFile::path))
            .map(Path::to_owned)
            .collect();
        let captures: Arc<[_]> = readers
            .into_iter()
            .map(|reader| Named::new(name(reader.path(), &paths), reader))
            .collect();
        let setup = |source: DataFusionError| sql_error(source, "");
        let files = files
            .into_iter()
            .map(|file| Detections::in_file(name(file.path(), &paths), file));
        let detections = captures.iter().map(Detections::of).chain(files).collect();
        let context = context(&captures, detections, options).map_err(setup)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .enable_all()
            .build()
            .map_err(|source| Error::Runtime { source })?;
        Ok(Self {
            captures,
            context,
            runtime,
        })
    }

    /// Parses statements that are separated by `;`.
    ///
    /// # Errors
    /// If the text is no SQL.
    pub fn parse(&self, text: &str) -> Result<Vec<Query>, Error> {
        let statements = DFParser::parse_sql(text).map_err(|source| sql_error(source, text))?;
        let text: Arc<str> = text.into();
        Ok(statements
            .into_iter()
            .map(|statement| Query {
                statement,
                text: Arc::clone(&text),
            })
            .collect())
    }

    /// Starts a query. Whatever would change something (tables, files, settings) is refused.
    ///
    /// # Errors
    /// If the query names what there is not, or cannot be planned, or is refused.
    pub fn run(&self, query: &Query) -> Result<Answer<'_>, Error> {
        let failed = |source| sql_error(source, &query.text);
        let stream = self.runtime.block_on(async {
            let plan = self
                .context
                .state()
                .statement_to_plan(query.statement.clone())
                .await
                .map_err(failed)?;
            SQLOptions::new()
                .with_allow_ddl(false)
                .with_allow_dml(false)
                .with_allow_statements(false)
                .verify_plan(&plan)
                .map_err(|source| Error::Refused {
                    reason: source.strip_backtrace(),
                })?;
            let frame = self.context.execute_logical_plan(plan).await.map_err(failed)?;
            frame.execute_stream().await.map_err(failed)
        })?;
        Ok(Answer {
            session: self,
            schema: stream.schema(),
            stream,
            text: Arc::clone(&query.text),
        })
    }

    /// Runs one query to its end.
    ///
    /// # Errors
    /// As [`parse`](Self::parse) and [`run`](Self::run), if there is not exactly one statement, and if reading fails.
    pub fn query(&self, text: &str) -> Result<Vec<RecordBatch>, Error> {
        match self.parse(text)?.as_slice() {
            [query] => self.run(query)?.collect(),
            queries => Err(Error::Statements { found: queries.len() }),
        }
    }

    /// The tables that hold something, sorted: those of event types that the captures have, and those of all captures.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        self.context
            .catalog(CATALOG)
            .and_then(|catalog| catalog.schema(SCHEMA))
            .map(|schema| schema.table_names())
            .unwrap_or_default()
    }

    /// The columns of a table; `None` if there is no such table.
    #[must_use]
    pub fn columns(&self, table: &str) -> Option<SchemaRef> {
        let schema = self.context.catalog(CATALOG)?.schema(SCHEMA)?;
        let table = self.runtime.block_on(schema.table(table)).ok()??;
        Some(table.schema())
    }

    /// The captures.
    pub fn readers(&self) -> impl Iterator<Item = &CaptureReader> {
        self.captures.iter().map(|capture| &capture.reader)
    }
}

impl Answer<'_> {
    /// The columns of the answer.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl Iterator for Answer<'_> {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.session.runtime.block_on(self.stream.next())?;
        Some(batch.map_err(|source| sql_error(source, &self.text)))
    }
}

/// What the capture at `path` is called among `paths`.
fn name(path: &Path, paths: &[PathBuf]) -> String {
    let file_name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let own = file_name(path);
    let alone = paths.iter().filter(|other| file_name(other) == own).count() == 1;
    own.filter(|_| alone)
        .unwrap_or_else(|| path.display().to_string())
}

const CATALOG: &str = "tracee_cap";
const SCHEMA: &str = "captures";

fn context(
    captures: &Arc<[Named]>,
    detections: Vec<Detections>,
    options: Options,
) -> Result<SessionContext, DataFusionError> {
    let mut config = SessionConfig::new()
        .with_target_partitions(1)
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA);
    // Fields such as `returnValue` are to be written as they are, without quotes.
    config.options_mut().sql_parser.enable_ident_normalization = false;
    config.options_mut().sql_parser.collect_spans = true;
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(options.memory)))
        .build_arc()?;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .build();
    let context = SessionContext::new_with_state(state);
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(
        SCHEMA,
        Arc::new(Tables::new(captures, detections, options.threads)?),
    )?;
    context.register_catalog(CATALOG, Arc::new(catalog));
    for function in functions::all().into_iter().chain(as_of::all(captures)) {
        context.register_udf(function);
    }
    Ok(context)
}

/// The tables. Event tables are made when they are asked for; types of the catalogue that no capture has are empty tables,
/// which are not listed.
#[derive(Debug)]
struct Tables {
    captures: Arc<[Named]>,
    threads: usize,
    fixed: BTreeMap<&'static str, Arc<dyn TableProvider>>,
}

impl Tables {
    fn new(
        captures: &Arc<[Named]>,
        detections: Vec<Detections>,
        threads: usize,
    ) -> Result<Self, DataFusionError> {
        let events: Arc<dyn TableProvider> = Arc::new(EventTable::of_all(Arc::clone(captures), threads));
        let mut fixed = stores::tables(captures)?;
        fixed.insert("events", events);
        fixed.insert("contexts", other::contexts(captures)?);
        fixed.insert("loss", other::losses(captures)?);
        if let Some(detections) = other::detections(detections)? {
            fixed.insert("detections", detections);
        }
        Ok(Self {
            captures: Arc::clone(captures),
            threads,
            fixed,
        })
    }

    fn event_type(name: &str) -> Option<&'static str> {
        if name == OTHER {
            return Some(OTHER);
        }
        catalogue().get(name).map(|event| event.name)
    }
}

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        let types = self
            .captures
            .iter()
            .flat_map(|capture| capture.reader.event_types());
        let mut names: Vec<_> = types
            .chain(self.fixed.keys().copied())
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        if let Some(table) = self.fixed.get(name) {
            return Ok(Some(Arc::clone(table)));
        }
        Ok(Self::event_type(name).map(|event_type| {
            let table = EventTable::of_type(Arc::clone(&self.captures), event_type, self.threads);
            Arc::new(table) as Arc<dyn TableProvider>
        }))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.fixed.contains_key(name) || Self::event_type(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_event_type_hides_behind_another_table() {
        let tables = Tables::new(&Arc::from([]), Vec::new(), 1).expect("there are no captures to fail");
        for name in tables.fixed.keys().copied().chain(["detections"]) {
            assert!(Tables::event_type(name).is_none(), "{name}");
        }
    }

    #[test]
    fn captures_are_named_by_what_tells_them_apart() {
        let paths = ["a/x.tcap", "b/x.tcap", "b/y.tcap"].map(PathBuf::from);
        let names: Vec<_> = paths.iter().map(|path| name(path, &paths)).collect();
        assert_eq!(names, ["a/x.tcap", "b/x.tcap", "y.tcap"]);
    }
}
