//! When a task will start: what is to come is played through, in order, on what is free and what
//! will be, if every task takes as long as it may or is expected to.
//!
//! Nothing goes around in this play but in order, so a task may start sooner; it starts later only
//! if others come that go first, or if something runs for longer than was said.

use std::cmp::Reverse;
use std::collections::btree_set::Range;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::iter::Peekable;

use repower_model::{Cpus, JobId, NodeId, ReservationId, Resources, Span, TaskId, Timestamp};

use crate::plan::room::held;
use crate::plan::{UNKNOWN, filter};
use crate::reason::Reason;
use crate::state::{Attempt, Job, Node, Shape, State, Turn};

/// How many tasks are played through one by one; the rest by the work that they are.
const STEPS: u64 = 5_000;

/// When a task will start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// When; `None`: nobody knows, or never as things are.
    pub at: Option<Timestamp>,
    /// What the time stands on, or why there is none.
    pub basis: Basis,
}

/// What a forecast stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// It goes with the next pass.
    NextPass,
    /// It goes when its own time has come.
    OwnTime,
    /// It goes when a task ends that runs now.
    AfterTask {
        /// Which.
        task: TaskId,
        /// On which node.
        node: String,
    },
    /// It goes when so many tasks before it have had their turn.
    InOrder {
        /// How many.
        tasks: u64,
    },
    /// So many tasks go before it that only their work was added up.
    ByWork {
        /// How many.
        tasks: u64,
    },
    /// Too much has neither a time limit nor an expected duration.
    UnknownEnds {
        /// How many running tasks.
        running: u64,
    },
    /// It goes when nodes are no longer kept for others.
    AfterReservation {
        /// Which reservation.
        id: ReservationId,
    },
    /// It goes when it does if tasks that run end when they claim that they will.
    Claimed {
        /// How many running tasks claim an end.
        tasks: u64,
    },
    /// It waits for somebody or something that has no time.
    Held,
    /// It never will, as things are.
    Never,
}

impl Basis {
    /// The stable code, documented in `docs/reasons.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NextPass => "estimate.next-pass",
            Self::OwnTime => "estimate.own-time",
            Self::AfterTask { .. } => "estimate.after-task",
            Self::InOrder { .. } => "estimate.in-order",
            Self::ByWork { .. } => "estimate.by-work",
            Self::UnknownEnds { .. } => "estimate.unknown-ends",
            Self::AfterReservation { .. } => "estimate.after-reservation",
            Self::Claimed { .. } => "estimate.claimed",
            Self::Held => "estimate.held",
            Self::Never => "estimate.never",
        }
    }
}

impl std::fmt::Display for Basis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NextPass => f.write_str("with the next pass"),
            Self::OwnTime => f.write_str("when its time comes"),
            Self::AfterTask { task, node } => {
                write!(f, "when task {task} on {node} ends, by its limit or expected duration")
            }
            Self::InOrder { tasks: 1 } => {
                f.write_str("after the task that goes first, if all take as long as they may")
            }
            Self::InOrder { tasks } => {
                write!(f, "after the {tasks} tasks that go first, if all take as long as they may")
            }
            Self::ByWork { tasks } => {
                write!(
                    f,
                    "after the work of the {tasks} tasks that go first, on all nodes together"
                )
            }
            Self::UnknownEnds { running: 1 } => f.write_str(
                "nobody knows: the task it waits for has no time limit and no expected duration",
            ),
            Self::UnknownEnds { running } => write!(
                f,
                "nobody knows: {running} running tasks have no time limit and no expected duration"
            ),
            Self::AfterReservation { id } => write!(f, "when reservation {id} ends"),
            Self::Claimed { tasks: 1 } => f.write_str("by what one running task claims"),
            Self::Claimed { tasks } => write!(f, "by what {tasks} running tasks claim"),
            Self::Held => f.write_str("nobody knows: what it waits for has no time of its own"),
            Self::Never => f.write_str("never, as things are"),
        }
    }
}

/// A task that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting<'a> {
    pub(super) job: &'a Job,
    pub(super) shape: &'a Shape,
    /// Its place in the array.
    pub(super) place: u32,
    pub(super) reason: &'a Reason,
}

/// When running tasks claim that they will end.
pub(super) type Claims = BTreeMap<TaskId, Timestamp>;

