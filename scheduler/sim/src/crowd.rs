//! A crowd: an engine with many nodes and many tasks that wait, to measure what a pass costs.
//!
//! Jobs are arrays; each has a shape of its own, so that nothing is alike that need not be. The
//! nodes are of four sizes. What runs does not end by itself: [`Crowd::complete`] ends it.

use repower_core::effect::{Answer, Turn};
use repower_core::engine::Engine;
use repower_core::input::{Input, Report, Submit};
use repower_core::policy::hash_of;
use repower_core::state::State;
use repower_model::{
    Array, AttemptId, Bytes, Cpus, Hash, IndexRange, Instance, Inventory, JobId, JobSpec, Key,
    Outcome, Resources, Role, Span, TaskId, Timestamp, TokenKind, Usage,
};

use crate::clock::EPOCH;
use crate::replay::{CLASS, policy_text};

/// How large a crowd is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Nodes, of 16, 32, 48 and 64 processors.
    pub nodes: u32,
    /// Jobs, each of a shape of its own.
    pub shapes: u32,
    /// Tasks of each job.
    pub tasks: u32,
}

/// An engine with many nodes and many tasks that wait.
#[derive(Debug)]
pub struct Crowd {
    engine: Engine,
    now: Timestamp,
    jobs: u32,
}

impl Crowd {
    /// Founds a cell with its nodes; nothing waits yet.
    ///
    /// # Panics
    ///
    /// If the engine refuses any of it, which would be a fault of this module.
    pub fn new(size: Size, discipline: repower_core::plan::Discipline) -> Self {
        let mut crowd = Self { engine: Engine::new(), now: EPOCH, jobs: 0 };
        crowd.turn(&Input::Found { cell: "crowd".into(), version: "0".into() });
        crowd.turn(&Input::Adopt {
            text: policy_text(discipline),
            by: "op".into(),
            replaces: None,
        });
        for at in 0..size.nodes {
            crowd.enrol(at);
        }
        crowd
    }

    /// What is true now.
    pub fn state(&self) -> &State {
        self.engine.state()
    }

    /// Lets time pass.
    pub fn wait(&mut self, span: Span) {
        self.now = self.now + span;
    }

    /// Submits one more job with so many tasks, of the shape of a number.
    ///
    /// # Panics
    ///
    /// If the engine refuses it, which would be a fault of this module.
    pub fn submit(&mut self, shape: u32, tasks: u32) -> JobId {
        self.jobs += 1;
        let mut key = [0; 16];
        key[..4].copy_from_slice(&self.jobs.to_be_bytes());
        let range = IndexRange { first: 0, last: tasks - 1, step: 1 };
        let spec = JobSpec {
            name: "crowd".into(),
            class: CLASS.into(),
            command: vec!["true".into()],
            array: Array::new(vec![range], None).expect("a range from 0"),
            resources: Resources {
                cpus: Cpus::from_whole(1 + u64::from(shape % 12)),
                memory: Bytes::from_gib(1 + u64::from(shape / 12 % 16)),
                ..Resources::default()
            },
            time_limit: Some(Span::from_secs(600 + u64::from(shape) * 7)),
            ..JobSpec::default()
        };
        let submit = Submit {
            key: Key(key),
            submitter: "c".into(),
            spec,
            spec_hash: Hash([0; 32]),
            past: vec![],
            marks: vec![],
            looked_by: None,
        };
        let Answer::Job { job, .. } = self.turn(&Input::Submit(Box::new(submit))).answer else {
            panic!("a job was not accepted")
        };
        job
    }

    /// One pass. Returns how many facts it made.
    pub fn pass(&mut self) -> usize {
        self.turn(&Input::Schedule).facts.len()
    }

    /// Passes until nothing more can start. Returns how many tasks were started.
    pub fn fill(&mut self) -> usize {
        let mut all = 0;
        loop {
            let facts = self.pass();
            all += facts;
            if facts < Engine::PASS {
                return all;
            }
        }
    }

    /// Cancels what waits; what runs goes on.
    pub fn clear(&mut self) {
        let waiting = self.engine.state().jobs.values().filter(|job| !job.pending.is_empty());
        let waiting: Vec<_> = waiting.map(|job| (job.id, job.indices_of(&job.pending))).collect();
        for (job, tasks) in waiting {
            let (by, reason) = ("crowd".to_owned(), "not needed".to_owned());
            self.turn(&Input::Cancel { job, tasks: Some(tasks), by, role: Role::Operator, reason });
        }
    }

    /// The running task that is `nth` in order; `None` if there are not so many.
    pub fn running(&self, nth: usize) -> Option<TaskId> {
        self.engine.state().attempts.keys().nth(nth).copied()
    }

    /// Ends a running task.
    pub fn complete(&mut self, task: TaskId) {
        let Some(attempt) = self.engine.state().attempts.get(&task).cloned() else {
            return;
        };
        let report = Report::Ended {
            rank: AttemptId { task, number: attempt.number }.rank(0),
            outcome: Outcome::Exited { code: 0 },
            usage: Usage { wall_us: 60_000_000, ..Usage::default() },
            started: Some(attempt.placed),
            ended: self.now,
        };
        self.turn(&Input::Report { node: attempt.node, report });
    }

    fn enrol(&mut self, at: u32) {
        let name = format!("n{at}");
        let secret = hash_of(name.as_bytes());
        self.turn(&Input::Issue {
            kind: TokenKind::Join,
            role: None,
            name: String::new(),
            hash: secret,
            expires: None,
            by: "crowd".to_owned(),
        });
        let fingerprint = hash_of(format!("of {name}").as_bytes());
        let Answer::Node(node) = self.turn(&Input::Enrol { secret, name, fingerprint }).answer
        else {
            panic!("a node was not enrolled")
        };
        let cpus = 16 * (1 + u64::from(at % 4));
        let capacity = Resources {
            cpus: Cpus::from_whole(cpus),
            memory: Bytes::from_gib(cpus * 2),
            ..Resources::default()
        };
        let inventory = Box::new(Inventory {
            capacity,
            abilities: crate::machine::abilities(),
            ..Inventory::default()
        });
        let instance = Instance([1; 16]);
        self.turn(&Input::Hello { node, instance, inventory, held: Vec::new(), saved: Vec::new() });
    }

    fn turn(&mut self, input: &Input) -> Turn {
        self.engine.turn(input, self.now).expect("what a crowd asks for is never refused")
    }
}
