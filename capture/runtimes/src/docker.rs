//! Docker, and Podman, which speaks the same.

use std::path::Path;
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};
use detectors_api::stores::Runtime;
use detectors_stores::container::ContainerFacts;
use jiff::Timestamp;

use crate::error::{Cause, whole};
use crate::kubernetes;

/// Label that the kubelet's old Docker support put on sandboxes.
const SANDBOX: &str = "io.kubernetes.docker.type";

/// What Docker, or Podman, knows about a container.
pub(crate) async fn ask(
    runtime: Runtime,
    socket: &Path,
    id: &str,
    timeout: Duration,
) -> Result<ContainerFacts, Cause> {
    let connect = |error: Error| Cause::Connect(whole(&error));
    let client = Docker::connect_with_unix(
        &socket.to_string_lossy(),
        timeout.as_secs().max(1),
        API_DEFAULT_VERSION,
    )
    .map_err(connect)?
    // Engines refuse versions that are newer than themselves.
    .negotiate_version()
    .await
    .map_err(connect)?;
    let container = client
        .inspect_container(id, None)
        .await
        .map_err(|error| refused("the question about the container", &error))?;
    // The engine also finds containers by name and by the beginning of an id.
    if container.id.as_deref() != Some(id) {
        return Err(Cause::UnknownContainer);
    }
    let config = container.config.unwrap_or_default();
    let mut facts = ContainerFacts {
        runtime,
        image: config.image.unwrap_or_default(),
        started_ns: container
            .state
            .and_then(|state| state.started_at)
            .and_then(|text| since_epoch(&text)),
        ..ContainerFacts::default()
    };
    let name = container.name.unwrap_or_default();
    name.strip_prefix('/')
        .unwrap_or(&name)
        .clone_into(&mut facts.name);
    let labels = config.labels.unwrap_or_default();
    facts.pod = kubernetes::pod(&labels, labels.get(SANDBOX));
    // The image may be gone; then the container's own word for it has to do.
    if let Some(image) = container.image
        && let Ok(image) = client.inspect_image(&image).await
        && let Some(tag) = image.repo_tags.and_then(|tags| tags.into_iter().next())
    {
        facts.image = tag;
        let digests = image.repo_digests.unwrap_or_default();
        facts.image_digest = digests.into_iter().next().unwrap_or_default();
    }
    Ok(facts)
}

fn refused(request: &'static str, error: &Error) -> Cause {
    match error {
        Error::DockerResponseServerError { status_code: 404, .. } => Cause::UnknownContainer,
        Error::HyperLegacyError { .. } => Cause::Connect(whole(error)),
        error => Cause::Refused {
            request,
            reason: whole(error),
        },
    }
}

/// A time of Docker as ns since the Unix epoch. It writes the year 1 for never.
fn since_epoch(text: &str) -> Option<u64> {
    let time: Timestamp = text.parse().ok()?;
    u64::try_from(time.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::since_epoch;

    #[test]
    fn times() {
        for (text, ns) in [
            ("2026-05-01T12:00:00.123456789Z", Some(1_777_636_800_123_456_789)),
            ("2026-05-01T14:00:00+02:00", Some(1_777_636_800_000_000_000)),
            ("0001-01-01T00:00:00Z", None),
            ("", None),
            ("yesterday", None),
        ] {
            assert_eq!(since_epoch(text), ns, "{text}");
        }
    }
}
