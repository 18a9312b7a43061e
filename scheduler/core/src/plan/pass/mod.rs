//! One pass over what waits. It reads the state and proposes one fact at a time; the engine makes
//! each true before it asks for the next, so the pass never plans with what it has given away.

mod around;
mod keep;
mod sort;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::vec::IntoIter;

use repower_model::{JobId, TaskId};

use self::around::Follower;
use self::sort::{Ready, by_score, by_turn, in_order};
use super::Discipline;
use super::preempt::{Claim, preempt};
use super::promised;
use super::recall::recall;
use super::room::Room;
use super::start::{Memory, Starter, Verdict};
use crate::fact::Fact;
use crate::policy::Scheduling;
use crate::state::{Shape, ShapeId, State, Turn};

pub(super) use self::keep::kept;
pub use self::keep::{Kept, earliest, keeps};
pub(super) use self::sort::scored;

/// How many tasks that cannot start get a reservation before others go around them: that which is
/// first, and under `repower` that which has waited longest.
fn reservations(discipline: Discipline) -> usize {
    if discipline == Discipline::Repower { 2 } else { 1 }
}

/// How many shapes that cannot start are looked at for those that get a reservation.
const TRIES: usize = 64;

/// How many tasks conservative backfilling reserves in a pass; what is behind them waits.
const MOST_RESERVED: usize = 4096;

/// One pass. Made anew for each.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    starter: Starter<'a>,
    scheduling: Scheduling,
    stage: Stage,
    reserved: usize,
    /// What is kept so far, in order.
    keeps: Vec<Kept>,
    /// Jobs whose next task cannot start and that may have a place kept, in order.
    claims: Vec<Claim>,
    tries: usize,
    recalled: usize,
    /// Whether the urgent have been tried, and what must stop for them has been.
    urgent_done: bool,
}

/// How far a pass is.
#[derive(Debug)]
enum Stage {
    /// Starts what has a place promised that has become free, of the tasks behind one.
    Promised(Option<TaskId>),
    /// Starts a task each of the jobs that were first and oldest when the pass began, last one
    /// first, before all others.
    Opening(Vec<JobId>),
    /// Goes through shapes in order, from behind the last of each project that could not start.
    InTurn(BTreeMap<String, (Turn, ShapeId)>),
    /// Goes through jobs in an order that was made for this pass; none may overtake.
    Sorted(IntoIter<Ready>),
    /// Goes through all jobs, and reserves for each of their tasks.
    Everyone(IntoIter<Ready>),
    /// Goes through shapes that may go around what is reserved, by project.
    Around(BTreeMap<String, BTreeSet<Follower>>),
    /// Stops what is less urgent than what waits, and then begins again.
    Preempt(VecDeque<Fact>),
    /// Takes back.
    Recall,
    /// Is over.
    Over,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(state: &State, memory: &'a mut Memory) -> Self {
        memory.tidy(state);
        let scheduling = state.scheduling();
        let mut pass = Self {
            starter: Starter::new(memory),
            urgent_done: scheduling.preemption.is_none(),
            scheduling,
            stage: Stage::Over,
            reserved: 0,
            keeps: Vec::new(),
            claims: Vec::new(),
            tries: 0,
            recalled: 0,
        };
        pass.begin();
        pass
    }

    /// Begins, or begins again with nothing kept.
    fn begin(&mut self) {
        (self.reserved, self.tries) = (0, 0);
        self.keeps.clear();
        self.claims.clear();
        self.stage = Stage::Promised(None);
    }

    /// Starts what has its place promised, and then goes through the rest.
    fn promised(&mut self, state: &State, behind: Option<TaskId>) -> (Option<Fact>, Stage) {
        match promised::next(state, behind) {
            Some((task, fact)) => (Some(fact), Stage::Promised(Some(task))),
            None => (None, self.others(state)),
        }
    }

    /// How the pass goes on to what has no place promised.
    fn others(&mut self, state: &State) -> Stage {
        self.starter.begin(state);
        match self.scheduling.discipline {
            Discipline::Wfp3 | Discipline::Unicef => {
                Stage::Sorted(by_score(state, self.scheduling.discipline).into_iter())
            }
            Discipline::Conservative => {
                self.starter.room.look_at_all(state);
                Stage::Everyone(by_turn(state).into_iter())
            }
            Discipline::Fcfs
            | Discipline::Sjf
            | Discipline::F1
            | Discipline::F2
            | Discipline::F3
            | Discipline::F4
            | Discipline::Easy
            | Discipline::EasySjf => Stage::InTurn(BTreeMap::new()),
            Discipline::Repower => {
                let first = self.first(state, &BTreeMap::new()).map(|(_, turn, _)| turn.job);
                let oldest = state.queue.oldest().filter(|oldest| Some(*oldest) != first);
                Stage::Opening(oldest.into_iter().chain(first).collect())
            }
        }
    }

