//! What follows a commit: the published copy, answers, orders, acknowledgements, snapshots.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use repower_core::effect::{Answer, Effect};
use repower_core::engine::Engine;
use repower_core::fact::{Entry, Fact};
use repower_core::state::State;
use repower_model::{FindingId, Hash, JobId, NodeId};
use repower_proto::v1;
use tokio::sync::oneshot;

use crate::artefacts::{Bin, Litter};
use crate::clock::Stopwatch;
use crate::link::{Item, Links, Outbox};
use crate::metrics::Metrics;
use crate::notices::Notices;
use crate::problem::Problem;
use crate::published::Published;
use crate::story;

/// How many commits may wait to be followed.
const WAITING: usize = 4;
/// Snapshots are not taken more often than this.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);

/// What is owed when a batch is durable.
#[derive(Debug)]
pub(crate) enum Deed {
    /// Tell the one who asked.
    Answer(oneshot::Sender<Result<Answer, Problem>>, Result<Answer, Problem>),
    /// Let a link stand.
    Connect(Arc<Outbox>, v1::Welcome),
    /// Send an agent away.
    Refuse(Arc<Outbox>, Problem),
    /// Send orders to nodes.
    Send(Vec<Effect>),
    /// Tell an agent what it may forget.
    Acknowledge(Arc<Outbox>, u64),
}

#[derive(Debug)]
enum Step {
    Commit(Vec<Entry>, Vec<Deed>),
    /// The last says whether all links are to be closed.
    Fail(Vec<Deed>, Problem, bool),
    Durable(SyncSender<Engine>),
    End,
}

/// The way to the follower.
#[derive(Debug)]
pub(crate) struct Follower {
    steps: SyncSender<Step>,
}

/// What the follower looks after.
#[derive(Debug)]
pub(crate) struct Charge {
    pub(crate) published: Arc<Published>,
    pub(crate) links: Arc<Links>,
    pub(crate) notices: Arc<Notices>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) litter: Bin,
    /// Takes snapshots on a thread of its own.
    pub(crate) snapshots: SyncSender<State>,
    pub(crate) snapshot_facts: u64,
    /// How many facts are in the last snapshot.
    pub(crate) snapshot: u64,
}

/// The follower, before it runs on its thread.
#[derive(Debug)]
pub(crate) struct Following {
    charge: Charge,
    steps: Receiver<Step>,
    since_snapshot: Stopwatch,
}

/// A follower, and the way to it.
pub(crate) fn follower(charge: Charge) -> (Follower, Following) {
    let (steps, received) = sync_channel(WAITING);
    let following = Following { charge, steps: received, since_snapshot: Stopwatch::start() };
    (Follower { steps }, following)
}

impl Follower {
    /// A batch is durable; false if the follower is gone.
    pub(crate) fn commit(&self, entries: Vec<Entry>, deeds: Vec<Deed>) -> bool {
        let nothing = entries.is_empty() && deeds.is_empty();
        nothing || self.steps.send(Step::Commit(entries, deeds)).is_ok()
    }

    /// Nothing of a batch was done; false if the follower is gone. Links that brought something are
    /// closed; with `all`, the others are too.
    pub(crate) fn fail(&self, deeds: Vec<Deed>, problem: Problem, all: bool) -> bool {
        let nothing = deeds.is_empty() && !all;
        nothing || self.steps.send(Step::Fail(deeds, problem, all)).is_ok()
    }

    /// As [`fail`](Self::fail); returns what is durable, `None` if the follower is gone.
    pub(crate) fn durable(&self, deeds: Vec<Deed>, problem: Problem, all: bool) -> Option<Engine> {
        if !self.fail(deeds, problem, all) {
            return None;
        }
        let (reply, engine) = sync_channel(1);
        self.steps.send(Step::Durable(reply)).ok()?;
        engine.recv().ok()
    }

    /// Nothing comes after this.
    pub(crate) fn end(&self) {
        if self.steps.send(Step::End).is_err() {
            tracing::debug!("the follower had ended before");
        }
    }
}

impl Following {
    /// Runs until it is told to end.
    pub(crate) fn run(mut self) {
        while let Ok(step) = self.steps.recv() {
            match step {
                Step::Commit(entries, deeds) => self.commit(&entries, deeds),
                Step::Fail(deeds, problem, all) => self.fail(deeds, &problem, all),
                Step::Durable(reply) => {
                    if reply.send(self.charge.published.engine()).is_err() {
                        tracing::debug!("the loop has ended meanwhile");
                    }
                }
                Step::End => break,
            }
        }
        self.charge.links.dismiss_all("the scheduler is ending");
        let state = self.charge.published.state();
        if state.seq > self.charge.snapshot && self.charge.snapshots.send(state).is_err() {
            tracing::warn!("the last snapshot is not taken: the next start replays more");
        }
    }

    fn commit(&mut self, entries: &[Entry], deeds: Vec<Deed>) {
        let mut seen = Seen::default();
        let metrics = &self.charge.metrics;
        self.charge.published.follow(entries, |state, entry| {
            metrics.fact(state, entry);
            seen.look(&entry.fact);
        });
        for digest in seen.settled {
            self.charge.litter.push(Litter::Settled(digest));
        }
        self.perform(deeds);
        // A node that was given up has to come back with a hello, even if its line has held.
        for (node, reason) in &seen.gone {
            self.charge.links.dismiss(*node, reason);
        }
        self.charge.notices.tell(seen.jobs);
        self.charge.notices.tell_findings(&seen.findings);
        story::tell(entries);
        self.snapshot();
    }