/// When it will start if running tasks end when they claim to, and no later than they may; `None`: that makes no
/// difference, or nobody knows.
pub(super) fn by_claims(
    state: &State,
    waiting: Waiting<'_>,
    now: Timestamp,
    claims: &Claims,
) -> Option<Forecast> {
    let tasks = claims.values().filter(|at| **at > now).count() as u64;
    if tasks == 0 {
        return None;
    }
    let plain = forecast(state, waiting, now, &Claims::new());
    let claimed = forecast(state, waiting, now, claims);
    (claimed.at.is_some() && claimed.at != plain.at)
        .then_some(Forecast { basis: Basis::Claimed { tasks }, ..claimed })
}

pub(super) fn forecast(
    state: &State,
    waiting: Waiting<'_>,
    now: Timestamp,
    claims: &Claims,
) -> Forecast {
    let Waiting { job, shape, place, reason } = waiting;
    let plain = |basis| Forecast { at: None, basis };
    match reason {
        Reason::Next => return Forecast { at: Some(now), basis: Basis::NextPass },
        Reason::StartAfter { at } | Reason::RetryAfter { at } => {
            return Forecast { at: Some(*at), basis: Basis::OwnTime };
        }
        Reason::Promised { node, after } => return of_promise(state, node, *after, now),
        Reason::Reserved { id, ends, .. } => {
            let basis = Basis::AfterReservation { id: *id };
            return Forecast { at: Some(now + *ends), basis };
        }
        Reason::Review { .. }
        | Reason::Suspect { .. }
        | Reason::Barred { .. }
        | Reason::Dependency { .. }
        | Reason::TaskDependency { .. }
        | Reason::ArrayLimit { .. }
        | Reason::Quota { .. } => return plain(Basis::Held),
        Reason::Gang { wanted, most, .. } if most < wanted => return plain(Basis::Never),
        Reason::NoNodes | Reason::NoneMeets { .. } | Reason::NothingFits { .. } => {
            return plain(Basis::Never);
        }
        Reason::OnNode { .. }
        | Reason::Stopping { .. }
        | Reason::OutOfTouch { .. }
        | Reason::FindingHeld { .. }
        | Reason::FindingNoticed { .. }
        | Reason::Ended { .. } => return plain(Basis::Held),
        Reason::Busy { .. }
        | Reason::Occupied { .. }
        | Reason::Gang { .. }
        | Reason::Behind { .. }
        | Reason::Runway { .. }
        | Reason::MakingRoom { .. }
        | Reason::WouldDelay { .. } => {}
    }
    let Some((_, turn)) = state.queue.place(job.id) else {
        return plain(Basis::Held);
    };
    let before = job.pending.intervals().take_while(|(first, _)| *first < place);
    let own = before.map(|(first, last)| u64::from(last.min(place - 1) - first) + 1).sum();
    Play::new(state, now, claims).run(shape, job, turn, own)
}

/// When a task starts whose place is promised.
fn of_promise(state: &State, node: &str, after: Option<TaskId>, now: Timestamp) -> Forecast {
    let Some(task) = after else {
        return Forecast { at: Some(now), basis: Basis::NextPass };
    };
    let at = state.attempts.get(&task).and_then(|attempt| attempt.until);
    let basis = Basis::AfterTask { task, node: node.to_owned() };
    Forecast { at: Some(at.unwrap_or(now).max(now)), basis }
}

/// What is free on nodes as time goes on.
struct Play<'a> {
    state: &'a State,
    now: Timestamp,
    /// What is free on nodes where that differs from the state.
    free: BTreeMap<NodeId, Resources>,
    by_cpus: BTreeSet<(Cpus, NodeId)>,
    /// When running tasks end of which that is known, in order.
    known: Peekable<Range<'a, (Timestamp, TaskId)>>,
    /// When other tasks end: those of the play, and running ones whose end is only expected.
    ends: BinaryHeap<Reverse<(Timestamp, Giver)>>,
    /// How many running tasks have no end that anybody knows.
    blind: u64,
    last: Option<(TaskId, NodeId)>,
}

/// Who gives something back.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Giver {
    /// A task that runs now.
    Running(TaskId),
    /// A task of the play, of a node.
    Played(NodeId, Resources),
}

