//! What the room tells the engine: nodes, arrivals, ends, failures.

use repower_core::effect::Answer;
use repower_core::input::{Input, Report, Submit};
use repower_core::policy::hash_of;
use repower_model::{
    Hash, Instance, Inventory, JobId, JobSpec, Key, Outcome, Retries, TokenKind, Usage,
};

use super::events::{End, Event};
use super::faults::Luck;
use super::ids::{after, id, index, node_id};
use super::room::Room;
use super::setup::CLASS;
use super::{FOUNDED, ReplayError};

impl Room<'_> {
    pub(super) fn enrol(&mut self, node: usize) -> Result<(), ReplayError> {
        let name = self.setup.machine.nodes[node].name.clone();
        let secret = hash_of(name.as_bytes());
        let issue = Input::Issue {
            kind: TokenKind::Join,
            role: None,
            name: String::new(),
            hash: secret,
            expires: None,
            by: "replay".into(),
        };
        self.turn("a token", &issue)?;
        let fingerprint = hash_of(format!("certificate of {name}").as_bytes());
        let answer = self.turn("a node", &Input::Enrol { secret, name, fingerprint })?;
        let Answer::Node(id) = answer else {
            unreachable!("a node that was enrolled has an id");
        };
        assert_eq!(id, node_id(node), "nodes are counted from 1");
        self.connect(node)?;
        if let Some(faults) = self.setup.faults {
            let node = u32::try_from(node).expect("nodes are bounded");
            let mut luck = Luck::new(faults, node);
            self.events.push(luck.stays(), Event::Turn { node });
            self.luck.push(luck);
        }
        Ok(())
    }

    pub(super) fn connect(&mut self, node: usize) -> Result<(), ReplayError> {
        let offer = &self.setup.machine.nodes[node];
        let inventory = Inventory {
            capacity: offer.capacity.clone(),
            hostname: offer.name.clone(),
            labels: offer.labels.clone(),
            isa_level: offer.isa_level.clone(),
            address: offer.name.clone(),
            abilities: crate::machine::abilities(),
            ..Inventory::default()
        };
        let instance = Instance(u128::from(self.went.failures).to_be_bytes());
        let inventory = Box::new(inventory);
        let hello = Input::Hello {
            node: node_id(node),
            instance,
            inventory,
            held: Vec::new(),
            saved: Vec::new(),
        };
        self.turn("a node", &hello).map(drop)
    }

    pub(super) fn submit(&mut self) -> Result<(), ReplayError> {
        let job = self.workload.jobs[self.next];
        let shape = self.workload.shape(&job);
        let spec = JobSpec {
            name: format!("job-{}", job.id),
            class: CLASS.to_owned(),
            project: self.workload.projects[job.project as usize].clone(),
            command: vec!["true".to_owned()],
            resources: shape.resources.clone(),
            constraints: shape.constraints.clone(),
            gang: shape.gang,
            priority: job.priority,
            expected: Some(job.estimate),
            retries: Retries { user: 0, system: Retries::SYSTEM },
            ..JobSpec::default()
        };
        let number = self.next as u128;
        let submit = Submit {
            key: Key(number.to_be_bytes()),
            submitter: "replay".into(),
            spec,
            spec_hash: Hash([0; 32]),
            past: Vec::new(),
            marks: Vec::new(),
            looked_by: None,
        };
        let what = format!("job {} of the trace", job.id);
        self.next += 1;
        let answer = self.turn(&what, &Input::Submit(Box::new(submit)))?;
        match answer {
            Answer::Job { job, .. } => {
                assert_eq!(index(job) + 1, self.next, "jobs are counted from 1");
                Ok(())
            }
            Answer::Refused(source) => Err(ReplayError::Refused { what, source }),
            Answer::Done
            | Answer::Entered { .. }
            | Answer::Cancelled { .. }
            | Answer::Token(_)
            | Answer::Reservation(_)
            | Answer::Approval { .. }
            | Answer::Policy { .. }
            | Answer::Node(_) => {
                unreachable!("a submission is answered with a job")
            }
        }
    }

    pub(super) fn complete(&mut self, job: JobId, number: u32, by: End) -> Result<(), ReplayError> {
        let Some(attempt) = self.live.get(job, number).copied() else {
            return Ok(()); // It was lost before.
        };
        let outcome = match by {
            End::Done => Outcome::Exited { code: 0 },
            End::Preempted => Outcome::Preempted,
            End::Recalled => Outcome::Recalled,
            End::Cancelled => Outcome::Cancelled,
        };
        let ran = attempt.start.map_or(0, |start| self.now.as_millis() - start.as_millis());
        let usage = Usage { wall_us: ran.saturating_mul(1000), ..Usage::default() };
        let (started, ended) = (attempt.start.map(|start| FOUNDED + start), self.time());
        // Ranks that were lost with their node have ended: the engine passes over reports of them.
        for (rank, node) in (0..).zip(self.live.processes(job)) {
            let (rank, outcome) = (id(job, number).rank(rank), outcome.clone());
            let report = Report::Ended { rank, outcome, usage, started, ended };
            self.turn("a report", &Input::Report { node: node_id(node as usize), report })?;
        }
        Ok(())
    }

    pub(super) fn fail_or_return(&mut self, node: u32) -> Result<(), ReplayError> {
        let luck = &mut self.luck[node as usize];
        luck.down = !luck.down;
        let (down, stays) = (luck.down, luck.stays());
        self.events.push(after(self.now, stays), Event::Turn { node });
        if down {
            self.went.failures += 1;
            let node = node_id(node as usize);
            let reason = "it failed".to_owned();
            self.turn("a failure", &Input::Silent { node, reason }).map(drop)
        } else {
            self.connect(node as usize)
        }
    }
}
