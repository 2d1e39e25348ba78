//! The thread that asks.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use detectors_api::stores::Runtime;
use detectors_stores::container::ContainerFacts;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::error::{Cause, Error};
use crate::sockets::{Skipped, Sockets};
use crate::{Answer, containerd, cri, docker};

/// How long a runtime may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Questions that are asked at the same time: a runtime that hangs holds up no others.
const CONCURRENT: usize = 8;

/// Questions that wait at most: whoever makes containers faster than they can be asked about must not fill the memory.
const WAITING: usize = 4096;

/// Container runtimes that can be asked.
///
/// Dropping it gives up the questions that wait.
#[derive(Debug)]
pub struct Runtimes {
    sockets: Sockets,
    skipped: Vec<Skipped>,
    questions: UnboundedSender<Question>,
    /// `None` once the thread is to end.
    going_on: Option<oneshot::Sender<()>>,
    answers: mpsc::Receiver<Answer>,
    /// What was refused without asking.
    refused: Vec<Answer>,
    waiting: BTreeSet<String>,
    /// Where answers go; kept for questions to come.
    reply: mpsc::Sender<Answer>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Question {
    container_id: String,
    runtime: Runtime,
    reply: mpsc::Sender<Answer>,
}

impl Runtimes {
    /// Gets ready to ask the runtimes whose sockets exist. Connections are made when there is something to ask.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn connect(sockets: Sockets) -> io::Result<Self> {
        Self::with_timeout(sockets, TIMEOUT)
    }

    /// [`connect`](Self::connect), with another time that each runtime may take for an answer; it is 10 s otherwise.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn with_timeout(sockets: Sockets, timeout: Duration) -> io::Result<Self> {
        let (sockets, skipped) = sockets.split();
        let (questions, receiver) = unbounded_channel();
        let (reply, answers) = mpsc::channel();
        let (going_on, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let asker = Arc::new(Asker {
            sockets: sockets.clone(),
            timeout,
        });
        let thread = std::thread::Builder::new()
            .name("runtimes".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = asker.serve(receiver) => {}
                        _ = ended => {}
                    }
                });
            })?;
        Ok(Self {
            sockets,
            skipped,
            questions,
            going_on: Some(going_on),
            answers,
            refused: Vec::new(),
            waiting: BTreeSet::new(),
            reply,
            thread: Some(thread),
        })
    }

    /// The sockets that are asked.
    #[must_use]
    pub fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// The runtimes that are not asked.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Asks about a container that `runtime` runs; all runtimes in turn, if that is unknown. Does not wait. Nothing happens
    /// if the same container has been asked about and the answer has not been taken yet.
    pub fn ask(&mut self, container_id: &str, runtime: Runtime) {
        if self.waiting.contains(container_id) {
            return;
        }
        let problem = if self.waiting.len() >= WAITING {
            Err(Error::Busy {
                waiting: self.waiting.len(),
            })
        } else {
            self.send(container_id, runtime, self.reply.clone())
        };
        match problem {
            Ok(()) => {
                self.waiting.insert(container_id.to_owned());
            }
            Err(error) if self.refused.len() < WAITING => {
                self.refused.push(Answer::now(container_id, Err(error)));
            }
            // Nobody takes answers, so nobody misses this one.
            Err(_) => tracing::warn!(
                container_id,
                "too many questions about containers, and nobody takes the answers"
            ),
        }
    }

    /// The answers that have come, in this order. Does not wait.
    pub fn answers(&mut self) -> Vec<Answer> {
        let mut answers = std::mem::take(&mut self.refused);
        answers.extend(self.answers.try_iter());
        for answer in &answers {
            self.waiting.remove(&answer.container_id);
        }
        answers
    }

    /// Number of questions whose answers have not been taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Asks, and waits for the answer. It does not come with [`answers`](Self::answers).
    #[must_use]
    pub fn ask_now(&self, container_id: &str, runtime: Runtime) -> Answer {
        let (reply, answer) = mpsc::channel();
        match self.send(container_id, runtime, reply) {
            Ok(()) => answer
                .recv()
                .unwrap_or_else(|mpsc::RecvError| Answer::now(container_id, Err(Error::Ended))),
            Err(error) => Answer::now(container_id, Err(error)),
        }
    }

    fn send(&self, container_id: &str, runtime: Runtime, reply: mpsc::Sender<Answer>) -> Result<(), Error> {
        // Ids come from names of directories, which may be anything.
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        if !container_id.bytes().any(|byte| byte.is_ascii_alphanumeric()) || !container_id.bytes().all(usual)
        {
            return Err(Error::NotAnId);
        }
        let question = Question {
            container_id: container_id.to_owned(),
            runtime,
            reply,
        };
        self.questions.send(question).map_err(|_| Error::Ended)
    }
}

impl Drop for Runtimes {
    fn drop(&mut self) {
        self.going_on = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that asks container runtimes panicked");
        }
    }
}

impl Answer {
    fn now(container_id: &str, outcome: Result<ContainerFacts, Error>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            container_id: container_id.to_owned(),
            arrived_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            outcome,
        }
    }
}

/// What the thread needs to know.
#[derive(Debug)]
struct Asker {
    sockets: Sockets,
    timeout: Duration,
}

impl Asker {
    /// Asks one question after another, several at a time.
    async fn serve(self: Arc<Self>, mut questions: UnboundedReceiver<Question>) {
        let permits = Arc::new(Semaphore::new(CONCURRENT));
        while let Some(question) = questions.recv().await {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                return;
            };
            let asker = Arc::clone(&self);
            tokio::spawn(async move {
                let outcome = asker.ask(&question.container_id, question.runtime).await;
                // Whoever asked may have gone.
                let _ = question.reply.send(Answer::now(&question.container_id, outcome));
                drop(permit);
            });
        }
    }

    async fn ask(&self, id: &str, runtime: Runtime) -> Result<ContainerFacts, Error> {
        let mut errors = Vec::new();
        for (other, socket) in self.sockets.iter() {
            if runtime != Runtime::Unknown && runtime != other {
                continue;
            }
            let answer = async {
                match other {
                    Runtime::Containerd => containerd::ask(socket, id).await,
                    Runtime::Crio => cri::ask(socket, id).await,
                    _ => docker::ask(other, socket, id, self.timeout).await,
                }
            };
            let cause = match tokio::time::timeout(self.timeout, answer).await {
                Ok(Ok(facts)) => return Ok(facts),
                Ok(Err(cause)) => cause,
                Err(_) => Cause::TimedOut(self.timeout),
            };
            errors.push(Error::Runtime {
                runtime: other,
                socket: socket.to_owned(),
                cause,
            });
        }
        Err(match (runtime, errors.pop()) {
            (Runtime::Unknown, None) => Error::NoRuntime,
            (runtime, None) => Error::NoSocket { runtime },
            (_, Some(error)) if errors.is_empty() => error,
            (_, Some(error)) => {
                errors.push(error);
                Error::All(errors)
            }
        })
    }
}