impl<'a> Play<'a> {
    fn new(state: &'a State, now: Timestamp, claims: &Claims) -> Self {
        let takes = state.nodes.values().filter(|node| node.takes_work());
        let by_cpus = takes.map(|node| (node.free().cpus, node.id)).collect();
        let after = (now, TaskId { job: JobId(u64::MAX), index: u32::MAX });
        let last = (Timestamp::from_millis(i64::MAX), after.1);
        let mut play = Self {
            state,
            now,
            free: BTreeMap::new(),
            by_cpus,
            known: state.ends.range(if claims.is_empty() { after } else { last }..).peekable(),
            ends: BinaryHeap::new(),
            blind: 0,
            last: None,
        };
        let claimed = |task: &TaskId| claims.get(task).copied().filter(|at| *at > now);
        if !claims.is_empty() {
            // The limit stays the bound, whatever they claim.
            for (until, task) in state.ends.range(after..) {
                let at = claimed(task).map_or(*until, |at| at.min(*until));
                play.ends.push(Reverse((at, Giver::Running(*task))));
            }
        }
        // What is overdue has run for as long as it may take once more.
        for (_, task) in state.ends.range(..after) {
            let at = now + now.since(state.attempts[task].placed);
            let at = claimed(task).unwrap_or(at);
            play.ends.push(Reverse((at, Giver::Running(*task))));
        }
        let waiting: usize = state.nodes.values().map(|node| node.runway.len()).sum();
        if state.attempts.len() > state.ends.len() + waiting {
            play.expect_unbounded(claimed);
        }
        play
    }

    /// Running tasks without a limit end when they may be expected to, if anybody can tell.
    fn expect_unbounded(&mut self, claimed: impl Fn(&TaskId) -> Option<Timestamp>) {
        let (state, now) = (self.state, self.now);
        let mut spans: BTreeMap<JobId, Option<Span>> = BTreeMap::new();
        let unbounded = |one: &&Attempt| one.until.is_none() && !one.runway;
        for (task, attempt) in state.attempts.iter().filter(|(_, one)| unbounded(one)) {
            if let Some(at) = claimed(task) {
                self.ends.push(Reverse((at, Giver::Running(*task))));
                continue;
            }
            let span = *spans.entry(task.job).or_insert_with(|| {
                state.estimate(&state.jobs[&task.job]).map(|estimate| estimate.span)
            });
            let Some(span) = span else {
                self.blind += 1;
                continue;
            };
            let at = attempt.started.unwrap_or(attempt.placed) + span;
            let at = if at <= now { now + now.since(attempt.placed) } else { at };
            self.ends.push(Reverse((at, Giver::Running(*task))));
        }
    }

    fn run(mut self, shape: &Shape, job: &Job, turn: Turn, own: u64) -> Forecast {
        let state = self.state;
        let heads = state.queue.lines().filter_map(|(id, line)| Some((line.head()?, id)));
        let mut heads: BinaryHeap<_> =
            heads.filter(|(head, _)| *head < turn).map(Reverse).collect();
        let mut jobs: BTreeMap<_, _> = BTreeMap::new();
        let (mut steps, mut played) = (0, 0_u128);
        for (task, _) in state.promises.iter() {
            let job = &state.jobs[&task.job];
            let estimate = state.estimate(job).map(|estimate| estimate.span);
            self.place(&Shape::of(&job.spec), estimate);
        }
        while let Some(Reverse((head, id))) = heads.pop() {
            let line = state.queue.line(id).expect("a line of the queue");
            let jobs = jobs.entry(id).or_insert_with(|| line.jobs());
            let Some((_, tasks)) = jobs.next() else { continue };
            let next = jobs.clone().next().filter(|(next, _)| *next < turn);
            heads.extend(next.map(|(next, _)| Reverse((next, id))));
            let estimate = state.estimate(&state.jobs[&head.job]).map(|estimate| estimate.span);
            let wanted = tasks.min(STEPS - steps);
            // What can never be placed is in nobody's way.
            self.place_all(&line.shape, wanted, estimate);
            steps += wanted;
            played += line.shape.work() * u128::from(wanted);
            if steps >= STEPS {
                break;
            }
        }
        let (_, ahead, work) = state.queue.ahead(turn);
        let estimate = state.estimate(job).map(|estimate| estimate.span);
        let more = own.min(STEPS - steps);
        self.place_all(shape, more, estimate);
        let left_work = work.saturating_sub(played) + shape.work() * u128::from(own - more);
        let left_tasks = (ahead + own).saturating_sub(steps + more);
        self.end(shape, ahead + own, left_work, left_tasks)
    }

