//! The baseline: a stream of protobuf events, each decoded in full, and each filter asked about it.
//!
//! It is what replay would be without columns. Detectors, stores and detections are the same; only how events reach them
//! differs. Filters are found by the type of the event, and asked about the message; events that some filter lets pass, or that
//! stores fold, go to the stores and to the engine, in the same windows as they would while recording. Made to be fast: the
//! buffer of messages is reused, nothing is checked but that a message is an event.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::sync_channel;

use detectors_api::catalogue::catalogue;
use detectors_api::event::{BatchBuilder, Event, RecordedEvent};
use detectors_api::proto;
use detectors_engine::Engine;
use detectors_engine::filter::{FieldInfo, Filter};
use detectors_stores::Stores;
use prost::Message;
use rayon::ThreadPoolBuilder;
use replay::{Format, Writer};

use crate::Failure;
use crate::recording::{ARCHITECTURE, settings, symbols};
use crate::sets::{Set, write};

/// Events between two calls of the engine.
const WINDOW: u64 = 20_000;
/// Events that one thread hands to another at a time.
const CHUNK: usize = 1000;

/// Decodes all events of a stream, one by one.
pub(crate) fn decode(
    stream: &Path,
    mut each: impl FnMut(proto::Event) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut source = BufReader::with_capacity(1 << 17, zstd::Decoder::new(File::open(stream)?)?);
    let mut message = Vec::new();
    while let Some(len) = varint(&mut source)? {
        message.resize(usize::try_from(len)?, 0);
        source.read_exact(&mut message)?;
        each(proto::Event::decode(message.as_slice())?)?;
    }
    Ok(())
}

fn varint(source: &mut impl BufRead) -> io::Result<Option<u64>> {
    let (mut value, mut shift) = (0, 0);
    while let Some(&byte) = source.fill_buf()?.first() {
        source.consume(1);
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(Some(value));
        }
        shift += 7;
    }
    Ok(None)
}

/// Runs the built-in detectors over a stream; gives the number of detections, and the digest of them. With two threads one
/// decodes, and the other one does the rest; more do not help.
pub(crate) fn detect(stream: &Path, threads: usize) -> Result<(u64, String), Failure> {
    let mut detection = StreamDetection::new()?;
    let pool = ThreadPoolBuilder::new().num_threads(1).build()?;
    if threads == 1 {
        pool.install(|| decode(stream, |event| detection.event(event)))?;
    } else {
        std::thread::scope(|scope| {
            let (sender, chunks) = sync_channel::<Vec<proto::Event>>(8);
            let decoder = scope.spawn(move || {
                let mut chunk = Vec::with_capacity(CHUNK);
                let decoded = decode(stream, |event| {
                    chunk.push(event);
                    if chunk.len() == CHUNK {
                        sender.send(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK)))?;
                    }
                    Ok(())
                });
                decoded.and_then(|()| Ok(sender.send(chunk)?))
            });
            pool.install(|| {
                let mut events = chunks.into_iter().flatten();
                events.try_for_each(|event| detection.event(event))
            })?;
            decoder.join().map_err(|_| "the decoding thread panicked")?
        })?;
    }
    pool.install(|| detection.finish())
}

struct StreamDetection {
    engine: Engine,
    stores: Stores,
    /// The filters of all detectors, by the type of event that they are asked about.
    filters: HashMap<String, Vec<Filter>>,
    for_stores: BTreeSet<&'static str>,
    window: BatchBuilder,
    next_seq: u64,
    writer: Writer<io::Sink>,
}

impl StreamDetection {
    fn new() -> Result<Self, Failure> {
        let engine = Set::BuiltIn.engine()?;
        let mut filters: HashMap<String, Vec<Filter>> = HashMap::new();
        for requirement in engine.definitions().flat_map(|definition| &definition.events) {
            let event = catalogue()
                .get(&requirement.name)
                .ok_or("built-in detectors ask for recorded events")?;
            let fields = FieldInfo::of_event(event, Some(ARCHITECTURE));
            let filter = Filter::new(&fields, &requirement.data, &requirement.scope);
            let filter = filter.map_err(|errors| format!("{errors:?}"))?;
            filters.entry(requirement.name.clone()).or_default().push(filter);
        }
        let mut stores = Stores::with(settings());
        stores.add_input(symbols()?)?;
        Ok(Self {
            engine,
            stores,
            filters,
            for_stores: Stores::event_types().into_iter().collect(),
            window: BatchBuilder::default(),
            next_seq: 0,
            writer: Writer::new(Format::Ndjson, io::sink()),
        })
    }

    fn event(&mut self, event: proto::Event) -> Result<(), Failure> {
        let seq = self.next_seq;
        self.next_seq += 1;
        let view = Event::from_message(seq, &event);
        // Every filter is asked, also when another one has let the event pass: each is another detector's.
        let passed = self.filters.get(&event.name).map_or(0, |filters| {
            filters.iter().filter(|filter| filter.matches(&view)).count()
        });
        if passed > 0 || self.for_stores.contains(event.name.as_str()) {
            self.window.push(seq, &RecordedEvent::from(event));
        }
        if self.next_seq.is_multiple_of(WINDOW) {
            self.end_window()?;
        }
        Ok(())
    }

    fn end_window(&mut self) -> Result<(), Failure> {
        let batches = self.window.finish().batches;
        // Nobody asks about contexts of earlier windows.
        self.window.start_segment();
        self.stores.advance(&batches, self.next_seq)?;
        write(&mut self.writer, self.engine.process(&batches, &self.stores))?;
        self.stores.compact(self.next_seq);
        Ok(())
    }

    fn finish(mut self) -> Result<(u64, String), Failure> {
        self.end_window()?;
        self.engine.close();
        let written = self.writer.finish()?;
        Ok((written.detections, written.digest))
    }
}
