//! CRI, the interface between Kubernetes and runtimes: CRI-O has no other.

use std::path::Path;

use containerd_client::connect;
use containerd_client::tonic::transport::Channel;
use containerd_client::tonic::{Code, Status};
use detectors_api::stores::Runtime;
use detectors_stores::container::{ContainerFacts, Pod};
use k8s_cri::v1::image_service_client::ImageServiceClient;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use k8s_cri::v1::{
    ContainerStatus, ContainerStatusRequest, ImageSpec, ImageStatusRequest, PodSandboxStatus,
    PodSandboxStatusRequest,
};

use crate::error::{Cause, whole};
use crate::kubernetes;

/// Annotation of CRI-O that says what a container is.
const CONTAINER_TYPE: &str = "io.kubernetes.cri-o.ContainerType";

/// What CRI-O knows about a container.
pub(crate) async fn ask(socket: &Path, id: &str) -> Result<ContainerFacts, Cause> {
    let channel = connect(socket)
        .await
        .map_err(|error| Cause::Connect(whole(&error)))?;
    let mut client = RuntimeServiceClient::new(channel);
    let request = ContainerStatusRequest {
        container_id: id.to_owned(),
        verbose: false,
    };
    let status = match client.container_status(request).await {
        Ok(response) => response.into_inner().status,
        Err(status) if unknown(&status) => None,
        Err(status) => return Err(refused("the question about the container", &status)),
    };
    // It also finds containers by the beginning of an id.
    if let Some(status) = status.filter(|status| status.id == id) {
        return Ok(facts(status));
    }
    // Sandboxes are containers of their own kind.
    let request = PodSandboxStatusRequest {
        pod_sandbox_id: id.to_owned(),
        verbose: false,
    };
    match client.pod_sandbox_status(request).await {
        Ok(response) => match response.into_inner().status.filter(|status| status.id == id) {
            Some(status) => Ok(sandbox_facts(status)),
            None => Err(Cause::UnknownContainer),
        },
        Err(status) if unknown(&status) => Err(Cause::UnknownContainer),
        Err(status) => Err(refused("the question about the pod", &status)),
    }
}

/// Name and digest of an image, by any reference to it.
pub(crate) async fn image(channel: Channel, reference: &str) -> Option<(String, String)> {
    let request = ImageStatusRequest {
        image: Some(ImageSpec {
            image: reference.to_owned(),
            ..ImageSpec::default()
        }),
        verbose: false,
    };
    let response = ImageServiceClient::new(channel)
        .image_status(request)
        .await
        .ok()?;
    let image = response.into_inner().image?;
    let or_reference = |texts: Vec<String>| texts.into_iter().next().unwrap_or_else(|| reference.to_owned());
    Some((or_reference(image.repo_tags), or_reference(image.repo_digests)))
}

fn facts(status: ContainerStatus) -> ContainerFacts {
    ContainerFacts {
        runtime: Runtime::Crio,
        name: status.metadata.map(|metadata| metadata.name).unwrap_or_default(),
        image: status.image.map(|image| image.image).unwrap_or_default(),
        image_digest: status.image_ref,
        started_ns: positive(status.started_at),
        pod: kubernetes::pod(&status.labels, status.annotations.get(CONTAINER_TYPE)),
    }
}

fn sandbox_facts(status: PodSandboxStatus) -> ContainerFacts {
    let metadata = status.metadata.unwrap_or_default();
    ContainerFacts {
        runtime: Runtime::Crio,
        name: metadata.name.clone(),
        started_ns: positive(status.created_at),
        pod: Pod {
            name: metadata.name,
            uid: metadata.uid,
            namespace: metadata.namespace,
            sandbox: true,
        }
        .or_none(),
        ..ContainerFacts::default()
    }
}

/// A time, of which 0 and less mean never.
fn positive(ns: i64) -> Option<u64> {
    u64::try_from(ns).ok().filter(|ns| *ns > 0)
}

fn unknown(status: &Status) -> bool {
    status.code() == Code::NotFound
}

fn refused(request: &'static str, status: &Status) -> Cause {
    Cause::Refused {
        request,
        reason: whole(status),
    }
}
