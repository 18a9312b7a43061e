//! A machine: the shipping agent session, processes that are only times, and one end of a link.
//!
//! It does what the agent's daemon does around the same session: dials with back-off, says hello
//! with what it holds, sends heartbeats and reports, and lets the lease run when the link is gone.

mod link;
mod process;

use std::collections::BTreeMap;

use repower_agent_core::{Action, Input, Limits, Moment, Session};
use repower_model::{Ability, Hash, Instance, Inventory, NodeId, RankId, Resources, Span, Stored};

use crate::clock::Clock;
use crate::dice::Dice;
use crate::message::{LinkId, Up};
use crate::workload::Ill;
use link::Line;
use process::Process;

/// What machines can do, as most agents can.
pub(crate) fn abilities() -> Vec<String> {
    [Ability::Bare, Ability::LimitMemory].map(|one| one.as_str().to_owned()).to_vec()
}

/// What all machines of a world have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// How often it says that it is there.
    pub(crate) heartbeat: Span,
    /// Reports in one message.
    pub(crate) batch: usize,
    /// The longest pause between two tries to dial.
    pub(crate) longest_pause: Span,
}

/// Something that happens to a machine from inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inner {
    /// A process runs, or could not be started.
    Launched(RankId, u64),
    /// A process ends.
    Exits(RankId, u64),
    /// The last of its output has been read.
    Drained(RankId),
    /// The session wants to look at something.
    Timer,
    /// A heartbeat is due.
    Beat(LinkId),
    /// Reports may be sent again.
    Flush(LinkId),
    /// It is time to dial.
    Dial,
}

/// What a machine does to its world.
#[derive(Debug)]
pub(crate) enum Deed {
    Send(LinkId, Up),
    At(Moment, Inner),
    /// It closes its end of a link.
    HangUp(LinkId),
    /// It wants a link.
    Dial,
    /// A process runs from now on.
    Begins(RankId),
    /// It does not any more.
    Ends(RankId, Ending),
    /// The agent has ended in order.
    Left,
}

/// How a process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, with success.
    Success,
    /// By itself, without.
    Failure,
    /// Somebody ended it.
    Stopped,
    /// With its agent.
    Killed,
}

/// A machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) node: NodeId,
    pub(crate) ill: Ill,
    pub(crate) capacity: Resources,
    /// Counts its agents; events of an earlier one are void.
    pub(crate) life: u32,
    habits: Habits,
    clock: Clock,
    dice: Dice,
    agent: Option<Agent>,
}

/// The agent's process.
#[derive(Debug)]
struct Agent {
    instance: Instance,
    session: Session,
    line: Option<Line>,
    pause: Span,
    leaving: bool,
    processes: BTreeMap<RankId, Process>,
    launched: u64,
    timer: Option<Moment>,
}

impl Machine {
    pub(crate) fn new(
        node: NodeId,
        capacity: Resources,
        habits: Habits,
        clock: Clock,
        dice: Dice,
    ) -> Self {
        Self { node, ill: Ill::No, capacity, life: 0, habits, clock, dice, agent: None }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.agent.is_some()
    }

    /// What its agent finds.
    pub(crate) fn inventory(&self) -> Inventory {
        Inventory {
            capacity: self.capacity.clone(),
            hostname: format!("n{}", self.node),
            address: format!("n{}", self.node),
            abilities: abilities(),
            ..Inventory::default()
        }
    }

    /// An agent starts, without tasks.
    pub(crate) fn boot(&mut self, deeds: &mut Vec<Deed>) {
        self.life += 1;
        self.agent = Some(Agent {
            instance: Instance(self.dice.bytes()),
            session: Session::new(self.capacity.clone(), Limits::default()),
            line: None,
            pause: link::FIRST_PAUSE,
            leaving: false,
            processes: BTreeMap::new(),
            launched: 0,
            timer: None,
        });
        deeds.push(Deed::Dial);
    }

    /// The agent is killed, and its tasks with it.
    pub(crate) fn crash(&mut self, deeds: &mut Vec<Deed>) {
        self.life += 1;
        let Some(agent) = self.agent.take() else {
            return;
        };
        let running = agent.processes.iter().filter(|(_, process)| process.runs);
        deeds.extend(running.map(|(attempt, _)| Deed::Ends(*attempt, Ending::Killed)));
        deeds.extend(agent.line.map(|line| Deed::HangUp(line.id)));
    }

    /// The agent is told to end.
    pub(crate) fn leave(&mut self, now: Moment, deeds: &mut Vec<Deed>) {
        if let Some(agent) = &mut self.agent {
            agent.leaving = true;
            self.tell(Input::Leave, now, deeds);
        }
    }

