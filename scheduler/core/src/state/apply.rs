//! How each fact changes the state. This is the only writer, at run time and at replay.

use repower_model::{
    AttemptId, Cpus, Fault, IndexRange, Indices, JobId, JobSpec, JobState, NodeId, NodePhase,
    Outcome, Part, Resources, Sequel, Span, StopReason, TaskId, Timestamp,
};

use super::share::{Amounts, Change};
use super::{Attempt, Failure, Job, Node, Queue, Ranks, Runs, Shape, State, Token};
use crate::fact::{AttemptEnded, Entry, Fact, JobSubmitted};
use crate::life::attempt::{self, Phase};
use crate::life::node as node_life;
use crate::plan::order::{self, Arrival};
use crate::plan::{REST, UNKNOWN, pace};
use crate::policy::Policy;

/// A task that fails by the user's fault within this long of its start has failed fast.
const FAST_US: u64 = 10_000_000;

/// Where an attempt was placed, and with what.
struct Placed<'a> {
    node: NodeId,
    runway: bool,
    alternative: u32,
    parts: &'a [Part],
}

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
        self.change(&entry.fact, entry.at);
    }

    /// Lets time pass: jobs whose time has come get ready, each at its time, so that it makes no
    /// difference how often somebody looks.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(at) = self.queue.next_wake().filter(|at| *at <= now) {
            self.pass_to(at);
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
                self.reorder();
            }
            Fact::JobSubmitted(submitted) => self.submitted(submitted, at),
            Fact::SubmissionRefused(_) => {}
            Fact::JobReviewed { job, approved, .. } => self.reviewed(*job, *approved),
            Fact::DependencySettled { job, on, .. } => self.settled(*job, *on),
            Fact::TasksCancelled { job, tasks, .. } => self.cancelled(*job, tasks),
            Fact::JobEnded { job, .. } => self.ended(*job),
            Fact::AttemptPlaced { attempt, node, runway, alternative, parts } => {
                let (node, runway, alternative) = (*node, *runway, *alternative);
                self.placed(*attempt, &Placed { node, runway, alternative, parts }, at);
            }
            Fact::AttemptStarted { attempt, started } => self.started(*attempt, *started, at),
            Fact::AttemptStopping { attempt, why, .. } => self.stopping(*attempt, *why, at),
            Fact::RankStarted { rank, started } => self.rank_started(*rank, *started),
            Fact::RankEnded(ended) => {
                if let Some(node) = self.rank_ended(ended, at) {
                    self.rest(node, at + REST);
                }
            }
            // The ledger and the projections have it; what runs next does not depend on it.
            Fact::OutputsKept(_) | Fact::StopStepTaken { .. } => {}
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
            Fact::TokenIssued { id, kind, name, hash, expires, .. } => {
                let (name, used) = (name.clone(), false);
                let token = Token {
                    id: *id,
                    kind: *kind,
                    name,
                    hash: *hash,
                    issued: at,
                    expires: *expires,
                    used,
                };
                self.last_token = self.last_token.max(id.0);
                self.secrets.insert(*hash, *id);
                self.tokens.insert(*id, token);
            }
            Fact::TokenUsed { id } => {
                if let Some(token) = self.tokens.get_mut(id) {
                    token.used = true;
                }
            }
            Fact::TokenRevoked { id, .. } => {
                if let Some(token) = self.tokens.remove(id) {
                    self.secrets.remove(&token.hash);
                }
            }
        }
    }

    fn submitted(&mut self, submitted: &JobSubmitted, at: Timestamp) {
        let JobSubmitted { job: id, key, submitter, spec, tier, policy, review, waits_for } =
            submitted;
        let count = u32::try_from(spec.array.count()).expect("an array is bounded");
        let each = waits_for.iter().filter(|dependency| dependency.per_task);
        let open = each.map(|dependency| (*dependency, self.open_of(dependency))).collect();
        let mut job = Job {
            id: *id,
            key: *key,
            submitter: submitter.clone(),
            spec: spec.clone(),
            tier: *tier,
            policy: *policy,
            submitted: at,
            eligible: None,
            started: None,
            review: *review,
            waits_for: waits_for.clone(),
            open,
            blocked: Indices::default(),
            pending: Indices::up_to(count),
            delayed: std::collections::BTreeSet::new(),
            live: 0,
            succeeded: 0,
            failed: Indices::default(),
            cancelled: Indices::default(),
            stopped: false,
            tries: std::collections::BTreeMap::new(),
            exit_code: 0,
            runs: Runs::default(),
            pace_us: None,
            passed_on: Vec::new(),
        };
        job.reblock();
        self.last_job = self.last_job.max(id.0);
        self.keys.insert(*key, *id);
        self.dependents.add(*id, waits_for);
        self.jobs.insert(*id, job);
        self.requeue(*id);
    }

    fn reviewed(&mut self, job: JobId, approved: bool) {
        // A denial leaves the mark: the tasks are cancelled by the facts that follow.
        self.known_job(job).review = !approved;
        self.requeue(job);
    }

    fn settled(&mut self, job: JobId, on: JobId) {
        self.known_job(job).settle(on);
        self.dependents.remove(job, on);
        self.requeue(job);
    }

    fn cancelled(&mut self, id: JobId, tasks: &[IndexRange]) {
        let job = self.jobs.get_mut(&id).expect("facts are about live jobs");
        job.stopped = true;
        let mut gone = Indices::default();
        for range in tasks {
            for (first, last) in job.spec.array.places(*range) {
                gone.add(&job.pending.within(&[(first, last)]));
                job.pending.remove_range(first, last);
                if !job.delayed.is_empty() {
                    job.delayed.retain(|(_, place)| !(first..=last).contains(place));
                }
                let tried: Vec<u32> = job.tries.range(first..=last).map(|(at, _)| *at).collect();
                for place in tried {
                    if !job.failed.contains(place) && !self.attempts.contains_key(&job.task(place))
                    {
                        job.tries.remove(&place);
                    }
                }
            }
        }
        job.forget(&gone);
        job.cancelled.add(&gone);
        self.unblock(id, &gone, JobState::Cancelled);
        self.requeue(id);
    }

    fn ended(&mut self, id: JobId) {
        if let Some(job) = self.jobs.remove(&id) {
            self.queue.remove(id);
            self.keys.remove(&job.key);
            for dependency in &job.waits_for {
                self.dependents.remove(id, dependency.job);
            }
        }
    }

    fn placed(&mut self, id: AttemptId, placed: &Placed<'_>, at: Timestamp) {
        let AttemptId { task, number } = id;
        let Placed { node, runway, alternative, parts } = *placed;
        let job = self.known_job(task.job);
        let place = job.place(task).expect("a placed task is in its array");
        job.pending.remove(place);
        job.delayed.retain(|(_, waiting)| *waiting != place);
        job.live += 1;
        job.started.get_or_insert(at);
        if number > 1 {
            job.tries.entry(place).or_default().number = number;
        }
        let ranks = (!parts.is_empty()).then(|| Box::new(Ranks::new(parts.to_vec())));
        let is_gang = ranks.is_some();
        let attempt = Attempt {
            number,
            node,
            phase: Phase::Placed,
            runway,
            alternative,
            until: None,
            placed: at,
            started: None,
            ranks,
        };
        self.attempts.insert(task, attempt);
        if is_gang {
            self.seat(task, at);
            return self.requeue(task.job);
        }
        let known = self.known_node(node);
        if runway {
            known.runway.push_back(task);
        } else {
            self.hold(task, node, at);
        }
        self.reoffer(node);
        self.requeue(task.job);
    }

    /// A task has what it asked for from now on.
    fn hold(&mut self, task: TaskId, node: NodeId, at: Timestamp) {
        let spec = self.jobs[&task.job].spec.clone();
        let attempt = self.attempts.get_mut(&task).expect("what holds is a live attempt");
        attempt.runway = false;
        let asked = spec.amounts(attempt.alternative);
        let node = self.nodes.get_mut(&node).expect("an attempt is on a known node");
        node.holding.insert(task);
        node.take(asked, spec.constraints.exclusive);
        attempt.until = spec.time_limit.or(spec.expected).map(|bound| at + bound);
        let until = attempt.until;
        until.map(|until| self.ends.insert((until, task)));
        self.backlog.starts(self.processors(task), until, self.now);
        self.share(&spec.project, &Amounts::Taken(asked), at);
    }

    /// How many processors a live attempt takes in all.
    pub(super) fn processors(&self, task: TaskId) -> Cpus {
        let alternative = self.attempts[&task].alternative;
        self.jobs[&task.job].spec.processors(alternative)
    }

    /// A project's tasks hold more or less than before. By the time of the fact: a snapshot may know
    /// of a later one, to which time went on without a fact.
    pub(super) fn share(&mut self, project: &str, amounts: &Amounts<'_>, at: Timestamp) {
        let half_life = self.scheduling().half_life;
        let total = self.offers.total();
        let change = Change { amounts, total, half_life };
        self.shares.change(project, at, &change);
    }

    fn started(&mut self, id: AttemptId, started: Timestamp, at: Timestamp) {
        let Some(attempt) = self.attempts.get_mut(&id.task) else {
            return;
        };
        attempt.started = Some(started);
        if let Some(phase) = attempt::after(attempt.phase, attempt::Event::Started) {
            attempt.phase = phase;
        }
        let Some(before) = attempt.until else {
            return;
        };
        // Its time runs from its start, which is what its agent measures.
        let start = started.max(attempt.placed).min(at.max(attempt.placed));
        let until = start + before.since(attempt.placed);
        self.expect_end(id.task, until);
    }

    fn stopping(&mut self, id: AttemptId, why: StopReason, at: Timestamp) {
        let event = match why {
            StopReason::Recalled => attempt::Event::Recall,
            StopReason::Preempted | StopReason::Drained => attempt::Event::Preempt,
            StopReason::Cancelled | StopReason::Stale => attempt::Event::Cancel,
        };
        let Some(attempt) = self.attempts.get_mut(&id.task) else {
            return;
        };
        if let Some(phase) = attempt::after(attempt.phase, event) {
            attempt.phase = phase;
        }
        match why {
            StopReason::Cancelled | StopReason::Preempted | StopReason::Drained => {
                let grace = self.jobs[&id.task.job].spec.grace;
                let by = at + grace;
                let until = self.attempts.get(&id.task).and_then(|attempt| attempt.until);
                self.expect_end(id.task, until.map_or(by, |until| until.min(by)));
            }
            StopReason::Recalled | StopReason::Stale => {}
        }
        if why == StopReason::Cancelled {
            self.known_job(id.task.job).stopped = true;
        }
    }

    /// A task that holds something of its node will give it back at another time than was known.
    pub(super) fn expect_end(&mut self, task: TaskId, until: Timestamp) {
        let (cpus, now) = (self.processors(task), self.now);
        let attempt = self.attempts.get_mut(&task).expect("only a live attempt is asked for");
        if attempt.runway {
            return;
        }
        let before = attempt.until.replace(until);
        before.map(|before| self.ends.remove(&(before, task)));
        self.ends.insert((until, task));
        self.backlog.ends(cpus, before, now);
        self.backlog.starts(cpus, Some(until), now);
    }

    fn attempt_ended(&mut self, ended: &AttemptEnded, at: Timestamp) {
        let AttemptId { task, number } = ended.attempt;
        let attempt = self.attempts.remove(&task).expect("only a live attempt ends");
        let asked = self.jobs[&task.job].spec.clone();
        if ended.outcome.has_run_its_course() {
            let took = Span::from_millis(ended.usage.wall_us / 1000);
            let estimated = asked.expected.or(asked.time_limit).unwrap_or(UNKNOWN);
            self.backlog.learns(asked.processors(attempt.alternative), took, estimated);
        }
        let job = self.known_job(task.job);
        let place = job.place(task).expect("an attempt's task is in its array");
        let node = attempt.end_node();
        job.live -= 1;
        let tries = job.tries.entry(place).or_default();
        tries.number = number;
        match ended.fault {
            Fault::None => {}
            Fault::User => tries.user += 1,
            Fault::System => tries.system += 1,
        }
        if matches!(ended.outcome, Outcome::NotStarted { .. }) {
            tries.avoid.push(node);
        }
        if ended.outcome.is_success() {
            job.pace_us = Some(pace::after(job.pace_us, ended.usage.wall_us));
        }
        match ended.sequel {
            Sequel::Succeeded => {
                job.succeeded += 1;
                job.tries.remove(&place);
                for node in attempt.nodes() {
                    if job.passed_on.len() < 2 && !job.passed_on.contains(&node) {
                        job.passed_on.push(node);
                    }
                }
            }
            Sequel::Failed => {
                tries.exit_code = ended.outcome.exit_code();
                if job.failed.is_empty() {
                    job.exit_code = tries.exit_code;
                }
                job.failed.insert(place);
            }
            Sequel::Cancelled => {
                job.cancelled.insert(place);
                job.tries.remove(&place);
            }
            Sequel::Again => {
                job.pending.insert(place);
                if let Some(at) = ended.again_after {
                    job.delayed.insert((at, place));
                }
            }
        }
        if ended.sequel == Sequel::Succeeded {
            for node in attempt.nodes() {
                self.note_failure(ended, node);
            }
        } else {
            self.note_failure(ended, node);
        }
        if ended.outcome == Outcome::Recalled && attempt.phase == Phase::Placed {
            // Nobody has asked for it: the agent is about to leave, and would do so again at once.
            self.rest(node, at + REST);
        }
        if attempt.ranks.is_none() {
            self.release(task, &attempt, &asked, at);
        } else {
            // Its ranks have given back what they held.
            attempt.until.map(|until| self.ends.remove(&(until, task)));
            let cpus = asked.processors(attempt.alternative);
            self.backlog.ends(cpus, attempt.until, self.now);
        }
        if ended.outcome.is_success() {
            self.note_run(task.job, ended.usage.wall_us);
        }
        let end = match ended.sequel {
            Sequel::Succeeded => Some(JobState::Succeeded),
            Sequel::Cancelled => Some(JobState::Cancelled),
            // A failure is final only when the job has ended: until then a node may give it back.
            Sequel::Failed | Sequel::Again => None,
        };
        if let Some(end) = end {
            self.unblock(task.job, &[place].into_iter().collect(), end);
        }
        self.requeue(task.job);
    }

    /// Remembers what failed fast on a node; something that passes there clears it.
    fn note_failure(&mut self, ended: &AttemptEnded, node: NodeId) {
        let failures = &mut self.known_node(node).failures;
        let not_started = matches!(ended.outcome, Outcome::NotStarted { .. });
        let fast = not_started || (ended.fault == Fault::User && ended.usage.wall_us < FAST_US);
        if ended.sequel == Sequel::Succeeded {
            failures.clear();
        } else if fast && failures.len() < Node::FAILURES {
            let for_good = ended.sequel == Sequel::Failed;
            failures.push(Failure { task: ended.attempt.task, for_good });
        }
        self.suspect(node);
    }

    /// Lists a node as suspect while it has failures.
    fn suspect(&mut self, id: NodeId) {
        if self.nodes[&id].failures.is_empty() {
            self.suspects.remove(&id);
        } else {
            self.suspects.insert(id);
        }
    }

    /// Takes a task off its node and gives what it held to those that wait there.
    fn release(&mut self, task: TaskId, attempt: &Attempt, spec: &JobSpec, at: Timestamp) {
        let id = attempt.node;
        let node = self.known_node(id);
        if node.holding.remove(&task) {
            let asked = spec.amounts(attempt.alternative);
            node.give(asked, spec.constraints.exclusive);
            attempt.until.map(|until| self.ends.remove(&(until, task)));
            let cpus = spec.processors(attempt.alternative);
            self.backlog.ends(cpus, attempt.until, self.now);
            self.share(&spec.project, &Amounts::Given(asked), at);
        } else {
            node.runway.retain(|waiting| *waiting != task);
        }
        self.promote(id, at);
    }

    /// Gives what is free on a node to those that wait there.
    pub(super) fn promote(&mut self, id: NodeId, at: Timestamp) {
        while let Some(front) = self.nodes[&id].runway.front().copied() {
            let wanted = self.asked(front).expect("what waits on a node is a live attempt");
            if !self.nodes[&id].free().holds(wanted) {
                break;
            }
            self.known_node(id).runway.pop_front();
            self.hold(front, id, at);
        }
        self.reoffer(id);
    }

    fn returned(&mut self, task: TaskId, node: NodeId) {
        if let Some(job) = self.jobs.get_mut(&task.job)
            && let Some(place) = job.place(task)
            && job.failed.remove(place)
        {
            job.pending.insert(place);
            let left = job.failed.first().and_then(|left| job.tries.get(&left));
            job.exit_code = left.map_or(0, |left| left.exit_code);
            let tries = job.tries.entry(place).or_default();
            tries.user = tries.user.saturating_sub(1);
            self.requeue(task.job);
        }
        self.known_node(node).failures.retain(|failure| failure.task != task);
        self.suspect(node);
    }

    fn enrolled(
        &mut self,
        id: NodeId,
        name: &str,
        fingerprint: repower_model::Hash,
        at: Timestamp,
    ) {
        if let Some(known) = self.nodes.get_mut(&id) {
            self.fingerprints.remove(&known.fingerprint);
            known.fingerprint = fingerprint;
            self.move_node(id, node_life::Event::Enrolled, at);
        } else {
            let node = Node {
                id,
                name: name.to_owned(),
                fingerprint,
                phase: NodePhase::Enrolled,
                instance: None,
                inventory: repower_model::Inventory::default(),
                drained: None,
                held_back: None,
                rests_until: None,
                since: at,
                used: Resources::default(),
                holding: std::collections::BTreeSet::new(),
                runway: std::collections::VecDeque::new(),
                failures: Vec::new(),
            };
            self.last_node = self.last_node.max(id.0);
            self.names.insert(name.to_owned(), id);
            self.nodes.insert(id, node);
        }
        self.fingerprints.insert(fingerprint, id);
        self.reoffer(id);
    }

    fn move_node(&mut self, id: NodeId, event: node_life::Event, at: Timestamp) {
        let node = self.known_node(id);
        if let Some(phase) = node_life::after(node.phase, event)
            && phase != node.phase
        {
            node.phase = phase;
            node.since = at;
        }
        self.reoffer(id);
    }

    /// A node gets no new work until a time.
    fn rest(&mut self, id: NodeId, until: Timestamp) {
        if let Some(before) = self.known_node(id).rests_until.replace(until) {
            self.resting.remove(&(before, id));
        }
        self.resting.insert((until, id));
        self.reoffer(id);
    }

    fn wake_node(&mut self, id: NodeId) {
        if let Some(until) = self.known_node(id).rests_until.take() {
            self.resting.remove(&(until, id));
            self.reoffer(id);
        }
    }

    pub(super) fn reoffer(&mut self, id: NodeId) {
        self.offers.update(&self.nodes[&id]);
    }

    pub(super) fn requeue(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let ready = job.ready_at().is_some_and(|at| at <= self.now);
        let key = (ready && self.queue.lacks_key(id)).then(|| self.arrival(id));
        self.queue.update(&self.jobs[&id], self.now, key);
    }

    /// A job can go for the first time: what the discipline says of it.
    fn arrival(&mut self, id: JobId) -> u64 {
        let discipline = self.scheduling().discipline;
        let job = self.jobs.get_mut(&id).expect("facts are about live jobs");
        let eligible = *job.eligible.get_or_insert(self.now);
        let shape = Shape::of(&job.spec);
        let queued = self.queue.work() + shape.work() * u128::from(job.waiting());
        let total = self.offers.total().cpus;
        let backlog_ms = self.backlog.clears_in_ms(self.now, queued, UNKNOWN, total);
        let accuracy = self.backlog.accuracy();
        let peak_ms = self.backlog.meets(accuracy * backlog_ms);
        let after = eligible.since(self.founded);
        order::key(discipline, &shape, &Arrival { after, backlog_ms, accuracy, peak_ms })
    }

    /// Puts all jobs in the order of the policy that is now in force.
    fn reorder(&mut self) {
        self.queue = Queue::default();
        let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
        for job in jobs {
            self.requeue(job);
        }
    }

    pub(super) fn known_job(&mut self, id: JobId) -> &mut Job {
        self.jobs.get_mut(&id).expect("facts are about live jobs")
    }

    pub(super) fn known_node(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).expect("facts are about enrolled nodes")
    }
}
