//! How each fact changes the state. This is the only writer, at run time and at replay.

mod attempts;
mod findings;
mod jobs;
mod nodes;
mod stopping;
mod tokens;

use repower_model::{JobId, NodeId, TaskId, Timestamp};

use self::attempts::Placed;
use super::share::{Amounts, Change};
use super::{Job, Node, State, Stopped};
use crate::fact::{Entry, Fact};
use crate::life::node as node_life;
use crate::plan::REST;
use crate::policy::Policy;

impl State {
    /// Makes an entry true.
    ///
    /// # Panics
    ///
    /// If the entry does not follow on the ones before: the journal is checked before it is replayed.
    pub fn apply(&mut self, entry: &Entry) {
        assert_eq!(entry.seq, self.seq, "entries are applied in order");
        self.seq += 1;
        self.advance(entry.at);
        self.end_promises(&entry.fact, entry.at);
        self.change(&entry.fact, entry.at);
    }

    /// Lets time pass: jobs whose time has come get ready, each at its time, so that it makes no
    /// difference how often somebody looks.
    pub fn advance(&mut self, now: Timestamp) {
        let next = |state: &Self| {
            let next = state.queue.next_wake().into_iter().chain(state.promises.next_end()).min();
            next.filter(|at| *at <= now)
        };
        while let Some(at) = next(self) {
            self.pass_to(at);
            self.give_up_late_promises(at);
            for job in self.queue.due(at) {
                self.requeue(job);
            }
        }
        self.pass_to(now);
        while let Some((_, node)) = self.resting.first().copied().filter(|(at, _)| *at <= self.now)
        {
            self.wake_node(node);
        }
    }

    /// What runs on beyond its end counts as work no more.
    fn pass_to(&mut self, now: Timestamp) {
        let after = (self.now, TaskId { job: JobId(u64::MAX), index: u32::MAX });
        let overdue = self.ends.range(after..).take_while(|(at, _)| *at <= now);
        for (until, task) in overdue {
            let attempt = &self.attempts[task];
            let cpus = self.jobs[&task.job].spec.processors(attempt.alternative);
            self.backlog.ends(cpus, Some(*until), self.now);
        }
        self.now = self.now.max(now);
    }

    fn change(&mut self, fact: &Fact, at: Timestamp) {
        match fact {
            Fact::CellFounded { cell, .. } => {
                self.cell.clone_from(cell);
                self.founded = at;
            }
            Fact::PolicyAdopted { text, .. } => {
                let policy = Policy::parse(text).expect("only a policy that was read is adopted");
                self.policy = Some((policy, at));
                self.reconsider();
                self.reorder();
            }
            Fact::JobSubmitted(submitted) => self.submitted(submitted, at),
            Fact::SubmissionRefused(_) | Fact::TaskEntered { .. } => {}
            Fact::JobReviewed { job, approved, approval, .. } => {
                self.reviewed(*job, *approved, *approval);
            }
            Fact::ApprovalGiven(one) => self.approvals.insert(one),
            Fact::ApprovalEnded { id, .. } => self.approval_ended(*id),
            Fact::DependencySettled { job, on, .. } => self.settled(*job, *on),
            Fact::TasksCancelled { job, tasks, .. } => self.cancelled(*job, tasks, at),
            Fact::JobEnded { job, .. } => self.ended(*job),
            Fact::AttemptPlaced { attempt, node, runway, alternative, parts } => {
                let (node, runway, alternative) = (*node, *runway, *alternative);
                self.placed(*attempt, &Placed { node, runway, alternative, parts }, at);
            }
            Fact::PlacePromised { task, parts, until } => self.promise(*task, parts, *until, at),
            Fact::AttemptStarted { attempt, started } => self.started(*attempt, *started, at),
            Fact::AttemptStopping { attempt, why, .. } => self.stopping(*attempt, *why, at),
            Fact::RankStarted { rank, started } => self.rank_started(*rank, *started),
            Fact::RankEnded(ended) => {
                if let Some(node) = self.rank_ended(ended, at) {
                    self.rest(node, at + REST);
                }
            }
            Fact::OutputsKept(kept) => self.outputs_kept(kept.rank),
            Fact::ProgressClaimed { rank, .. } => self.progress_claimed(*rank),
            Fact::StopStepTaken { rank, step, cause, signal, taken } => {
                let stop = Stopped { step: *step, cause: *cause, signal: *signal, taken: *taken };
                self.step_taken(*rank, stop, at);
            }
            Fact::CheckpointSettled { attempt, kept } => self.saved(*attempt, kept.as_ref().ok()),
            Fact::AttemptEnded(ended) => self.attempt_ended(ended, at),
            Fact::TaskReturned { task, node } => self.returned(*task, *node),
            Fact::NodeEnrolled { node, name, fingerprint, .. } => {
                self.enrolled(*node, name, *fingerprint, at);
            }
            Fact::NodeConnected { node, instance, inventory } => {
                let known = self.known_node(*node);
                known.instance = Some(*instance);
                known.inventory.clone_from(inventory);
                self.wake_node(*node);
                self.move_node(*node, node_life::Event::Connected, at);
                self.offers.touch(*node);
            }
            Fact::NodeLost { node, .. } => self.move_node(*node, node_life::Event::Lost, at),
            Fact::NodeLeft { node, .. } => self.move_node(*node, node_life::Event::Left, at),
            Fact::NodeDrained { node, by, reason } => {
                self.known_node(*node).drained = Some((by.clone(), reason.clone()));
                self.reoffer(*node);
            }
            Fact::NodeResumed { node, .. } => {
                let known = self.known_node(*node);
                known.drained = None;
                known.held_back = None;
                known.failures.clear();
                self.suspect(*node);
                self.reoffer(*node);
            }
            Fact::NodeHeldBack { node, reason } => {
                self.known_node(*node).held_back = Some(reason.clone());
                self.reoffer(*node);
            }
            Fact::ReservationMade(one) => self.reservations.insert(one),
            Fact::ReservationEnded { id, .. } => {
                let ended = self.reservations.remove(*id);
                for node in ended.iter().flat_map(|one| &one.nodes) {
                    self.offers.touch(*node);
                }
            }
            Fact::TokenIssued { .. } | Fact::TokenUsed { .. } | Fact::TokenRevoked { .. } => {
                self.token_changed(fact, at);
            }
            Fact::FindingOpened(_)
            | Fact::FindingSeen(_)
            | Fact::FindingReviewed { .. }
            | Fact::DigestQuarantined { .. }
            | Fact::DigestReleased { .. } => self.finding_changed(fact, at),
        }
    }

    /// A project's tasks hold more or less than before. By the time of the fact: a snapshot may know
    /// of a later one, to which time went on without a fact.
    pub(super) fn share(&mut self, project: &str, amounts: &Amounts<'_>, at: Timestamp) {
        let half_life = self.scheduling().half_life;
        let total = self.offers.total();
        let change = Change { amounts, total, half_life };
        self.shares.change(project, at, &change);
    }

    pub(super) fn known_job(&mut self, id: JobId) -> &mut Job {
        self.jobs.get_mut(&id).expect("facts are about live jobs")
    }

    pub(super) fn known_node(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).expect("facts are about enrolled nodes")
    }
}
