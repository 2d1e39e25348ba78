//! Which container runtimes are asked while recording.

use std::path::PathBuf;

use anyhow::Context;
use capture::live::{Enricher, EnrichmentAnswer};
use detectors_api::stores::Runtime;
use runtimes::{Runtimes, Sockets};

use crate::exit::Failure;

/// Which container runtimes to ask.
#[derive(Debug, clap::Args)]
#[group(conflicts_with_all = ["stdin", "from_tracee"])]
pub(crate) struct EnrichmentArgs {
    /// Ask this container runtime about containers: `docker=/run/docker.sock`. The kinds are docker, containerd, crio and podman.
    /// May be repeated; then only these are asked, and otherwise those that are in their usual places.
    #[arg(long, value_name = "KIND=PATH", value_parser = socket)]
    runtime_socket: Vec<(Runtime, PathBuf)>,

    /// Ask no container runtime: containers are known by their ids alone.
    #[arg(long, conflicts_with = "runtime_socket")]
    no_enrichment: bool,
}

fn socket(text: &str) -> Result<(Runtime, PathBuf), String> {
    let (kind, path) = text
        .split_once('=')
        .filter(|(_, path)| !path.is_empty())
        .ok_or("give the kind of runtime and its socket, such as docker=/run/docker.sock")?;
    match Runtime::from_name(kind) {
        Some(Runtime::Unknown | Runtime::Garden) | None => Err(format!(
            "`{kind}` cannot be asked; docker, containerd, crio and podman can"
        )),
        Some(runtime) => Ok((runtime, path.into())),
    }
}

impl EnrichmentArgs {
    /// Whoever is to be asked; `None` if there is nobody. Signals must have been blocked before: this starts a thread.
    pub(crate) fn enricher(&self) -> Result<Option<Asked>, Failure> {
        if self.no_enrichment {
            return Ok(None);
        }
        let sockets = match self.runtime_socket.as_slice() {
            [] => Sockets::default(),
            given => given.iter().fold(Sockets::none(), |sockets, (runtime, path)| {
                sockets.with(*runtime, path)
            }),
        };
        let runtimes = Runtimes::connect(sockets)
            .context("cannot ask container runtimes")
            .map_err(Failure::environment)?;
        if !self.runtime_socket.is_empty()
            && let Some(skipped) = runtimes.skipped().first()
        {
            return Err(Failure::usage(format!(
                "cannot ask {} at {}: {}",
                skipped.runtime,
                skipped.socket.display(),
                skipped.reason
            )));
        }
        let anybody = runtimes.sockets().iter().next().is_some();
        Ok(anybody.then_some(Asked(runtimes)))
    }
}

/// Container runtimes, as a recorder asks them.
#[derive(Debug)]
pub(crate) struct Asked(Runtimes);

impl Enricher for Asked {
    fn ask(&mut self, container: &str, runtime: Runtime) {
        self.0.ask(container, runtime);
    }

    fn answers(&mut self) -> Vec<EnrichmentAnswer> {
        let answers = self.0.answers().into_iter();
        answers
            .map(|answer| EnrichmentAnswer {
                container: answer.container_id,
                facts: answer.outcome.map_err(|error| error.to_string()),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_kinds_and_paths() {
        assert_eq!(
            socket("cri-o=/run/crio.sock"),
            Ok((Runtime::Crio, PathBuf::from("/run/crio.sock")))
        );
        for wrong in ["docker", "docker=", "garden=/x", "unknown=/x", "lxc=/x", ""] {
            assert!(socket(wrong).is_err(), "{wrong}");
        }
    }
}
