//! A world: one scheduler, some machines, people, a network between them, and trouble from a seed.

mod build;
mod deliver;
mod drive;
mod trouble;

use std::collections::BTreeMap;

use repower_agent_core::{Moment, Now};
use repower_core::check::Violation;
use repower_model::{NodeId, RankId, Span, TaskId};

use crate::clock::Clock;
use crate::dice::Dice;
use crate::fault::Faults;
use crate::heap::{Class, Heap};
use crate::history;
use crate::machine::{Ending, Inner, Machine};
use crate::message::{Down, LinkId, Up};
use crate::network::{End, Network};
use crate::people::People;
use crate::scheduler::{CallId, Scheduler};
use crate::transcript::Transcript;
use crate::workload::Wish;
use repower_core::effect::Answer;
use repower_core::refusal::Refusal;
use trouble::Trouble;

/// How long a world may take after the trouble is over, before what has not ended counts as lost.
const PATIENCE: Span = Span::from_secs(3600);

/// Something that happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// Inside a machine, in the life of one of its agents.
    Inside(NodeId, u32, Inner),
    /// A machine is switched on, if it still is in this life.
    Boot(NodeId, u32),
    /// A message arrives at the scheduler.
    Up(LinkId, Up),
    /// A message arrives at an agent.
    Down(LinkId, Down),
    /// Reports of a link that is gone arrive.
    Late(LinkId, NodeId, Up, u32),
    /// An end of a link notices that it is gone.
    Broken(LinkId, End),
    /// Somebody does something.
    Wish(Box<Wish>),
    /// Somebody asks, perhaps again.
    Ask(CallId),
    /// A question arrives at the scheduler.
    Asked(CallId),
    /// An answer arrives, given when so many facts were durable.
    Answered(CallId, Box<Result<Answer, Refusal>>, u64),
    /// A commit of the scheduler's process of this epoch is done.
    Committed(u32),
    /// The scheduler looks at its leases.
    Tick(u32),
    /// Something is due though nothing arrives.
    Wake(u32),
    /// The scheduler turns what has arrived.
    Pass(u32),
    /// The scheduler comes back.
    Recover,
    /// Something goes wrong, or right again.
    Trouble(Trouble),
    /// All trouble is over.
    Calm,
    /// An operator gives all nodes work again.
    Rounds,
}

/// What came of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Facts in the journal.
    pub facts: u64,
    /// The Merkle root over them.
    pub root: [u8; 32],
    /// Inputs that were turned.
    pub turns: u64,
    /// Jobs that were accepted.
    pub jobs: u64,
    /// Attempts that were placed.
    pub attempts: u64,
    /// How long it took in true time.
    pub took: Span,
}

/// What must never be so, and when it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: Moment,
    /// What.
    pub violation: Violation,
}

/// What really happened to a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) node: NodeId,
    /// How many facts were durable when it began.
    pub(crate) durable: u64,
    pub(crate) ending: Option<Ending>,
}

/// One world.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) now: Moment,
    heap: Heap<Event>,
    pub(crate) scheduler: Scheduler,
    /// Counts the scheduler's processes; 0 while there is none.
    epoch: u32,
    is_up: bool,
    clock: Clock,
    pass_due: bool,
    wake: Option<Moment>,
    pub(crate) machines: BTreeMap<NodeId, Machine>,
    pub(crate) network: Network,
    pub(crate) people: People,
    pub(crate) faults: Faults,
    lease: Span,
    /// For so long an end of a link that is cut may take it for whole.
    unnoticed: Span,
    commit: Span,
    calm: bool,
    dice: BTreeMap<&'static str, Dice>,
    seed: u64,
    /// When the last late message of a link that is gone comes; `None`: no more come.
    late: BTreeMap<LinkId, Option<Moment>>,
    /// Who runs what now.
    running: BTreeMap<TaskId, BTreeMap<RankId, NodeId>>,
    /// What every process that began came to.
    pub(crate) runs: BTreeMap<RankId, Vec<Run>>,
    transcript: &'a mut Transcript,
}

/// Lets the world of a seed go its way, with these faults, and checks all of it.
///
/// # Errors
///
/// [`Failure`] for the first thing that must never be so.
pub fn run(seed: u64, faults: &Faults, transcript: &mut Transcript) -> Result<Summary, Failure> {
    let mut world = World::new(seed, faults, transcript);
    let summary = world.go();
    let at = world.now;
    summary.map_err(|violation| Failure { at, violation })
}

impl World<'_> {
    fn go(&mut self) -> Result<Summary, Violation> {
        self.found()?;
        let mut end = None;
        while let Some((at, event)) = self.heap.pop() {
            self.now = at;
            if end.is_some_and(|end| at >= end) {
                break;
            }
            self.happen(event)?;
            if end.is_none() && self.is_over() {
                // What is still on its way arrives.
                end = Some(at + self.lease + self.lease);
            }
            if self.is_stuck() {
                return Err(Violation {
                    rule: "every accepted job ends once the trouble is over",
                    detail: format!("still there:\n{}", self.scheduler.glance()),
                });
            }
        }
        history::check(self)
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Inside(node, life, inner) => self.inside(node, life, inner)?,
            Event::Boot(node, life) => self.boot(node, life)?,
            Event::Up(link, up) => self.up(link, up),
            Event::Down(link, down) => self.down(link, down)?,
            Event::Late(link, node, up, epoch) => self.late(link, node, up, epoch),
            Event::Broken(link, end) => self.notice(link, end)?,
            Event::Wish(wish) => self.wish(*wish),
            Event::Ask(call) => self.ask(call),
            Event::Asked(call) => self.asked(call),
            Event::Answered(call, answer, durable) => self.answered(call, *answer, durable),
            Event::Committed(epoch) => self.committed(epoch)?,
            Event::Tick(epoch) => self.tick(epoch),
            Event::Wake(epoch) => self.wake(epoch),
            Event::Pass(epoch) => self.pass(epoch)?,
            Event::Recover => self.recover()?,
            Event::Trouble(trouble) => self.trouble(trouble)?,
            Event::Calm => self.calm_down()?,
            Event::Rounds => self.rounds(),
        }
        Ok(())
    }

    fn push(&mut self, at: Moment, class: Class, id: u64, event: Event) {
        self.heap.push(at, class, id, event);
    }

    fn note(&mut self, words: impl FnOnce() -> String) {
        self.transcript.note(self.now, words);
    }

    fn dice(&mut self, concern: &'static str) -> &mut Dice {
        let seed = self.seed;
        self.dice.entry(concern).or_insert_with(|| Dice::new(seed, concern))
    }

    /// What the scheduler's clocks say.
    fn time(&self) -> Now {
        self.clock.at(self.now)
    }

    fn is_over(&self) -> bool {
        self.calm
            && self.is_up
            && !self.scheduler.is_committing()
            && self.people.are_content()
            && self.scheduler.engine().state().jobs.is_empty()
    }

    fn is_stuck(&self) -> bool {
        self.now.since(build::HORIZON) >= PATIENCE
    }
}
