//! Where runtimes are.

use std::path::{Path, PathBuf};

use detectors_api::stores::Runtime;

/// The runtimes that can be asked, in the order in which they are asked about a container that may be of any.
const ORDER: [(Runtime, &str); 4] = [
    (Runtime::Docker, "/var/run/docker.sock"),
    (Runtime::Containerd, "/var/run/containerd/containerd.sock"),
    (Runtime::Crio, "/var/run/crio/crio.sock"),
    (Runtime::Podman, "/var/run/podman/podman.sock"),
];

/// The sockets of runtimes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sockets(Vec<(Runtime, PathBuf)>);

/// A runtime that is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The runtime.
    pub runtime: Runtime,
    /// Where its socket should be.
    pub socket: PathBuf,
    /// Why it is not asked.
    pub reason: String,
}

impl Default for Sockets {
    /// The usual places of all runtimes.
    fn default() -> Self {
        Self(ORDER.map(|(runtime, path)| (runtime, path.into())).into())
    }
}

impl Sockets {
    /// No sockets. Whoever names one means only those that are named, and begins here.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// With the socket of `runtime`, in place of one named before. Runtimes that cannot be asked (unknown, Garden) are
    /// passed over by [`split`](Self::split), which says so.
    #[must_use]
    pub fn with(mut self, runtime: Runtime, socket: impl Into<PathBuf>) -> Self {
        self.0.retain(|(other, _)| *other != runtime);
        self.0.push((runtime, socket.into()));
        self.0.sort_by_key(|(runtime, _)| place(*runtime));
        self
    }

    /// Those that exist, in the order of asking, and the others.
    #[must_use]
    pub fn split(self) -> (Self, Vec<Skipped>) {
        let (mut there, mut skipped) = (Vec::new(), Vec::new());
        for (runtime, socket) in self.0 {
            let problem = match place(runtime) {
                None => Some("this runtime cannot be asked".to_owned()),
                Some(_) => socket.metadata().err().map(|error| error.to_string()),
            };
            match problem {
                None => there.push((runtime, socket)),
                Some(reason) => skipped.push(Skipped {
                    runtime,
                    socket,
                    reason,
                }),
            }
        }
        (Self(there), skipped)
    }

    /// The sockets, in the order of asking.
    pub fn iter(&self) -> impl Iterator<Item = (Runtime, &Path)> {
        self.0
            .iter()
            .map(|(runtime, socket)| (*runtime, socket.as_path()))
    }
}

fn place(runtime: Runtime) -> Option<usize> {
    ORDER.iter().position(|(other, _)| *other == runtime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_do_not_exist_are_reported() {
        let here = tempfile::NamedTempFile::new().expect("a file");
        let sockets = Sockets::none()
            .with(Runtime::Podman, "/nonexistent/old.sock")
            .with(Runtime::Podman, "/nonexistent/podman.sock")
            .with(Runtime::Docker, here.path())
            .with(Runtime::Garden, here.path());
        let (there, skipped) = sockets.split();
        assert_eq!(there.iter().collect::<Vec<_>>(), [(Runtime::Docker, here.path())]);
        let skipped: Vec<_> = skipped
            .iter()
            .map(|skipped| (skipped.runtime, skipped.socket.to_str(), skipped.reason.as_str()))
            .collect();
        assert_eq!(
            skipped,
            [
                (
                    Runtime::Garden,
                    here.path().to_str(),
                    "this runtime cannot be asked"
                ),
                (
                    Runtime::Podman,
                    Some("/nonexistent/podman.sock"),
                    "No such file or directory (os error 2)"
                ),
            ]
        );
    }

    #[test]
    fn all_runtimes_are_at_their_usual_places() {
        let order: Vec<_> = Sockets::default()
            .0
            .into_iter()
            .map(|(runtime, _)| runtime)
            .collect();
        assert_eq!(
            order,
            [
                Runtime::Docker,
                Runtime::Containerd,
                Runtime::Crio,
                Runtime::Podman
            ]
        );
    }
}
