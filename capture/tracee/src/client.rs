//! The calls.

use std::time::Duration;

use detectors_api::protobuf::MAX_MESSAGE;
use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::messages::{
    GET_METRICS, GET_VERSION, GetMetricsRequest, GetMetricsResponse, GetVersionRequest, GetVersionResponse,
    STREAM_EVENTS, StreamEventsRequest, StreamEventsResponse,
};
use crate::{Address, Error, error};

/// How long a connection may take, and an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of events that may be on their way: what Tracee need not wait for.
const WINDOW: u32 = 1 << 20;
/// A peer that has gone without a word is noticed after some of these.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A connection to Tracee.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    channel: Channel,
}

impl Client {
    pub(crate) async fn connect(address: &Address) -> Result<Self, Error> {
        let failed = |error: &dyn std::error::Error| Error::Connect {
            address: address.clone(),
            reason: error::last_cause(error),
        };
        let uri = match address {
            Address::Unix(path) => format!("unix:{path}"),
            Address::Tcp { .. } => format!("http://{address}"),
        };
        let endpoint = Endpoint::from_shared(uri)
            .map_err(|error| failed(&error))?
            .tcp_keepalive(Some(KEEPALIVE))
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(2 * WINDOW);
        match tokio::time::timeout(PATIENCE, endpoint.connect()).await {
            Ok(connected) => Ok(Self {
                channel: connected.map_err(|error| failed(&error))?,
            }),
            Err(_) => Err(Error::Silent {
                address: address.clone(),
                after: PATIENCE,
            }),
        }
    }

    /// The version, such as `v0.24.1`.
    pub(crate) async fn version(&self) -> Result<String, Status> {
        let response: GetVersionResponse = self.ask(GET_VERSION, GetVersionRequest {}).await?;
        Ok(response.version)
    }

    /// Events lost since Tracee started.
    pub(crate) async fn lost_events(&self) -> Result<u64, Status> {
        let response: GetMetricsResponse = self.ask(GET_METRICS, GetMetricsRequest {}).await?;
        Ok(response.lost_events)
    }

    /// The events from now on. The answer may only come with the first event.
    pub(crate) async fn events(self) -> Result<Streaming<StreamEventsResponse>, Status> {
        let mut calls = self.ready().await?;
        let request = Request::new(StreamEventsRequest {});
        let codec = ProstCodec::default();
        let response = calls
            .server_streaming(request, PathAndQuery::from_static(STREAM_EVENTS), codec)
            .await;
        response.map(Response::into_inner)
    }

    async fn ask<Q, A>(&self, path: &'static str, question: Q) -> Result<A, Status>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let answer = async {
            let mut calls = self.ready().await?;
            let codec = ProstCodec::default();
            calls
                .unary(Request::new(question), PathAndQuery::from_static(path), codec)
                .await
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(response) => response.map(Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded(format!(
                "no answer within {} s",
                PATIENCE.as_secs()
            ))),
        }
    }

    async fn ready(&self) -> Result<Grpc<Channel>, Status> {
        let mut calls = Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE as usize);
        match calls.ready().await {
            Ok(()) => Ok(calls),
            Err(error) => Err(Status::unavailable(error::last_cause(&error))),
        }
    }
}
