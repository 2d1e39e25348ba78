//! From Tracee's stream to records.

use std::pin::pin;
use std::time::{Duration, Instant};

use capture::live::{Delivery, Outlet, Stop, Stream};
use capture::{Content, ImportedInput, Record};
use detectors_api::protobuf;
use futures::{FutureExt, StreamExt, TryFutureExt};
use tokio::runtime::Runtime;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::{Code, Status};

use crate::client::{Client, PATIENCE};
use crate::messages::StreamEventsResponse;
use crate::{Address, Error, error};

/// Events that are handed over at a time, at most.
const CHUNK: usize = 512;
/// Chunks that are still taken once no more are wanted, at most.
const REST: usize = 16;
/// How often is looked whether more is wanted, or the connection at all.
const GLANCE: Duration = Duration::from_millis(100);
/// How often Tracee is asked what it has lost, and how long that may take.
const QUESTION: Duration = Duration::from_secs(1);

/// A running Tracee.
#[derive(Debug)]
pub struct Tracee {
    runtime: Runtime,
    client: Client,
    address: Address,
    version: String,
    /// Events that it had lost when it was asked first; `None` if it does not tell.
    lost: Option<u64>,
}

impl Tracee {
    /// Connects, and finds out whether that is Tracee. Takes some seconds at most, and no longer than until `stop` says so.
    ///
    /// # Errors
    /// If nobody answers, or somebody else, or if it was stopped.
    pub fn connect(address: &Address, stop: &mut dyn Stop) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let met = runtime.block_on(async {
            tokio::select! {
                met = meet(address) => met,
                () = requested(stop) => Err(Error::Stopped { address: address.clone() }),
            }
        });
        match met {
            Ok((client, version, lost)) => Ok(Self {
                runtime,
                client,
                address: address.clone(),
                version,
                lost,
            }),
            Err(error) => {
                // Looking up a name cannot be broken off: nobody waits for it.
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// What it is, by name and version.
    #[must_use]
    pub fn producer(&self) -> String {
        format!("tracee {}", self.version)
    }

    /// Whether it tells how many events it loses.
    #[must_use]
    pub fn tells_losses(&self) -> bool {
        self.lost.is_some()
    }

    /// Its events from now on.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn stream(self) -> Result<Stream, Error> {
        let input = ImportedInput {
            name: self.address.to_string(),
            format: "grpc".to_owned(),
            producer: self.producer(),
            ..ImportedInput::default()
        };
        let Self {
            runtime,
            client,
            lost,
            ..
        } = self;
        let losses = Losses { client, lost };
        Ok(Stream::start(input, move |outlet| {
            runtime.block_on(read(losses, outlet))
        })?)
    }
}

/// Connects and asks for the version, and what has been lost.
async fn meet(address: &Address) -> Result<(Client, String, Option<u64>), Error> {
    let client = Client::connect(address).await?;
    let version = client
        .version()
        .await
        .map_err(|status| refusal(address, &status))?;
    let lost = client.lost_events().await.ok();
    Ok((client, version, lost))
}

/// Waits until `stop` says so.
async fn requested(stop: &mut dyn Stop) {
    let mut glances = interval(GLANCE);
    while !stop.requested() {
        glances.tick().await;
    }
}

/// Why the first call failed.
fn refusal(address: &Address, status: &Status) -> Error {
    let address = address.clone();
    if status.code() == Code::DeadlineExceeded {
        Error::Silent {
            address,
            after: PATIENCE,
        }
    } else {
        Error::NotTracee {
            address,
            reason: error::reason(status),
        }
    }
}

/// Asks what Tracee has lost.
struct Losses {
    client: Client,
    /// As of the last question.
    lost: Option<u64>,
}

impl Losses {
    /// The events lost since the last question, unless Tracee does not tell.
    async fn ask(&mut self) -> Option<u64> {
        let before = self.lost?;
        // Without an answer the next one tells. Whether Tracee is still there shows in the stream.
        let answer = timeout(QUESTION, self.client.lost_events()).await;
        let lost = answer.ok()?.ok()?;
        self.lost = Some(lost);
        Some(lost.saturating_sub(before))
    }
}

/// Hands over events until there are no more, or no more are wanted. Nothing else happens on this thread: waiting for the recorder
/// lets the stream wait, and in the end Tracee.
async fn read(mut losses: Losses, outlet: &Outlet) -> Result<(), String> {
    let events = losses.client.clone().events().try_flatten_stream();
    let mut chunks = pin!(events.ready_chunks(CHUNK));
    let mut glances = interval(GLANCE);
    glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = Instant::now();
    while outlet.is_wanted() {
        tokio::select! {
            chunk = chunks.next() => match chunk {
                Some(chunk) => put(chunk, outlet)?,
                None => break,
            },
            _ = glances.tick() => {
                if asked.elapsed() >= QUESTION {
                    asked = Instant::now();
                    outlet.put(Delivery { lost: losses.ask().await, ..Delivery::default() });
                }
            }
        }
    }
    for _ in 0..REST {
        match chunks.next().now_or_never() {
            Some(Some(chunk)) => put(chunk, outlet)?,
            _ => break,
        }
    }
    outlet.put(Delivery {
        lost: losses.ask().await,
        ..Delivery::default()
    });
    Ok(())
}

/// Hands over what came; an error of the stream is the last there is.
fn put(chunk: Vec<Result<StreamEventsResponse, Status>>, outlet: &Outlet) -> Result<(), String> {
    let mut delivery = Delivery::default();
    let mut outcome = Ok(());
    for response in chunk {
        match response {
            Ok(StreamEventsResponse { event }) => {
                delivery.bytes += event.len();
                delivery.records.push(record(&event));
            }
            Err(status) => outcome = Err(error::reason(&status)),
        }
    }
    outlet.put(delivery);
    outcome
}

fn record(event: &[u8]) -> Record {
    let content = match protobuf::decode(event) {
        Ok(event) => Content::Event(Box::new(event)),
        Err(error) => Content::Unreadable(format!("the message {error}")),
    };
    Record { line: None, content }
}