    /// Where the play has come to the task itself.
    fn end(mut self, shape: &Shape, ahead: u64, left_work: u128, left_tasks: u64) -> Forecast {
        if left_tasks > 0 {
            let total = u128::from(self.state.offers.total().cpus.as_milli().max(1));
            let more = u64::try_from(left_work / total).unwrap_or(u64::MAX);
            let at = self.now + Span::from_millis(more);
            return Forecast { at: Some(at), basis: Basis::ByWork { tasks: ahead } };
        }
        if !self.place(shape, None) {
            let running = self.blind;
            let basis = if running > 0 { Basis::UnknownEnds { running } } else { Basis::Never };
            return Forecast { at: None, basis };
        }
        let basis = match self.last {
            _ if ahead > 0 => Basis::InOrder { tasks: ahead },
            Some((task, node)) => {
                Basis::AfterTask { task, node: self.state.nodes[&node].name.clone() }
            }
            None => Basis::NextPass,
        };
        Forecast { at: Some(self.now), basis }
    }

    /// Starts tasks of a shape one after another, as far as they could ever start.
    fn place_all(&mut self, shape: &Shape, tasks: u64, takes: Option<Span>) {
        for _ in 0..tasks {
            if !self.place(shape, takes) {
                break;
            }
        }
    }

    /// Starts a task as soon as it can; false if it never could.
    fn place(&mut self, shape: &Shape, takes: Option<Span>) -> bool {
        loop {
            if let Some(taken) = self.seats(shape) {
                let at = self.now + takes.or(shape.bound).unwrap_or(UNKNOWN);
                for (node, given) in taken {
                    self.change(node, &given, false);
                    self.ends.push(Reverse((at, Giver::Played(node, given))));
                }
                return true;
            }
            if !self.wait() {
                return false;
            }
        }
    }

    /// Goes on to the next end; false if there is none.
    fn wait(&mut self) -> bool {
        let expected = self.ends.peek().map(|Reverse((at, _))| *at);
        let known = self.known.peek().map(|(at, _)| *at);
        let first_is_known = match (known, expected) {
            (Some(known), Some(expected)) => known <= expected,
            (known, _) => known.is_some(),
        };
        let next = if first_is_known {
            self.known.next().map(|(at, task)| (*at, Giver::Running(*task)))
        } else {
            self.ends.pop().map(|Reverse(end)| end)
        };
        let Some((at, giver)) = next else {
            return false;
        };
        self.now = self.now.max(at);
        match giver {
            Giver::Played(node, given) => {
                self.last = None;
                self.change(node, &given, true);
            }
            Giver::Running(task) => {
                let attempt = &self.state.attempts[&task];
                self.last = Some((task, attempt.node));
                for node in attempt.nodes() {
                    self.change(node, &held(self.state, task, node), true);
                }
            }
        }
        true
    }

    /// The nodes for a task, each with what it takes there.
    fn seats(&self, shape: &Shape) -> Option<Vec<(NodeId, Resources)>> {
        let (wanted, ranks) = shape.gang.map_or((1, 1), |gang| (gang.nodes, gang.ranks_per_node));
        let wanted = usize::try_from(wanted).ok()?;
        shape.choices().find_map(|(_, amounts)| {
            let need = amounts.times(u64::from(ranks));
            let nodes = self.by_cpus.range((need.cpus, NodeId(0))..).map(|(_, id)| *id);
            let fitting = nodes.filter_map(|id| {
                let node = &self.state.nodes[&id];
                let free = self.free_of(node);
                if !filter::meets(node, &shape.constraints, &shape.needs, shape.gang.as_ref())
                    || !free.holds(&need)
                {
                    return None;
                }
                if shape.constraints.exclusive {
                    let whole = node.capacity().clone();
                    return (free == whole).then_some((id, whole));
                }
                Some((id, need.clone()))
            });
            let seats: Vec<_> = fitting.take(wanted).collect();
            (seats.len() == wanted).then_some(seats)
        })
    }

    fn free_of(&self, node: &Node) -> Resources {
        self.free.get(&node.id).cloned().unwrap_or_else(|| node.free())
    }

    fn change(&mut self, id: NodeId, amounts: &Resources, given: bool) {
        let node = &self.state.nodes[&id];
        let before = self.free_of(node);
        let after = if given { before.plus(amounts) } else { before.less(amounts) };
        if self.by_cpus.remove(&(before.cpus, id)) {
            self.by_cpus.insert((after.cpus, id));
        }
        self.free.insert(id, after);
    }
}
