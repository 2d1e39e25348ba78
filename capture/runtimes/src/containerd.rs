//! containerd.

use std::path::Path;

use containerd_client::services::v1::{
    Container, GetContainerRequest, GetImageRequest, ListNamespacesRequest,
};
use containerd_client::tonic::metadata::MetadataValue;
use containerd_client::tonic::{Code, Request, Status};
use containerd_client::{Client, connect};
use detectors_api::stores::Runtime;
use detectors_stores::container::ContainerFacts;

use crate::error::{Cause, whole};
use crate::{cri, kubernetes};

/// Label that says what a container is for Kubernetes.
const KIND: &str = "io.cri-containerd.kind";

/// What containerd knows about a container.
pub(crate) async fn ask(socket: &Path, id: &str) -> Result<ContainerFacts, Cause> {
    let channel = connect(socket)
        .await
        .map_err(|error| Cause::Connect(whole(&error)))?;
    let client = Client::from(channel.clone());
    let (namespace, container) = find(&client, id).await?;
    let (image, image_digest) = match image(&client, &namespace, &container.image).await {
        Some(found) => found,
        None => match cri::image(channel, &container.image).await {
            Some(found) => found,
            None => (container.image.clone(), container.image.clone()),
        },
    };
    let name = container.labels.get(kubernetes::CONTAINER_NAME);
    let created = container.created_at.and_then(|time| {
        let seconds = u64::try_from(time.seconds).ok()?;
        seconds
            .checked_mul(1_000_000_000)?
            .checked_add(u64::try_from(time.nanos).ok()?)
    });
    Ok(ContainerFacts {
        runtime: Runtime::Containerd,
        name: name.cloned().unwrap_or_default(),
        image,
        image_digest,
        // It keeps no time of start.
        started_ns: created,
        pod: kubernetes::pod(&container.labels, container.labels.get(KIND)),
    })
}

/// The container, and the first of all namespaces that has it.
async fn find(client: &Client, id: &str) -> Result<(String, Container), Cause> {
    let refused = |request, status: &Status| Cause::Refused {
        request,
        reason: whole(status),
    };
    let namespaces = client
        .namespaces()
        .list(ListNamespacesRequest::default())
        .await
        .map_err(|status| refused("the question about namespaces", &status))?
        .into_inner()
        .namespaces;
    for namespace in namespaces {
        let request = GetContainerRequest { id: id.to_owned() };
        match client.containers().get(within(&namespace.name, request)).await {
            Ok(found) => {
                let container = found.into_inner().container.ok_or(Cause::UnknownContainer)?;
                return Ok((namespace.name, container));
            }
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => return Err(refused("the question about the container", &status)),
        }
    }
    Err(Cause::UnknownContainer)
}

/// Name and digest of an image that the image store knows under `reference`. References that are ids of images are left to
/// CRI, which knows their names.
async fn image(client: &Client, namespace: &str, reference: &str) -> Option<(String, String)> {
    if reference.starts_with("sha256:") {
        return None;
    }
    let request = GetImageRequest {
        name: reference.to_owned(),
    };
    let found = client.images().get(within(namespace, request)).await.ok()?;
    let image = found.into_inner().image?;
    Some((image.name, image.target?.digest))
}

fn within<T>(namespace: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    // containerd itself allows nothing else in the name of a namespace.
    if let Ok(value) = MetadataValue::try_from(namespace) {
        request.metadata_mut().insert("containerd-namespace", value);
    }
    request
}
