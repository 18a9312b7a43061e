//! What is true now: derived from the facts alone, and changed by [`State::apply`](State) alone.

mod apply;
mod approvals;
mod attempt;
mod backlog;
mod checkpoint;
mod dependents;
mod each;
mod findings;
mod gang;
mod history;
mod job;
mod node;
mod offers;
mod promises;
mod queue;
mod ranks;
mod reservations;
mod roll;
mod shape;
mod share;
mod token;

use std::collections::{BTreeMap, BTreeSet};

use repower_model::{AttemptId, Hash, JobId, Key, NodeId, Resources, TaskId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

use crate::policy::{Policy, Scheduling};

pub use approvals::Approvals;
pub use attempt::{Attempt, Marks, Stopped};
pub use backlog::Backlog;
pub use checkpoint::Saved;
pub use findings::{Findings, Quarantined};
pub use history::{Estimate, History, Runs, Source};
pub use job::{Job, Tries};
pub use node::{Failure, GivenUp, Node};
pub use offers::Offers;
pub use promises::{Promise, Promises};
pub use queue::{Line, Queue, Turn};
pub use ranks::{Cause, Ranks};
pub use reservations::Reservations;
pub use shape::{Shape, ShapeId};
pub use share::{Share, Shares};
pub use token::Token;

pub(crate) use attempt::named;
pub(crate) use dependents::Dependents;

/// What is true now. Its size follows live work and the nodes, never history.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// The sequence number that the next fact gets.
    pub seq: u64,
    /// The time of the latest fact or pass.
    pub now: Timestamp,
    /// The cell's name; empty until it is founded.
    pub cell: String,
    /// When it was founded.
    pub founded: Timestamp,
    /// The policy in force, and since when.
    pub policy: Option<(Policy, Timestamp)>,
    /// Jobs that have not ended.
    pub jobs: BTreeMap<JobId, Job>,
    /// Their keys.
    pub keys: BTreeMap<Key, JobId>,
    /// The latest attempt of each task that is on its nodes.
    pub attempts: BTreeMap<TaskId, Attempt>,
    /// Every node that ever enrolled.
    pub nodes: BTreeMap<NodeId, Node>,
    /// Every token that has not been revoked.
    pub tokens: BTreeMap<TokenId, Token>,
    /// Jobs in the order in which their tasks go.
    pub queue: Queue,
    /// Nodes by what they have free.
    pub offers: Offers,
    /// When attempts that hold something of a node will give it back at the latest, as far as that
    /// is known.
    pub ends: BTreeSet<(Timestamp, TaskId)>,
    /// Places that are promised to tasks for which others are stopping.
    pub promises: Promises,
    /// Nodes that are kept for a time.
    pub reservations: Reservations,
    /// What people have approved for a time.
    pub approvals: Approvals,
    /// What is not what it says it is, and programs that must not run.
    pub findings: Findings,
    /// How long tasks ran before.
    pub history: History,
    /// What projects hold, and have held.
    pub shares: Shares,
    /// How much work there is, and how true estimates have been.
    pub backlog: Backlog,
    /// Nodes with fast failures since something last passed there.
    pub(crate) suspects: BTreeSet<NodeId>,
    /// Nodes that rest, by when that ends.
    pub(crate) resting: BTreeSet<(Timestamp, NodeId)>,
    pub(crate) dependents: Dependents,
    pub(crate) fingerprints: BTreeMap<Hash, NodeId>,
    pub(crate) names: BTreeMap<String, NodeId>,
    pub(crate) secrets: BTreeMap<Hash, TokenId>,
    pub(crate) last_job: u64,
    pub(crate) last_node: u32,
    pub(crate) last_token: u64,
}

impl State {
    /// A job that has not ended.
    pub fn job(&self, job: JobId) -> Option<&Job> {
        self.jobs.get(&job)
    }

    /// The job that was submitted with a key, if it has not ended.
    pub fn job_by_key(&self, key: &Key) -> Option<&Job> {
        self.jobs.get(self.keys.get(key)?)
    }

    /// A node by its name.
    pub fn node_by_name(&self, name: &str) -> Option<&Node> {
        self.nodes.get(self.names.get(name)?)
    }

    /// The node whose certificate has this SHA-256.
    pub fn node_by_fingerprint(&self, fingerprint: &Hash) -> Option<&Node> {
        self.nodes.get(self.fingerprints.get(fingerprint)?)
    }

    /// The token whose secret has this SHA-256, good or not.
    pub fn token_by_hash(&self, hash: &Hash) -> Option<&Token> {
        self.tokens.get(self.secrets.get(hash)?)
    }

    /// The token of a person whose secret has this SHA-256, if it is good now.
    pub fn person_by_hash(&self, hash: &Hash, now: Timestamp) -> Option<&Token> {
        self.token_by_hash(hash).filter(|token| token.is_person() && !token.has_expired(now))
    }

    /// An operator of another name with a token that is good now.
    pub fn other_operator(&self, name: &str, now: Timestamp) -> Option<&str> {
        let good = |token: &&Token| token.is_operators() && !token.has_expired(now);
        let mut others = self.tokens.values().filter(good).filter(|token| token.name != name);
        others.next().map(|token| token.name.as_str())
    }

    /// How the policy in force wants tasks ordered.
    pub fn scheduling(&self) -> Scheduling {
        self.policy.as_ref().map(|(policy, _)| policy.scheduling.clone()).unwrap_or_default()
    }

    /// What a live attempt holds of its node, or would if it had its turn there.
    pub fn asked(&self, task: TaskId) -> Option<&Resources> {
        let alternative = self.attempts.get(&task)?.alternative;
        Some(self.jobs.get(&task.job)?.spec.amounts(alternative))
    }

    /// By which of its job's amounts a live attempt was placed: 0 the first choice, else that alternative.
    pub fn alternative(&self, attempt: AttemptId) -> Option<u32> {
        let live = self.attempts.get(&attempt.task)?;
        (live.number == attempt.number).then_some(live.alternative)
    }

    /// Whether a job of this id was ever submitted.
    pub fn was_submitted(&self, job: JobId) -> bool {
        (1..=self.last_job).contains(&job.0)
    }
}