    /// The next fact of the pass; `None` when it is over.
    pub(crate) fn next(&mut self, state: &State) -> Option<Fact> {
        while !matches!(self.stage, Stage::Over) {
            let fact = self.step(state);
            if fact.is_some() {
                return fact;
            }
        }
        None
    }

    /// Goes on to the next fact, or to the next stage.
    fn step(&mut self, state: &State) -> Option<Fact> {
        let (fact, stage) = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Promised(behind) => self.promised(state, behind),
            Stage::Opening(opening) => self.opening(state, opening),
            Stage::InTurn(passed) => self.in_turn(state, passed),
            Stage::Sorted(jobs) => self.sorted(state, jobs),
            Stage::Everyone(jobs) => self.everyone(state, jobs),
            Stage::Around(lanes) => self.around(state, lanes),
            Stage::Recall => {
                let fact = recall(state, &self.starter.room, self.recalled);
                self.recalled += 1;
                let next = if fact.is_some() { Stage::Recall } else { Stage::Over };
                let stage = if fact.is_none() { self.stops(state, None) } else { None };
                (fact, stage.unwrap_or(next))
            }
            Stage::Preempt(mut facts) => {
                let Some(fact) = facts.pop_front() else {
                    // What has been kept was kept for a time that may come sooner now.
                    self.begin();
                    return None;
                };
                (Some(fact), Stage::Preempt(facts))
            }
            Stage::Over => (None, Stage::Over),
        };
        self.stage = stage;
        fact
    }

    /// What must stop for urgent tasks, once all of them have been tried: before what comes `next` in
    /// order, if that is not urgent, or at the end. So what stops is never what this pass has started.
    fn stops(
        &mut self,
        state: &State,
        next: Option<(Reverse<bool>, Reverse<i32>)>,
    ) -> Option<Stage> {
        let rule = self.scheduling.preemption.filter(|_| !self.urgent_done)?;
        if next.is_some_and(|(guard, priority)| guard.0 || priority.0 >= rule.from) {
            return None;
        }
        self.urgent_done = true;
        let facts = preempt(state, rule, &self.claims);
        (!facts.is_empty()).then_some(Stage::Preempt(facts))
    }

    /// Starts a task of what was first and then one of what was oldest, or keeps places for them. No
    /// more than one: the rest of an array takes its turn with those of other projects.
    fn opening(&mut self, state: &State, mut jobs: Vec<JobId>) -> (Option<Fact>, Stage) {
        while let Some(job) = jobs.pop() {
            let id = state.queue.place(job).map(|(id, _)| id);
            match id.and_then(|id| Some((id, self.one(state, id, job)?))) {
                Some((_, (Verdict::Starts(fact), _))) => return (Some(fact), Stage::Opening(jobs)),
                Some((id, (Verdict::Full, shape))) if Room::is_possible(state, shape) => {
                    self.reserve(state, id, job);
                }
                Some((_, (Verdict::Full | Verdict::Barred, _))) | None => {}
            }
        }
        (None, Stage::InTurn(BTreeMap::new()))
    }

    /// Starts what is first in order, until enough has been reserved for what cannot.
    fn in_turn(
        &mut self,
        state: &State,
        mut passed: BTreeMap<String, (Turn, ShapeId)>,
    ) -> (Option<Fact>, Stage) {
        let most = reservations(self.scheduling.discipline);
        while let Some((project, turn, id)) = self.first(state, &passed) {
            if self.reserved >= most || self.tries >= TRIES {
                return (None, Stage::Around(self.lanes(state)));
            }
            if let Some(stage) = self.stops(state, Some((turn.guard, turn.priority))) {
                return (None, stage);
            }
            match self.starter.shape(state, id) {
                Verdict::Starts(fact) => return (Some(fact), Stage::InTurn(passed)),
                Verdict::Barred => {}
                Verdict::Full => {
                    let shape = state.queue.line(id).map(|line| &*line.shape);
                    if shape.is_some_and(|shape| Room::is_possible(state, shape)) {
                        if self.scheduling.discipline.lets_none_overtake() {
                            self.claim(turn.job, Vec::new());
                            return (None, Stage::Recall);
                        }
                        if !self.claims.iter().any(|claim| claim.job == turn.job) {
                            self.reserve(state, id, turn.job);
                        }
                    }
                }
            }
            passed.insert(project, (turn, id));
            self.tries += 1;
        }
        (None, Stage::Recall)
    }

    /// The first shape behind those that were passed. The projects' shares decide only where the
    /// discipline says so.
    fn first(
        &self,
        state: &State,
        passed: &BTreeMap<String, (Turn, ShapeId)>,
    ) -> Option<(String, Turn, ShapeId)> {
        let by_share = self.shares();
        let heads = state.queue.projects().filter_map(|project| {
            let lane = if by_share { project } else { "" };
            let (turn, id) = state.queue.next_head(project, passed.get(lane).copied())?;
            let share = if by_share { self.share(state, project) } else { 0.0 };
            Some((turn, share, lane, id))
        });
        let first = heads.min_by(|one, other| {
            in_order(
                (one.0.guard, one.0.priority),
                one.1,
                (other.0.guard, other.0.priority),
                other.1,
            )
            .then(one.0.cmp(&other.0))
        });
        first.map(|(turn, _, lane, id)| (lane.to_owned(), turn, id))
    }

    /// Whether projects take turns by what they hold and have held.
    fn shares(&self) -> bool {
        self.scheduling.discipline == Discipline::Repower
    }

    /// What a project holds and has held, against what it may: who has less goes first.
    #[expect(clippy::cast_precision_loss, reason = "a weight need not be exact")]
    fn share(&self, state: &State, project: &str) -> f64 {
        let policy = state.policy.as_ref().map(|(policy, _)| policy);
        let named = policy.and_then(|policy| policy.projects.get(project));
        let weight = named.map_or(1000, |project| project.share_milli.max(1)) as f64;
        state.shares.of(project, state.now, self.scheduling.half_life) / weight
    }

    /// Starts jobs in the order that was made for this pass, until one cannot.
    fn sorted(&mut self, state: &State, mut jobs: IntoIter<Ready>) -> (Option<Fact>, Stage) {
        while let Some((turn, id, _)) = jobs.as_slice().first().copied() {
            match self.one(state, id, turn.job) {
                Some((Verdict::Starts(fact), _)) => return (Some(fact), Stage::Sorted(jobs)),
                Some((Verdict::Full, shape)) if Room::is_possible(state, shape) => {
                    self.claim(turn.job, Vec::new());
                    return (None, Stage::Recall);
                }
                Some((Verdict::Full | Verdict::Barred, _)) | None => {
                    jobs.next();
                }
            }
        }
        (None, Stage::Recall)
    }

    /// Starts or reserves for every task in order, each at its earliest hole.
    fn everyone(&mut self, state: &State, mut jobs: IntoIter<Ready>) -> (Option<Fact>, Stage) {
        while let Some((turn, id, _)) = jobs.as_slice().first().copied() {
            if let Some(stage) = self.stops(state, Some((turn.guard, turn.priority))) {
                return (None, stage);
            }
            match self.one(state, id, turn.job) {
                Some((Verdict::Starts(fact), _)) => return (Some(fact), Stage::Everyone(jobs)),
                Some((Verdict::Full, shape)) => {
                    let tasks = state.queue.line(id).map_or(0, |line| line.waiting(turn));
                    let left = MOST_RESERVED.saturating_sub(self.reserved);
                    for _ in 0..tasks.min(left as u64) {
                        let Some(slot) = self.starter.room.earliest(state, shape, &[]) else {
                            break;
                        };
                        self.starter.room.reserve(state, shape, &slot);
                        self.reserved += 1;
                        let (node, at) = (slot.place.node, Some(slot.at));
                        self.keeps.push(Kept { job: turn.job, node, at });
                        let nodes = slot.place.shares().map(|(node, _)| node);
                        self.claims.push(Claim { job: turn.job, nodes: nodes.collect() });
                    }
                    if self.reserved >= MOST_RESERVED {
                        return (None, Stage::Recall);
                    }
                    jobs.next();
                }
                Some((Verdict::Barred, _)) | None => {
                    jobs.next();
                }
            }
        }
        (None, Stage::Recall)
    }

    /// Tries the next task of a job, if it is still ready.
    fn one<'s>(
        &mut self,
        state: &'s State,
        id: ShapeId,
        job: JobId,
    ) -> Option<(Verdict, &'s Shape)> {
        let line = state.queue.line(id).filter(|_| state.queue.is_ready(job))?;
        Some((self.starter.job(state, id, &line.shape, &state.jobs[&job]), &line.shape))
    }
}
