//! A world in one line: an engine, nodes, and a clock that tests move by hand.
#![expect(unreachable_pub, reason = "shared by the test files of this folder")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(dead_code, reason = "each test file uses its own part")]

use repower_core::check::violations;
use repower_core::effect::{Answer, Effect, Turn};
use repower_core::engine::Engine;
use repower_core::fact::{Entry, Fact};
use repower_core::input::{Decide, Input, Report, Submit};
use repower_core::policy::{DEFAULT, hash_of};
use repower_core::refusal::Refusal;
use repower_model::{
    Ability, Array, AttemptId, Bytes, Cpus, Dependency, DependencyKind, FindingId, FindingState,
    Hash, IndexRange, Instance, Inventory, JobId, JobSpec, JobState, Key, NodeId, Outcome,
    Resources, Retries, Role, Span, TaskId, Timestamp, TokenKind, Usage,
};

pub struct World {
    pub engine: Engine,
    pub now: Timestamp,
    pub journal: Vec<Entry>,
    pub owed: Vec<Effect>,
    key: u128,
}

/// What the nodes of a world can do, as those of most agents.
pub fn abilities() -> Vec<String> {
    [Ability::Bare, Ability::LimitMemory].map(|one| one.as_str().to_owned()).to_vec()
}

/// A job that may run: one task, one cpu.
pub fn job() -> JobSpec {
    JobSpec {
        name: "a-job".into(),
        class: "sci-simulation".into(),
        project: JobSpec::PROJECT.into(),
        command: vec!["true".into()],
        script: Vec::new(),
        environment: Vec::new(),
        working_folder: String::new(),
        array: Array::single(),
        resources: cpus(1),
        time_limit: None,
        grace: JobSpec::GRACE,
        priority: 0,
        start_after: None,
        retries: Retries { user: 0, system: Retries::SYSTEM },
        ..JobSpec::default()
    }
}

pub fn cpus(count: u64) -> Resources {
    Resources { cpus: Cpus::from_whole(count), ..Resources::default() }
}

pub fn array(count: u32) -> JobSpec {
    let range = IndexRange { first: 0, last: count - 1, step: 1 };
    JobSpec { array: Array::new(vec![range], None).unwrap(), ..job() }
}

pub fn after(kind: DependencyKind, on: JobId) -> JobSpec {
    JobSpec { dependencies: vec![Dependency { job: on, kind, per_task: false }], ..job() }
}

pub fn exited(code: i32) -> Outcome {
    Outcome::Exited { code }
}

impl World {
    /// A founded cell with nodes of so many cpus each, all up.
    pub fn with_nodes(sizes: &[u64]) -> Self {
        Self::under(DEFAULT, sizes)
    }

    /// The same under a policy of its own.
    pub fn under(policy: &str, sizes: &[u64]) -> Self {
        let mut world = Self {
            engine: Engine::new(),
            now: Timestamp::from_millis(1_000_000),
            journal: Vec::new(),
            owed: Vec::new(),
            key: 0,
        };
        world.turn(&Input::Found { cell: "test".into(), version: "0".into() }).unwrap();
        world.turn(&Input::Adopt { text: policy.into(), by: "op".into(), replaces: None }).unwrap();
        for (at, size) in sizes.iter().enumerate() {
            world.join(&format!("n{}", at + 1), *size);
        }
        world
    }

    pub fn join(&mut self, name: &str, size: u64) -> NodeId {
        let secret = hash_of(name.as_bytes());
        let (kind, by) = (TokenKind::Join, "admin".to_owned());
        self.turn(&Input::Issue {
            kind,
            role: None,
            name: String::new(),
            hash: secret,
            expires: None,
            by,
        })
        .unwrap();
        let fingerprint = hash_of(format!("certificate of {name}").as_bytes());
        let enrol = Input::Enrol { secret, name: name.into(), fingerprint };
        let Answer::Node(node) = self.turn(&enrol).unwrap().answer else { panic!("not enrolled") };
        self.hello(node, 1, size, &[]);
        node
    }

