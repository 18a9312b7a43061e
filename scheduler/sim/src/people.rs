//! People: they ask, wait for an answer, and ask again with the same key if none comes.

use std::collections::BTreeMap;

use repower_core::effect::Answer;
use repower_core::input::{Input, Reserve, Rest};
use repower_core::refusal::Refusal;
use repower_model::{Dependency, IndexRange, JobId, JobSpec, Key, NodeId, Role, Span, Timestamp};

use crate::dice::Dice;
use crate::scheduler::{CallId, Letter};
use crate::workload::{After, Wish};

/// What somebody asks for.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Submit {
        /// Its place among the submissions.
        slot: usize,
        key: Key,
        submitter: String,
        spec: Box<JobSpec>,
    },
    Command(Box<Input>),
}

/// What somebody asked for and was told.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) ask: Ask,
    /// The answer, and how many facts were durable when it was given.
    pub(crate) told: Option<(Result<Answer, Refusal>, u64)>,
}

/// Everybody who asks.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) calls: BTreeMap<CallId, Call>,
    /// The jobs of the submissions that were accepted, and whether they wait for a review.
    pub(crate) jobs: BTreeMap<usize, JobId>,
    slots: usize,
    asked: u64,
    dice: Dice,
}

impl People {
    pub(crate) fn new(dice: Dice) -> Self {
        Self { calls: BTreeMap::new(), jobs: BTreeMap::new(), slots: 0, asked: 0, dice }
    }

    /// What comes of a wish now; `None` if what it is about is not there. A submission that will
    /// be sent again is returned twice, with one key.
    pub(crate) fn wish(&mut self, wish: Wish, now: Timestamp) -> Vec<CallId> {
        match wish {
            Wish::Submit { mut spec, after, start_in, again_in } => {
                let slot = self.slots;
                self.slots += 1;
                let after = after.into_iter().filter_map(|After { slot, kind, per_task }| {
                    let job = *self.jobs.get(&slot)?;
                    Some(Dependency { job, kind, per_task })
                });
                spec.dependencies = after.collect();
                spec.start_after = start_in.map(|wait| now + wait);
                let key = Key(self.dice.bytes());
                let submitter = format!("user-{slot}");
                let ask = Ask::Submit { slot, key, submitter, spec };
                let copies = if again_in.is_some() { 2 } else { 1 };
                (0..copies).map(|_| self.ask(ask.clone())).collect()
            }
            Wish::Cancel { job, tasks } => self
                .jobs
                .get(&job)
                .copied()
                .map(|job| self.cancel(job, tasks))
                .into_iter()
                .collect(),
        }
    }

    fn cancel(&mut self, job: JobId, tasks: Option<Vec<IndexRange>>) -> CallId {
        let (by, reason) = ("ada".into(), "not needed".into());
        // Also of what is on a node out of touch: it never starts again, wherever it may still run.
        let force = self.dice.chance(300);
        self.command(if force {
            Input::GiveUp { job, tasks, by, role: Role::Submitter, reason }
        } else {
            Input::Cancel { job, tasks, by, role: Role::Submitter, reason }
        })
    }

    /// An operator decides on a job under review.
    pub(crate) fn review(&mut self, job: JobId) -> CallId {
        let approve = self.dice.chance(750);
        self.command(Input::Review { job, approve, by: "op".into(), reason: "looked at it".into() })
    }

    /// An operator cancels what can never run.
    pub(crate) fn give_up(&mut self, job: JobId) -> CallId {
        let reason = "too large for what there is".into();
        self.command(Input::Cancel {
            job,
            tasks: None,
            by: "op".into(),
            role: Role::Operator,
            reason,
        })
    }

    /// An operator empties a node. Only one that is `gone`, with all that ran there, is given up.
    pub(crate) fn drain(&mut self, node: NodeId, gone: bool) -> CallId {
        let rest = match (gone, self.dice.chance(500)) {
            (true, _) => Rest::IsGivenUp,
            (false, true) => Rest::Stops,
            (false, false) => Rest::Finishes,
        };
        self.command(Input::Drain { node, rest, by: "op".into(), reason: "a fan".into() })
    }

    /// An operator keeps a node for half a minute at most, for nobody or for a project.
    pub(crate) fn reserve(&mut self, node: NodeId, now: Timestamp) -> CallId {
        let project = *self.dice.pick(&[None, Some(JobSpec::PROJECT), Some("another")]);
        let from = now + self.dice.span(Span::ZERO, Span::from_secs(10));
        let until = from + self.dice.span(Span::from_millis(1), Span::from_secs(20));
        self.command(Input::Reserve(Box::new(Reserve {
            nodes: vec![node],
            from: Some(from),
            until,
            project: project.map(str::to_owned),
            by: "op".into(),
            reason: "a fan".into(),
        })))
    }

    pub(crate) fn resume(&mut self, node: NodeId) -> CallId {
        self.command(Input::Resume { node, by: "op".into() })
    }

    pub(crate) fn command(&mut self, input: Input) -> CallId {
        self.ask(Ask::Command(Box::new(input)))
    }

    fn ask(&mut self, ask: Ask) -> CallId {
        self.asked += 1;
        let id = CallId(self.asked);
        self.calls.insert(id, Call { ask, told: None });
        id
    }

    /// The letter of a call that has not been answered.
    pub(crate) fn letter(&self, call: CallId) -> Option<Letter> {
        let open = self.calls.get(&call).filter(|call| call.told.is_none())?;
        Some(match &open.ask {
            Ask::Submit { key, submitter, spec, .. } => Letter::Submission {
                call,
                key: *key,
                submitter: submitter.clone(),
                spec: spec.clone(),
            },
            Ask::Command(input) => Letter::Command { call, input: input.clone() },
        })
    }

    /// Somebody gets an answer. Returns the job that waits for a review, if it says so.
    pub(crate) fn told(
        &mut self,
        call: CallId,
        answer: Result<Answer, Refusal>,
        durable: u64,
    ) -> Option<JobId> {
        let call = self.calls.get_mut(&call).filter(|call| call.told.is_none())?;
        let mut review = None;
        if let (Ask::Submit { slot, .. }, Ok(Answer::Job { job, hold, .. })) = (&call.ask, &answer)
        {
            self.jobs.insert(*slot, *job);
            review = hold.is_some().then_some(*job);
        }
        call.told = Some((answer, durable));
        review
    }

    /// Whether everybody has been answered.
    pub(crate) fn are_content(&self) -> bool {
        self.calls.values().all(|call| call.told.is_some())
    }
}