    fn perform(&self, deeds: Vec<Deed>) {
        for deed in deeds {
            match deed {
                Deed::Answer(reply, answer) => self.answer(reply, answer),
                Deed::Connect(outbox, welcome) => {
                    self.charge.links.connect(&outbox);
                    outbox.push([Item::Welcome(welcome)]);
                    outbox.push([Item::forbidden(&self.charge.published.read())]);
                }
                Deed::Refuse(outbox, problem) => outbox.dismiss(problem.text, true),
                Deed::Send(effects) => {
                    self.charge.links.send(&effects, &self.charge.published.read());
                    for effect in effects {
                        if let Effect::DropStored { digest } = effect {
                            self.charge.litter.push(Litter::Needless(digest));
                        }
                    }
                }
                Deed::Acknowledge(outbox, through) => outbox.acknowledge(through),
            }
        }
    }

    fn answer(
        &self,
        reply: oneshot::Sender<Result<Answer, Problem>>,
        answer: Result<Answer, Problem>,
    ) {
        if let Err(problem) = &answer {
            self.charge.metrics.refused(problem.code);
        }
        if reply.send(answer).is_err() {
            tracing::debug!("the one who asked has gone");
        }
    }

    fn fail(&self, deeds: Vec<Deed>, problem: &Problem, all: bool) {
        if all {
            self.charge.links.dismiss_all(&problem.text);
        }
        for deed in deeds {
            match deed {
                Deed::Answer(reply, _) => self.answer(reply, Err(problem.clone())),
                Deed::Connect(outbox, _)
                | Deed::Refuse(outbox, _)
                | Deed::Acknowledge(outbox, _) => {
                    outbox.dismiss(problem.text.clone(), false);
                }
                Deed::Send(_) => {}
            }
        }
    }

    fn snapshot(&mut self) {
        let charge = &mut self.charge;
        let seq = charge.published.read().seq;
        let due = seq - charge.snapshot >= charge.snapshot_facts;
        if !due || self.since_snapshot.elapsed() < SNAPSHOT_EVERY {
            return;
        }
        self.since_snapshot = Stopwatch::start();
        match charge.snapshots.try_send(charge.published.state()) {
            Ok(()) => charge.snapshot = seq,
            Err(TrySendError::Full(_)) => tracing::debug!("the last snapshot is still being taken"),
            Err(TrySendError::Disconnected(_)) => tracing::warn!("snapshots are no longer taken"),
        }
    }
}

/// What facts mean for those who wait.
#[derive(Debug, Default)]
struct Seen {
    jobs: BTreeSet<JobId>,
    gone: Vec<(NodeId, String)>,
    /// What is now known to be in the store of artefacts.
    settled: Vec<Hash>,
    findings: Vec<FindingId>,
}

impl Seen {
    fn look(&mut self, fact: &Fact) {
        match fact {
            Fact::JobSubmitted(fact) => {
                self.jobs.insert(fact.job);
            }
            Fact::JobReviewed { job, .. }
            | Fact::DependencySettled { job, .. }
            | Fact::TasksCancelled { job, .. }
            | Fact::JobEnded { job, .. } => {
                self.jobs.insert(*job);
            }
            Fact::CheckpointSettled { attempt, kept } => {
                self.jobs.insert(attempt.task.job);
                self.settled.extend(kept.as_ref().ok().map(|stored| stored.digest));
            }
            Fact::AttemptPlaced { attempt, .. }
            | Fact::AttemptStarted { attempt, .. }
            | Fact::AttemptStopping { attempt, .. } => {
                self.jobs.insert(attempt.task.job);
            }
            Fact::RankStarted { rank, .. }
            | Fact::StopStepTaken { rank, .. }
            | Fact::ProgressClaimed { rank, .. }
            | Fact::TaskEntered { rank, .. } => {
                self.jobs.insert(rank.attempt.task.job);
            }
            Fact::RankEnded(fact) => {
                self.jobs.insert(fact.rank.attempt.task.job);
            }
            Fact::OutputsKept(fact) => {
                self.jobs.insert(fact.rank.attempt.task.job);
            }
            Fact::AttemptEnded(fact) => {
                self.jobs.insert(fact.attempt.task.job);
            }
            Fact::TaskReturned { task, .. } | Fact::PlacePromised { task, .. } => {
                self.jobs.insert(task.job);
            }
            Fact::NodeLost { node, reason } | Fact::NodeLeft { node, reason } => {
                self.gone.push((*node, reason.clone()));
            }
            Fact::NodeConnected { node, .. } => self.gone.retain(|(gone, _)| gone != node),
            Fact::FindingOpened(fact) => {
                self.findings.push(fact.id);
                self.jobs.extend(fact.job);
            }
            Fact::FindingSeen(fact) => self.findings.push(fact.finding),
            Fact::FindingReviewed { finding, .. } => self.findings.push(*finding),
            Fact::CellFounded { .. }
            | Fact::DigestQuarantined { .. }
            | Fact::DigestReleased { .. }
            | Fact::PolicyAdopted { .. }
            | Fact::SubmissionRefused(_)
            | Fact::NodeEnrolled { .. }
            | Fact::NodeDrained { .. }
            | Fact::NodeResumed { .. }
            | Fact::NodeHeldBack { .. }
            | Fact::ApprovalGiven(_)
            | Fact::ApprovalEnded { .. }
            | Fact::ReservationMade(_)
            | Fact::ReservationEnded { .. }
            | Fact::TokenIssued { .. }
            | Fact::TokenUsed { .. }
            | Fact::TokenRevoked { .. } => {}
        }
    }
}