    pub fn hello(
        &mut self,
        node: NodeId,
        instance: u8,
        size: u64,
        held: &[AttemptId],
    ) -> Vec<Effect> {
        let capacity =
            Resources { memory: Bytes::from_gib(64), disk: Bytes::from_gib(100), ..cpus(size) };
        let address = format!("10.0.0.{}", node.0);
        let inventory = Box::new(Inventory {
            capacity,
            address,
            abilities: abilities(),
            ..Inventory::default()
        });
        let hello = Input::Hello {
            node,
            instance: Instance([instance; 16]),
            inventory,
            held: held.iter().map(|attempt| attempt.rank(0)).collect(),
            saved: Vec::new(),
        };
        self.turn(&hello).unwrap().effects
    }

    /// Turns one input, keeps its facts, and checks the invariants.
    pub fn turn(&mut self, input: &Input) -> Result<Turn, Refusal> {
        let seq = self.engine.state().seq;
        let before = self.engine.state().seq;
        let turn = self.engine.turn(input, self.now);
        match &turn {
            Ok(turn) => {
                for (seq, fact) in (seq..).zip(&turn.facts) {
                    self.journal.push(Entry { seq, at: self.now, fact: fact.clone() });
                }
                self.owed.extend(turn.effects.iter().cloned());
            }
            Err(_) => assert_eq!(before, self.engine.state().seq, "a refusal changes nothing"),
        }
        assert_eq!(violations(self.engine.state()), [], "after {input:?}");
        turn
    }

    /// An operator who has looked decides about a finding.
    pub fn decide(&mut self, finding: u64, state: FindingState) -> Result<Turn, Refusal> {
        let (by, reason) = ("mia".to_owned(), "I have looked".to_owned());
        let (finding, role) = (FindingId(finding), Role::Operator);
        let asked = Decide { finding, state, by, role, reason, quarantine: true };
        self.turn(&Input::Decide(Box::new(asked)))
    }

    pub fn try_submit(&mut self, spec: JobSpec) -> Result<Turn, Refusal> {
        self.key += 1;
        self.submit_as(Key(self.key.to_be_bytes()), spec, Vec::new())
    }

    pub fn submit_as(
        &mut self,
        key: Key,
        spec: JobSpec,
        past: Vec<(JobId, JobState)>,
    ) -> Result<Turn, Refusal> {
        let submitter = "ada".to_owned();
        self.turn(&Input::Submit(Box::new(Submit {
            key,
            submitter,
            spec,
            spec_hash: Hash([0; 32]),
            past,
            marks: Vec::new(),
            looked_by: None,
        })))
    }

    pub fn submit(&mut self, spec: JobSpec) -> JobId {
        match self.try_submit(spec).unwrap().answer {
            Answer::Job { job, .. } => job,
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// One pass; returns what was placed, and where.
    pub fn schedule(&mut self) -> Vec<(AttemptId, NodeId)> {
        let facts = self.turn(&Input::Schedule).unwrap().facts;
        facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::AttemptPlaced { attempt, node, .. } => Some((*attempt, *node)),
                _ => None,
            })
            .collect()
    }

    pub fn started(&mut self, attempt: AttemptId) {
        let node = self.engine.state().attempts[&attempt.task].node;
        let report = Report::Started { rank: attempt.rank(0), started: self.now };
        self.turn(&Input::Report { node, report }).unwrap();
    }

    pub fn end_on(
        &mut self,
        node: NodeId,
        attempt: AttemptId,
        outcome: Outcome,
        wall_us: u64,
    ) -> Vec<Fact> {
        let usage = Usage { wall_us, ..Usage::default() };
        let (rank, started, ended) = (attempt.rank(0), Some(self.now), self.now);
        let report = Report::Ended { rank, outcome, usage, started, ended };
        self.turn(&Input::Report { node, report }).unwrap().facts
    }

    pub fn end(&mut self, attempt: AttemptId, outcome: Outcome) -> Vec<Fact> {
        let node = self.engine.state().attempts[&attempt.task].node;
        self.end_on(node, attempt, outcome, 60_000_000)
    }

    pub fn wait(&mut self, ms: u64) {
        self.now = self.now + Span::from_millis(ms);
    }

    /// How a job ended.
    pub fn outcome_of(&self, job: JobId) -> Option<(JobState, i32)> {
        self.journal.iter().find_map(|entry| match &entry.fact {
            Fact::JobEnded { job: ended, state, exit_code, .. } if *ended == job => {
                Some((*state, *exit_code))
            }
            _ => None,
        })
    }
}

pub fn attempt(job: JobId, index: u32, number: u32) -> AttemptId {
    AttemptId { task: TaskId { job, index }, number }
}
