//! What is made of the answers of CRI, given by a server that speaks it.

use std::collections::HashMap;
use std::path::PathBuf;

use async_trait::async_trait;
use containerd_client::tonic::transport::Server;
use containerd_client::tonic::{Request, Response, Status};
use detectors_api::stores::Runtime;
use detectors_stores::container::{ContainerFacts, Pod};
use futures::stream::{self, BoxStream};
use k8s_cri::v1::runtime_service_server::{RuntimeService, RuntimeServiceServer};
use k8s_cri::v1::*;
use runtimes::{Runtimes, Sockets};
use tempfile::TempDir;
use tokio::net::UnixListener;

const CONTAINER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const SANDBOX: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
const BROKEN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A CRI-O with one container and one pod.
struct Crio;

fn labels() -> HashMap<String, String> {
    [
        ("io.kubernetes.pod.name", "web-0"),
        ("io.kubernetes.pod.namespace", "shop"),
        ("io.kubernetes.pod.uid", "u-1"),
        ("io.kubernetes.container.name", "another-place-for-the-name"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// All of the interface that is never asked for.
macro_rules! crio {
    ({ $($implemented:tt)* } $($method:ident: $request:ty => $response:ty,)*) => {
        #[async_trait]
        impl RuntimeService for Crio {
            type GetContainerEventsStream = BoxStream<'static, Result<ContainerEventResponse, Status>>;

            $($implemented)*

            $(async fn $method(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                Err(Status::unimplemented(stringify!($method)))
            })*
        }
    };
}

crio! {
    {
        async fn container_status(
            &self,
            request: Request<ContainerStatusRequest>,
        ) -> Result<Response<ContainerStatusResponse>, Status> {
            let id = request.into_inner().container_id;
            if id == BROKEN {
                return Err(Status::internal("the disk is full"));
            }
            // As CRI-O does, it takes the beginning of an id for the id.
            if !CONTAINER.starts_with(&id) {
                return Err(Status::not_found("could not find container"));
            }
            let status = ContainerStatus {
                id: CONTAINER.to_owned(),
                metadata: Some(ContainerMetadata {
                    name: "web".to_owned(),
                    attempt: 0,
                }),
                started_at: 1_777_636_800_123_456_789,
                image: Some(ImageSpec {
                    image: "docker.io/library/nginx:1".to_owned(),
                    ..ImageSpec::default()
                }),
                image_ref: "docker.io/library/nginx@sha256:1".to_owned(),
                labels: labels(),
                annotations: [("io.kubernetes.cri-o.ContainerType".to_owned(), "container".to_owned())].into(),
                ..ContainerStatus::default()
            };
            Ok(Response::new(ContainerStatusResponse {
                status: Some(status),
                ..ContainerStatusResponse::default()
            }))
        }

        async fn pod_sandbox_status(
            &self,
            request: Request<PodSandboxStatusRequest>,
        ) -> Result<Response<PodSandboxStatusResponse>, Status> {
            if request.into_inner().pod_sandbox_id != SANDBOX {
                return Err(Status::not_found("could not find pod"));
            }
            let status = PodSandboxStatus {
                id: SANDBOX.to_owned(),
                metadata: Some(PodSandboxMetadata {
                    name: "web-0".to_owned(),
                    uid: "u-1".to_owned(),
                    namespace: "shop".to_owned(),
                    attempt: 0,
                }),
                created_at: 7,
                ..PodSandboxStatus::default()
            };
            Ok(Response::new(PodSandboxStatusResponse {
                status: Some(status),
                ..PodSandboxStatusResponse::default()
            }))
        }

        async fn get_container_events(
            &self,
            _: Request<GetEventsRequest>,
        ) -> Result<Response<Self::GetContainerEventsStream>, Status> {
            Err(Status::unimplemented("get_container_events"))
        }
    }
    version: VersionRequest => VersionResponse,
    run_pod_sandbox: RunPodSandboxRequest => RunPodSandboxResponse,
    stop_pod_sandbox: StopPodSandboxRequest => StopPodSandboxResponse,
    remove_pod_sandbox: RemovePodSandboxRequest => RemovePodSandboxResponse,
    list_pod_sandbox: ListPodSandboxRequest => ListPodSandboxResponse,
    create_container: CreateContainerRequest => CreateContainerResponse,
    start_container: StartContainerRequest => StartContainerResponse,
    stop_container: StopContainerRequest => StopContainerResponse,
    remove_container: RemoveContainerRequest => RemoveContainerResponse,
    list_containers: ListContainersRequest => ListContainersResponse,
    update_container_resources: UpdateContainerResourcesRequest => UpdateContainerResourcesResponse,
    reopen_container_log: ReopenContainerLogRequest => ReopenContainerLogResponse,
    exec_sync: ExecSyncRequest => ExecSyncResponse,
    exec: ExecRequest => ExecResponse,
    attach: AttachRequest => AttachResponse,
    port_forward: PortForwardRequest => PortForwardResponse,
    container_stats: ContainerStatsRequest => ContainerStatsResponse,
    list_container_stats: ListContainerStatsRequest => ListContainerStatsResponse,
    pod_sandbox_stats: PodSandboxStatsRequest => PodSandboxStatsResponse,
    list_pod_sandbox_stats: ListPodSandboxStatsRequest => ListPodSandboxStatsResponse,
    update_runtime_config: UpdateRuntimeConfigRequest => UpdateRuntimeConfigResponse,
    status: StatusRequest => StatusResponse,
    checkpoint_container: CheckpointContainerRequest => CheckpointContainerResponse,
    list_metric_descriptors: ListMetricDescriptorsRequest => ListMetricDescriptorsResponse,
    list_pod_sandbox_metrics: ListPodSandboxMetricsRequest => ListPodSandboxMetricsResponse,
    runtime_config: RuntimeConfigRequest => RuntimeConfigResponse,
}

/// The server, on a thread of its own until the test ends.
fn serve() -> (TempDir, PathBuf) {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("crio.sock");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let listener = {
        let _guard = runtime.enter();
        UnixListener::bind(&path).expect("a socket")
    };
    std::thread::spawn(move || {
        let connections = stream::unfold(listener, |listener| async move {
            let connection = listener.accept().await.map(|(stream, _)| stream);
            Some((connection, listener))
        });
        let server = Server::builder().add_service(RuntimeServiceServer::new(Crio));
        runtime
            .block_on(server.serve_with_incoming(connections))
            .expect("serves");
    });
    (dir, path)
}

#[test]
fn crio_tells_about_containers_and_sandboxes() {
    let (_dir, socket) = serve();
    let runtimes = Runtimes::connect(Sockets::none().with(Runtime::Crio, &socket)).expect("a thread");
    let pod = |sandbox| Pod {
        name: "web-0".to_owned(),
        uid: "u-1".to_owned(),
        namespace: "shop".to_owned(),
        sandbox,
    };
    let container = ContainerFacts {
        runtime: Runtime::Crio,
        name: "web".to_owned(),
        image: "docker.io/library/nginx:1".to_owned(),
        image_digest: "docker.io/library/nginx@sha256:1".to_owned(),
        started_ns: Some(1_777_636_800_123_456_789),
        pod: Some(pod(false)),
    };
    for runtime in [Runtime::Crio, Runtime::Unknown] {
        assert_eq!(
            runtimes.ask_now(CONTAINER, runtime).outcome,
            Ok(container.clone())
        );
    }
    let sandbox = ContainerFacts {
        runtime: Runtime::Crio,
        name: "web-0".to_owned(),
        started_ns: Some(7),
        pod: Some(pod(true)),
        ..ContainerFacts::default()
    };
    assert_eq!(runtimes.ask_now(SANDBOX, Runtime::Crio).outcome, Ok(sandbox));

    let error = |id: &str| {
        runtimes
            .ask_now(id, Runtime::Crio)
            .outcome
            .expect_err("unknown")
            .to_string()
    };
    let at = format!("crio at {}", socket.display());
    for id in [&CONTAINER[..32], &SANDBOX[..32]] {
        assert_eq!(error(id), format!("{at}: it does not know the container"));
    }
    let broken = error(BROKEN);
    assert!(
        broken.starts_with(&format!("{at}: the question about the container failed: ")),
        "{broken}"
    );
    assert!(broken.contains("the disk is full"), "{broken}");
}