    /// Something happens inside the agent of this life.
    pub(crate) fn inner(&mut self, inner: Inner, now: Moment, deeds: &mut Vec<Deed>) {
        match inner {
            Inner::Launched(attempt, serial) => self.launched(attempt, serial, now, deeds),
            Inner::Exits(attempt, serial) => self.exits(attempt, serial, now, deeds),
            Inner::Drained(attempt) => self.tell(Input::Drained { attempt }, now, deeds),
            Inner::Timer => {
                if let Some(agent) = &mut self.agent {
                    agent.timer = None;
                }
                self.tell(Input::Timer, now, deeds);
            }
            Inner::Beat(link) => self.beat(link, now, deeds),
            Inner::Flush(link) => self.flush(link, now, deeds),
            Inner::Dial => deeds.push(Deed::Dial),
        }
    }

    /// Tells the session what has happened, and does what it asks for.
    fn tell(&mut self, input: Input<'_>, now: Moment, deeds: &mut Vec<Deed>) {
        let Some(agent) = &mut self.agent else {
            return;
        };
        let mut actions = Vec::new();
        agent.session.handle(input, self.clock.at(now), &mut actions);
        let (mut staged, mut collected) = (Vec::new(), Vec::new());
        let (mut restored, mut saved) = (Vec::new(), Vec::new());
        for action in actions {
            match action {
                Action::Launch { attempt, definition, .. } => {
                    self.launch(attempt, &definition.spec, now, deeds);
                }
                Action::Signal { attempt, signal } => self.signal(attempt, signal, now, deeds),
                Action::Stage(definition) => staged.push(definition.job),
                Action::Collect { attempt, .. } => collected.push(attempt),
                Action::Restore { attempt, .. } => restored.push(attempt),
                Action::Save(attempt) => saved.push(attempt),
                Action::Release(_)
                | Action::DropCheckpoint(_)
                // Nothing is noticed in this world, so nothing stands still.
                | Action::Freeze(_)
                | Action::Thaw(_)
                | Action::CutEgress(_)
                | Action::MendEgress(_)
                | Action::Discard(_)
                | Action::CloseOutput { .. }
                | Action::ResumeReading
                | Action::ForgetJob(_) => {}
            }
        }
        self.settle(now, deeds);
        // Files are there at once.
        for job in staged {
            self.tell(Input::Staged(job), now, deeds);
        }
        for attempt in restored {
            self.tell(Input::Restored(attempt), now, deeds);
        }
        for attempt in saved {
            let stored = Stored { digest: Hash([7; 32]), bytes: 1024 };
            self.tell(Input::Saved { attempt, kept: Ok(stored) }, now, deeds);
        }
        for attempt in collected {
            let (artefacts, missing) = (Vec::new(), Vec::new());
            self.tell(Input::Collected { attempt, artefacts, missing }, now, deeds);
        }
    }

    /// What follows from any change: the next timer, reports, and the end of an agent that leaves.
    fn settle(&mut self, now: Moment, deeds: &mut Vec<Deed>) {
        let Some(agent) = &mut self.agent else {
            return;
        };
        let wake = agent.session.wake_at();
        if let Some(at) = wake.filter(|at| agent.timer.is_none_or(|set| *at < set)) {
            agent.timer = Some(at);
            deeds.push(Deed::At(self.clock.when(at, now), Inner::Timer));
        }
        if let Some(line) = &agent.line {
            let link = line.id;
            self.flush(link, now, deeds);
        }
        self.part(deeds);
    }

    /// Ends an agent that was told to, when nobody needs it any more.
    fn part(&mut self, deeds: &mut Vec<Deed>) {
        let Some(agent) = self.agent.as_ref().filter(|agent| agent.leaving) else {
            return;
        };
        let welcomed = agent.line.as_ref().is_some_and(|line| line.contact.is_some());
        let done = if welcomed {
            agent.session.is_settled()
        } else {
            agent.line.is_none() && agent.session.is_idle()
        };
        if !done {
            return;
        }
        if let Some(line) = agent.line.as_ref().filter(|_| welcomed) {
            deeds.push(Deed::Send(line.id, Up::Goodbye));
            deeds.push(Deed::HangUp(line.id));
        }
        self.life += 1;
        self.agent = None;
        deeds.push(Deed::Left);
    }
}

impl Machine {
    /// What its agent holds.
    pub(crate) fn held(&self) -> Vec<RankId> {
        self.agent.iter().flat_map(|agent| agent.session.held()).collect()
    }

    /// Whether nothing runs and everything is reported.
    pub(crate) fn is_settled(&self) -> bool {
        self.agent
            .as_ref()
            .is_none_or(|agent| agent.session.is_settled() && agent.processes.is_empty())
    }
}
