//! A server that speaks Tracee's protocol, for tests: it plays a script to everybody who asks for events.

use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, unfold};
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Notify;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::transport::Server as Transport;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::Address;
use crate::messages::{
    GET_METRICS, GET_VERSION, GetMetricsRequest, GetMetricsResponse, GetVersionRequest, GetVersionResponse,
    STREAM_EVENTS, StreamEventsRequest, StreamEventsResponse,
};

/// The version that it says it has.
pub const VERSION: &str = "v0.24.1";

/// Where it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// On a socket in a temporary directory.
    Unix,
    /// On a free port of this machine.
    Tcp,
}

/// What it does next. After the last step the stream ends in order.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends these bytes as an event.
    Event(Bytes),
    /// Says from now on that it has lost so many events more.
    Lose(u64),
    /// Waits.
    Pause(Duration),
    /// Ends the stream with an error.
    Fail(&'static str),
    /// Is gone at once, connections included.
    Vanish,
    /// Neither sends anything more nor ends.
    Hang,
}

/// What it offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// What Tracee does.
    Everything,
    /// Not what tells losses.
    NoDiagnostics,
    /// Only what tells losses.
    NoEvents,
}

/// The server; it ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: Address,
    gone: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
    _directory: Option<TempDir>,
}

impl Server {
    /// Begins to listen.
    ///
    /// # Errors
    /// If the machine refuses a socket or a thread.
    pub fn start(listen: Listen, offer: Offer, script: Vec<Step>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let gone = Arc::new(Notify::new());
        let lost = Arc::new(AtomicU64::new(0));
        let events = Events {
            script: script.into(),
            lost: Arc::clone(&lost),
            gone: Arc::clone(&gone),
        };
        let mut transport = Transport::builder();
        let router = match offer {
            Offer::Everything => transport.add_service(events).add_service(Diagnostics { lost }),
            Offer::NoDiagnostics => transport.add_service(events),
            Offer::NoEvents => transport.add_service(Diagnostics { lost }),
        };
        let context = runtime.enter();
        let (address, directory, serve): (_, _, BoxFuture<(), _>) = match listen {
            Listen::Unix => {
                let directory = TempDir::new()?;
                let path = directory.path().join("tracee.sock");
                let listener = UnixListener::bind(&path)?;
                let connections = unfold(listener, async |listener| {
                    let connection = listener.accept().await.map(|(connection, _)| connection);
                    Some((connection, listener))
                });
                let address = Address::Unix(path.to_string_lossy().into_owned());
                let serve = router.serve_with_incoming(connections);
                (address, Some(directory), Box::pin(serve))
            }
            Listen::Tcp => {
                let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
                listener.set_nonblocking(true)?;
                let address = Address::Tcp {
                    host: "127.0.0.1".to_owned(),
                    port: listener.local_addr()?.port(),
                };
                let connections = unfold(TcpListener::from_std(listener)?, async |listener| {
                    let connection = listener.accept().await.map(|(connection, _)| connection);
                    Some((connection, listener))
                });
                (address, None, Box::pin(router.serve_with_incoming(connections)))
            }
        };
        drop(context);
        let stop = Arc::clone(&gone);
        let thread = std::thread::Builder::new().spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = serve => {}
                    () = stop.notified() => {}
                }
            });
            // Connections end with it, in the middle of whatever they are doing.
            runtime.shutdown_background();
        })?;
        Ok(Self {
            address,
            gone,
            thread: Some(thread),
            _directory: directory,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.gone.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed.
            let _ = thread.join();
        }
    }
}

/// `TraceeService`.
#[derive(Clone)]
struct Events {
    script: Arc<[Step]>,
    lost: Arc<AtomicU64>,
    gone: Arc<Notify>,
}

impl Events {
    /// Plays the script from step `next` to the event or the end that comes next.
    async fn play(&self, mut next: usize) -> Option<(Result<StreamEventsResponse, Status>, usize)> {
        loop {
            let step = self.script.get(next)?;
            next += 1;
            match step {
                Step::Event(event) => {
                    let event = event.clone();
                    return Some((Ok(StreamEventsResponse { event }), next));
                }
                Step::Fail(reason) => return Some((Err(Status::data_loss(*reason)), self.script.len())),
                Step::Lose(count) => {
                    self.lost.fetch_add(*count, Ordering::Relaxed);
                }
                Step::Pause(time) => tokio::time::sleep(*time).await,
                Step::Vanish => {
                    self.gone.notify_one();
                    pending::<()>().await;
                }
                Step::Hang => pending::<()>().await,
            }
        }
    }
}

impl NamedService for Events {
    const NAME: &'static str = "tracee.v1beta1.TraceeService";
}

impl UnaryService<GetVersionRequest> for Events {
    type Response = GetVersionResponse;
    type Future = Ready<Result<Response<GetVersionResponse>, Status>>;

    fn call(&mut self, _request: Request<GetVersionRequest>) -> Self::Future {
        let version = VERSION.to_owned();
        ready(Ok(Response::new(GetVersionResponse { version })))
    }
}

impl ServerStreamingService<StreamEventsRequest> for Events {
    type Response = StreamEventsResponse;
    type ResponseStream = BoxStream<'static, Result<StreamEventsResponse, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _request: Request<StreamEventsRequest>) -> Self::Future {
        let events = self.clone();
        let stream = unfold(0, move |next| {
            let events = events.clone();
            async move { events.play(next).await }
        });
        ready(Ok(Response::new(stream.boxed())))
    }
}

impl Service<http::Request<Body>> for Events {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let events = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                GET_VERSION => Grpc::new(ProstCodec::default()).unary(events, request).await,
                STREAM_EVENTS => {
                    Grpc::new(ProstCodec::default())
                        .server_streaming(events, request)
                        .await
                }
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

/// `DiagnosticService`.
#[derive(Clone)]
struct Diagnostics {
    lost: Arc<AtomicU64>,
}

impl NamedService for Diagnostics {
    const NAME: &'static str = "tracee.v1beta1.DiagnosticService";
}

impl UnaryService<GetMetricsRequest> for Diagnostics {
    type Response = GetMetricsResponse;
    type Future = Ready<Result<Response<GetMetricsResponse>, Status>>;

    fn call(&mut self, _request: Request<GetMetricsRequest>) -> Self::Future {
        let lost_events = self.lost.load(Ordering::Relaxed);
        ready(Ok(Response::new(GetMetricsResponse { lost_events })))
    }
}

impl Service<http::Request<Body>> for Diagnostics {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let diagnostics = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                GET_METRICS => Grpc::new(ProstCodec::default()).unary(diagnostics, request).await,
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}
