//! What container runtimes say about containers: asked while recording, by somebody else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use detectors_api::stores::Runtime;
use detectors_stores::container::ContainerFacts;

/// How long until a container is asked about again that its runtime did not know, or had not started, at the first time; each
/// further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// How often a container is asked about at most.
const MOST_QUESTIONS: u32 = 6;

/// Asks container runtimes. Neither call may wait for them: meanwhile the ring buffer fills.
pub trait Enricher {
    /// Asks about the container with this id. `runtime` is what runs it, as far as its cgroup tells. Every question gets one
    /// answer, however long it takes.
    fn ask(&mut self, container: &str, runtime: Runtime);

    /// The answers that have come since the last call.
    fn answers(&mut self) -> Vec<EnrichmentAnswer>;
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrichmentAnswer {
    /// Id of the container that was asked about.
    pub container: String,
    /// What its runtime says, or why it says nothing.
    pub facts: Result<ContainerFacts, String>,
}

/// The questions of a recording.
///
/// A container's cgroup is made before its runtime has started it, so the first answer can be that it is not known or has not
/// started; then it is asked about again, a few times. Answers that tell nothing new are dropped.
pub(super) struct Questions<'a> {
    enricher: Option<&'a mut dyn Enricher>,
    open: BTreeMap<Arc<str>, Question>,
}

struct Question {
    runtime: Runtime,
    asked: u32,
    /// When to ask again; `None` while an answer is awaited.
    again: Option<Instant>,
    told: Option<Result<ContainerFacts, String>>,
}

impl<'a> Questions<'a> {
    pub(super) fn new(enricher: Option<&'a mut dyn Enricher>) -> Self {
        Self {
            enricher,
            open: BTreeMap::new(),
        }
    }

    /// Asks about a container.
    pub(super) fn ask(&mut self, container: Arc<str>, runtime: Runtime) {
        if let Some(enricher) = &mut self.enricher {
            enricher.ask(&container, runtime);
            let question = Question {
                runtime,
                asked: 1,
                again: None,
                told: None,
            };
            self.open.insert(container, question);
        }
    }

    /// The answers that have come and tell something new.
    pub(super) fn answers(&mut self, now: Instant) -> Vec<EnrichmentAnswer> {
        let Some(enricher) = &mut self.enricher else {
            return Vec::new();
        };
        let mut news = enricher.answers();
        news.retain(|answer| {
            let container = answer.container.as_str();
            let Some(question) = self.open.get_mut(container) else {
                return true;
            };
            let new = match (&question.told, &answer.facts) {
                // It was removed meanwhile; what was said of it stands.
                (Some(Ok(_)), Err(_)) => false,
                (told, facts) => told.as_ref() != Some(facts),
            };
            if new {
                question.told = Some(answer.facts.clone());
            }
            let complete = answer
                .facts
                .as_ref()
                .is_ok_and(|facts| facts.started_ns.is_some());
            if complete || question.asked >= MOST_QUESTIONS {
                self.open.remove(container);
            } else {
                question.again = Some(now + FIRST_WAIT * 2_u32.pow(question.asked - 1));
            }
            new
        });
        for (container, question) in &mut self.open {
            if question.again.is_some_and(|again| again <= now) {
                question.again = None;
                question.asked += 1;
                enricher.ask(container, question.runtime);
            }
        }
        news
    }

    /// Whether an answer is awaited.
    pub(super) fn is_waiting(&self) -> bool {
        self.open.values().any(|question| question.again.is_none())
    }

    /// Gives up: what is to be said of the containers that nothing was heard about.
    pub(super) fn give_up(&mut self) -> Vec<EnrichmentAnswer> {
        std::mem::take(&mut self.open)
            .into_iter()
            .filter(|(_, question)| question.told.is_none())
            .map(|(container, _)| EnrichmentAnswer {
                container: container.to_string(),
                facts: Err("the recording ended before its runtime answered".to_owned()),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts questions; answers what it is given.
    #[derive(Default)]
    struct Script {
        asked: u32,
        answers: Vec<EnrichmentAnswer>,
    }

    impl Enricher for Script {
        fn ask(&mut self, _: &str, _: Runtime) {
            self.asked += 1;
        }
        fn answers(&mut self) -> Vec<EnrichmentAnswer> {
            std::mem::take(&mut self.answers)
        }
    }

    fn answer(facts: Result<Option<u64>, &str>) -> EnrichmentAnswer {
        EnrichmentAnswer {
            container: "c".to_owned(),
            facts: facts
                .map(|started_ns| ContainerFacts {
                    started_ns,
                    ..ContainerFacts::default()
                })
                .map_err(str::to_owned),
        }
    }

    /// Asks about `c` and gets one answer per step, a second apart. Gives what was new, and how often it was asked about.
    fn interview(
        answers: &[Result<Option<u64>, &str>],
    ) -> (Vec<EnrichmentAnswer>, u32, Vec<EnrichmentAnswer>) {
        let mut script = Script::default();
        let mut open = BTreeMap::new();
        let mut now = Instant::now();
        let mut news = Vec::new();
        let mut questions = Questions::new(Some(&mut script));
        questions.ask("c".into(), Runtime::Docker);
        std::mem::swap(&mut open, &mut questions.open);
        for facts in answers {
            script.answers.push(answer(*facts));
            for _ in 0..2 {
                let mut questions = Questions::new(Some(&mut script));
                std::mem::swap(&mut open, &mut questions.open);
                news.extend(questions.answers(now));
                std::mem::swap(&mut open, &mut questions.open);
                now += Duration::from_secs(10);
            }
        }
        let mut questions = Questions { enricher: None, open };
        (news, script.asked, questions.give_up())
    }

    #[test]
    fn a_container_that_has_started_is_asked_about_once() {
        let (news, asked, _) = interview(&[Ok(Some(7))]);
        assert_eq!((news, asked), (vec![answer(Ok(Some(7)))], 1));
    }

    #[test]
    fn one_that_has_not_is_asked_about_again() {
        let (news, asked, left) = interview(&[Err("unknown"), Ok(None), Ok(None), Ok(Some(7))]);
        let expected = [Err("unknown"), Ok(None), Ok(Some(7))].map(answer);
        assert_eq!((news, asked, left.len()), (expected.to_vec(), 4, 0));
    }

    #[test]
    fn nobody_asks_for_ever_and_what_was_said_stands() {
        let (news, asked, left) = interview(&[
            Ok(None),
            Err("gone"),
            Err("x"),
            Err("x"),
            Err("x"),
            Err("x"),
            Err("x"),
        ]);
        // The last answer is to no question, and passed on.
        assert_eq!(
            (news, asked),
            (vec![answer(Ok(None)), answer(Err("x"))], MOST_QUESTIONS)
        );
        assert_eq!(left, []);
    }

    #[test]
    fn silence_is_told() {
        let (_, _, left) = interview(&[]);
        assert_eq!(left.len(), 1);
        assert!(left[0].facts.is_err());
    }
}
