//! A container engine of one's own, for tests: Docker, with the containerd that it brings along.
//!
//! It keeps everything in a temporary directory, talks on sockets in there, and touches neither the network nor an engine
//! that runs already. Tests need root, `dockerd` and a static `busybox` (Debian: `docker.io busybox-static`).

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use tempfile::TempDir;

/// The image with busybox in it.
pub const IMAGE: &str = "busybox-of-test:1";

/// How long the engine may take to begin, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often to look whether it has.
const GLANCE: Duration = Duration::from_millis(100);

/// Why there is no engine, or why it did not do what it was told.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// This machine cannot run one; a test can only be skipped.
    #[error("no container engine can be run here: {0}")]
    Missing(String),
    /// It failed.
    #[error("{command}: {reason}")]
    Failed {
        /// The command.
        command: String,
        /// What it said.
        reason: String,
    },
}

/// A Docker engine that ends when it is dropped, with its containers.
#[derive(Debug)]
pub struct DockerEngine {
    dir: TempDir,
    daemon: Child,
}

impl DockerEngine {
    /// Starts an engine that has the image [`IMAGE`].
    ///
    /// # Errors
    /// If the machine lacks what is needed, or the engine does not start.
    pub fn start() -> Result<Self, EngineError> {
        if !Uid::effective().is_root() {
            return Err(EngineError::Missing("this needs root".to_owned()));
        }
        for (program, package) in [
            ("dockerd", "docker.io"),
            ("docker", "docker.io"),
            ("busybox", "busybox-static"),
        ] {
            if find(program).is_none() {
                return Err(EngineError::Missing(format!(
                    "there is no {program}; Debian has it in {package}"
                )));
            }
        }
        let dir = TempDir::new().map_err(|error| failed("a temporary directory", &error))?;
        let log = |name: &str| File::create(dir.path().join(name)).map_err(|error| failed(name, &error));
        let config = dir.path().join("daemon.json");
        fs::write(&config, "{}").map_err(|error| failed("daemon.json", &error))?;
        let option = |name: &str, value: &str| format!("--{name}={}", dir.path().join(value).display());
        let daemon = Command::new("dockerd")
            .args([
                "--iptables=false",
                "--ip6tables=false",
                "--bridge=none",
                "--storage-driver=vfs",
            ])
            .args([option("data-root", "data"), option("exec-root", "exec")])
            .args([
                option("pidfile", "docker.pid"),
                option("config-file", "daemon.json"),
            ])
            .arg(format!(
                "--host=unix://{}",
                dir.path().join("docker.sock").display()
            ))
            .stdin(Stdio::null())
            .stdout(log("stdout")?)
            .stderr(log("stderr")?)
            .spawn()
            .map_err(|error| failed("dockerd", &error))?;
        let mut engine = Self { dir, daemon };
        engine.await_start()?;
        engine.import_busybox()?;
        Ok(engine)
    }

    /// Docker's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    /// The socket of its containerd.
    #[must_use]
    pub fn containerd_socket(&self) -> PathBuf {
        self.dir.path().join("exec/containerd/containerd.sock")
    }

    /// Runs the command line client of Docker; gives what it printed, without white space around it.
    ///
    /// # Errors
    /// If it fails.
    pub fn docker<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<String, EngineError> {
        let host = format!("unix://{}", self.socket().display());
        output(Command::new("docker").arg("--host").arg(host).args(args))
    }

    /// Runs the command line client of containerd, as [`docker`](Self::docker).
    ///
    /// # Errors
    /// If it fails.
    pub fn ctr<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<String, EngineError> {
        output(
            Command::new("ctr")
                .arg("--address")
                .arg(self.containerd_socket())
                .args(args),
        )
    }

    /// Starts a container of [`IMAGE`] called `name`, without a network, that runs `command`. Gives its id.
    ///
    /// # Errors
    /// If the engine refuses.
    pub fn run(&self, name: &str, options: &[&str], command: &[&str]) -> Result<String, EngineError> {
        let fixed = ["run", "--detach", "--network=none", "--name", name];
        self.docker(fixed.iter().chain(options).chain(&[IMAGE]).chain(command))
    }

    /// Runs a command in a container that runs; gives what it printed.
    ///
    /// # Errors
    /// If the engine refuses, or the command fails.
    pub fn exec(&self, name: &str, command: &[&str]) -> Result<String, EngineError> {
        self.docker(["exec", name].iter().chain(command))
    }

    /// Stops a container at once, and keeps it.
    ///
    /// # Errors
    /// If the engine refuses.
    pub fn stop(&self, name: &str) -> Result<(), EngineError> {
        self.docker(["stop", "--time=0", name]).map(drop)
    }

    /// Gives containerd the image, in its namespace `namespace`, under the name that is returned.
    ///
    /// # Errors
    /// If one of them refuses.
    pub fn give_image_to_containerd(&self, namespace: &str) -> Result<String, EngineError> {
        let archive = self.dir.path().join("image.tar");
        self.docker([
            OsStr::new("save"),
            OsStr::new("--output"),
            archive.as_os_str(),
            OsStr::new(IMAGE),
        ])?;
        let import = [
            "--namespace",
            namespace,
            "images",
            "import",
            "--snapshotter=native",
        ];
        self.ctr(import.iter().map(OsStr::new).chain([archive.as_os_str()]))?;
        Ok(format!("docker.io/library/{IMAGE}"))
    }

    fn await_start(&mut self) -> Result<(), EngineError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.docker(["version"]);
            let Err(error) = answer else { return Ok(()) };
            let over = self.daemon.try_wait().is_ok_and(|status| status.is_some());
            if over || Instant::now() > deadline {
                let log = fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default();
                return Err(EngineError::Failed {
                    command: "dockerd".to_owned(),
                    reason: format!("{error}\n{log}"),
                });
            }
            std::thread::sleep(GLANCE);
        }
    }

    fn import_busybox(&self) -> Result<(), EngineError> {
        let root = self.dir.path().join("rootfs");
        let archive = self.dir.path().join("rootfs.tar");
        let busybox =
            find("busybox").ok_or_else(|| EngineError::Missing("there is no busybox".to_owned()))?;
        let make = || {
            for place in ["bin", "etc", "proc", "sys", "dev", "tmp"] {
                fs::create_dir_all(root.join(place))?;
            }
            fs::copy(busybox, root.join("bin/busybox"))?;
            for applet in ["cat", "echo", "ls", "sh", "sleep", "touch"] {
                symlink("busybox", root.join("bin").join(applet))?;
            }
            Ok(())
        };
        make().map_err(|error: std::io::Error| failed("the root file system", &error))?;
        output(
            Command::new("tar")
                .arg("-cf")
                .arg(&archive)
                .arg("-C")
                .arg(&root)
                .arg("."),
        )?;
        self.docker([OsStr::new("import"), archive.as_os_str(), OsStr::new(IMAGE)])
            .map(drop)
    }
}

impl Drop for DockerEngine {
    fn drop(&mut self) {
        // It takes its containers and its containerd along, if it is asked to end.
        if let Ok(pid) = i32::try_from(self.daemon.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if !matches!(self.daemon.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(GLANCE);
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// A program in one of the usual places.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir: PathBuf| dir.join(program))
        .find(|file: &PathBuf| Path::is_file(file))
}

fn failed(command: &str, error: &dyn std::error::Error) -> EngineError {
    EngineError::Failed {
        command: command.to_owned(),
        reason: error.to_string(),
    }
}

fn output(command: &mut Command) -> Result<String, EngineError> {
    let result = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(&format!("{command:?}"), &error))?;
    if result.status.success() {
        return Ok(String::from_utf8_lossy(&result.stdout).trim().to_owned());
    }
    Err(EngineError::Failed {
        command: format!("{command:?}"),
        reason: format!(
            "{}: {}",
            result.status,
            String::from_utf8_lossy(&result.stderr).trim()
        ),
    })
}
