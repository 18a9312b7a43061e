//! What goes wrong, and when.

use repower_core::check::Violation;
use repower_core::input::Input;
use repower_core::plan::gang;
use repower_core::policy::DEFAULT;
use repower_core::state::{Job, State};
use repower_model::{Bytes, Cpus, JobId, NodeId, NodePhase, Resources, Span};

use super::{Event, World};
use crate::clock::EPOCH;
use crate::dice::Dice;
use crate::fault::Fault;
use crate::heap::Class;
use crate::network::{Cut, End};
use crate::workload::Ill;
use repower_agent_core::Moment;

/// How often an operator goes round when the trouble is over.
const ROUNDS: Span = Span::from_secs(20);

/// One piece of trouble.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// A link snaps.
    Break,
    /// A node cannot be reached any more.
    Cut,
    /// It can again.
    Heal(NodeId),
    /// An agent is killed.
    AgentCrash,
    /// An agent is told to end.
    AgentLeave,
    /// The scheduler is killed.
    SchedulerCrash,
    /// The scheduler's wall clock is stepped.
    ClockStep,
    /// A node turns ill, or recovers.
    Illness,
    /// An operator drains a node, gives it work again, or keeps it for a while.
    Drain,
    /// Another policy is adopted.
    Policy,
}

impl Trouble {
    /// How long from one to the next, on average, if it comes again and again.
    fn every(self) -> Option<Span> {
        let secs = match self {
            Self::Break => 7,
            Self::Cut => 12,
            Self::AgentCrash => 14,
            Self::AgentLeave => 20,
            Self::SchedulerCrash => 12,
            Self::ClockStep => 12,
            Self::Illness => 15,
            Self::Drain => 10,
            Self::Policy => 40,
            Self::Heal(_) => return None,
        };
        Some(Span::from_secs(secs))
    }

    fn needs(self) -> &'static [Fault] {
        match self {
            Self::Break => &[Fault::Breaks],
            Self::Cut | Self::Heal(_) => &[Fault::Partitions, Fault::OneWay],
            Self::AgentCrash => &[Fault::AgentCrashes],
            Self::AgentLeave => &[Fault::AgentLeaves],
            Self::SchedulerCrash => &[Fault::SchedulerCrashes],
            Self::ClockStep => &[Fault::ClockSteps],
            Self::Illness => &[Fault::BlackHoles],
            Self::Drain => &[Fault::Drains],
            Self::Policy => &[Fault::Policies],
        }
    }

    fn concern(self) -> &'static str {
        match self {
            Self::Break => "breaks",
            Self::Cut | Self::Heal(_) => "cuts",
            Self::AgentCrash => "agent crashes",
            Self::AgentLeave => "agent leaves",
            Self::SchedulerCrash => "scheduler crashes",
            Self::ClockStep => "clock steps",
            Self::Illness => "illness",
            Self::Drain => "drains",
            Self::Policy => "policies",
        }
    }
}

impl World<'_> {
    /// Lays out the first of each kind.
    pub(super) fn brew_trouble(&mut self) {
        let kinds = [
            Trouble::Break,
            Trouble::Cut,
            Trouble::AgentCrash,
            Trouble::AgentLeave,
            Trouble::SchedulerCrash,
            Trouble::ClockStep,
            Trouble::Illness,
            Trouble::Drain,
            Trouble::Policy,
        ];
        for trouble in kinds {
            if trouble.needs().iter().any(|fault| self.faults.has(*fault)) {
                self.again(trouble);
            }
        }
    }

    /// The next one of a kind.
    fn again(&mut self, trouble: Trouble) {
        if let Some(every) = trouble.every() {
            let most = Span::from_millis(every.as_millis() * 2);
            let wait = self.dice(trouble.concern()).span(Span::ZERO, most);
            self.push(self.now + wait, Class::Signal, 0, Event::Trouble(trouble));
        }
    }

    pub(super) fn trouble(&mut self, trouble: Trouble) -> Result<(), Violation> {
        if self.calm {
            return Ok(());
        }
        self.again(trouble);
        let node = self.some_node(trouble.concern());
        match trouble {
            Trouble::Break => self.snap(node),
            Trouble::Cut => self.cut(node),
            Trouble::Heal(node) => {
                self.note(|| format!("n{node} can be reached again"));
                self.network.heal(node);
            }
            Trouble::AgentCrash => self.crash_agent(node)?,
            Trouble::AgentLeave => {
                self.note(|| format!("n{node} is told to end"));
                let (now, mut deeds) = (self.now, Vec::new());
                if let Some(machine) = self.machines.get_mut(&node) {
                    machine.leave(now, &mut deeds);
                }
                self.perform(node, deeds)?;
            }
            Trouble::SchedulerCrash => {
                self.crash()?;
                let most = Span::from_millis(self.lease.as_millis() * 3 / 2);
                let down = self.dice(trouble.concern()).span(Span::ZERO, most);
                self.push(self.now + down, Class::Signal, 0, Event::Recover);
            }
            Trouble::ClockStep => {
                let dice = self.dice(trouble.concern());
                let most = *dice.pick(&[1_000, 60_000, 10_800_000]);
                let ms = i64::try_from(dice.below(2 * most)).unwrap_or(0)
                    - i64::try_from(most).unwrap_or(0);
                self.note(|| format!("the scheduler's clock is stepped by {ms} ms"));
                self.clock.step(ms);
            }
            Trouble::Illness => self.fall_ill(node),
            Trouble::Drain => {
                // People's clocks are right.
                let now = EPOCH + self.now.since(Moment::default());
                let call = match self.dice(trouble.concern()).below(10) {
                    0..4 => {
                        let gone = self.machines.get(&node).is_none_or(|machine| !machine.is_on());
                        self.people.drain(node, gone)
                    }
                    4..8 => self.people.resume(node),
                    _ => self.people.reserve(node, now),
                };
                self.push(self.now, Class::Arrival, call.0, Event::Ask(call));
            }
            Trouble::Policy => {
                let forbids = self.dice(trouble.concern()).chance(500);
                let call = self.people.command(Input::Adopt {
                    text: policy(forbids),
                    by: "op".into(),
                    replaces: None,
                });
                self.push(self.now, Class::Arrival, call.0, Event::Ask(call));
            }
        }
        Ok(())
    }

    fn some_node(&mut self, concern: &'static str) -> NodeId {
        let count = self.machines.len() as u64;
        let at = self.dice(concern).below(count) + 1;
        NodeId(u32::try_from(at).unwrap_or(1))
    }

    /// The link of a node snaps: what is on its way is lost, and both ends notice soon.
    fn snap(&mut self, node: NodeId) {
        for link in self.network.links(Some(node)) {
            self.note(|| format!("link {} of n{node} snaps", link.0));
            self.network.snap(link);
            for end in [End::Agent, End::Scheduler] {
                let wait = self.dice("notices").span(Span::ZERO, Span::from_millis(50));
                let event = Event::Broken(link, end);
                self.push(self.now + wait, Class::Signal, link.0, event);
            }
        }
    }

    fn cut(&mut self, node: NodeId) {
        let one_way = self.faults.has(Fault::OneWay);
        let both = self.faults.has(Fault::Partitions);
        let ways: &[Cut] = match (both, one_way) {
            (true, true) => &[Cut::Both, Cut::Up, Cut::Down],
            (false, true) => &[Cut::Up, Cut::Down],
            (_, false) => &[Cut::Both],
        };
        let most = Span::from_millis(self.lease.as_millis() * 5 / 2);
        let dice = self.dice("cuts");
        let (cut, lasts) = (*dice.pick(ways), dice.span(Span::ZERO, most));
        self.note(|| format!("n{node} cannot be reached: {cut:?}"));
        for link in self.network.cut(node, cut) {
            for end in [End::Agent, End::Scheduler] {
                let unnoticed = self.unnoticed;
                let wait = self.dice("notices").span(Span::ZERO, unnoticed);
                let event = Event::Broken(link, end);
                self.push(self.now + wait, Class::Signal, link.0, event);
            }
        }
        let heal = Event::Trouble(Trouble::Heal(node));
        self.push(self.now + lasts, Class::Signal, 0, heal);
    }

    fn crash_agent(&mut self, node: NodeId) -> Result<(), Violation> {
        let mut deeds = Vec::new();
        let Some(machine) = self.machines.get_mut(&node) else {
            return Ok(());
        };
        if !machine.is_on() {
            return Ok(());
        }
        machine.crash(&mut deeds);
        self.note(|| format!("the agent of n{node} is killed"));
        self.perform(node, deeds)?;
        self.boot_later(node);
        Ok(())
    }

    pub(super) fn boot_later(&mut self, node: NodeId) {
        let most = Span::from_millis(self.lease.as_millis() * 2);
        let wait = self.dice("boots").span(Span::ZERO, most);
        let life = self.machines[&node].life;
        let event = Event::Boot(node, life);
        self.push(self.now + wait, Class::Signal, node.0.into(), event);
    }

    pub(super) fn boot(&mut self, node: NodeId, life: u32) -> Result<(), Violation> {
        let refit = self.faults.has(Fault::Refits) && !self.calm;
        let capacity = if refit && node.0 > 1 && self.dice("refits").chance(300) {
            Some(other_capacity(self.dice("refits")))
        } else {
            None
        };
        let mut deeds = Vec::new();
        if let Some(machine) = self.machines.get_mut(&node)
            && machine.life == life
            && !machine.is_on()
        {
            if let Some(capacity) = capacity {
                machine.capacity = capacity;
            }
            machine.boot(&mut deeds);
        }
        self.note(|| format!("the agent of n{node} starts"));
        self.perform(node, deeds)
    }

    fn fall_ill(&mut self, node: NodeId) {
        let ills = [Ill::No, Ill::Eats, Ill::CannotStart];
        let ill = *self.dice("illness").pick(&ills);
        self.note(|| format!("n{node} is ill: {ill:?}"));
        if let Some(machine) = self.machines.get_mut(&node) {
            machine.ill = ill;
        }
    }

    /// The trouble is over: what is broken is mended, and what is down comes up.
    pub(super) fn calm_down(&mut self) -> Result<(), Violation> {
        self.note(|| "the trouble is over".into());
        self.calm = true;
        self.network.calm();
        self.clock.set_right();
        for machine in self.machines.values_mut() {
            machine.ill = Ill::No;
        }
        self.recover()?;
        self.rounds();
        Ok(())
    }

    /// An operator gives every node work again, and decides what waits for a review.
    pub(super) fn rounds(&mut self) {
        let nodes: Vec<NodeId> = self.machines.keys().copied().collect();
        for node in nodes {
            let call = self.people.resume(node);
            self.push(self.now, Class::Arrival, call.0, Event::Ask(call));
        }
        let is_barred = |job: &Job| job.barred;
        if self.scheduler.engine().state().jobs.values().any(is_barred) {
            // What a stricter policy holds back goes under the usual one.
            let usual = Input::Adopt { text: policy(false), by: "op".into(), replaces: None };
            let call = self.people.command(usual);
            self.push(self.now, Class::Arrival, call.0, Event::Ask(call));
        }
        let state = self.scheduler.engine().state();
        let held: Vec<_> = state.jobs.values().filter(|job| job.review).collect();
        for job in held.iter().map(|job| job.id).collect::<Vec<_>>() {
            let call = self.people.review(job);
            self.push(self.now, Class::Arrival, call.0, Event::Ask(call));
        }
        for job in hopeless(self.scheduler.engine().state()) {
            let call = self.people.give_up(job);
            self.push(self.now, Class::Arrival, call.0, Event::Ask(call));
        }
        if !self.is_over() {
            self.push(self.now + ROUNDS, Class::Signal, 0, Event::Rounds);
        }
    }
}

/// Gangs that all nodes together cannot hold, now that all are there: they were accepted before that
/// was known, or machines have become smaller since. Rightly they wait for more nodes, but none come.
fn hopeless(state: &State) -> Vec<JobId> {
    if state.nodes.values().any(|node| node.phase != NodePhase::Up) {
        return Vec::new();
    }
    let fits = |job: &Job| {
        let nodes = state.nodes.values().map(|node| (node.id, node.capacity()));
        let mut nodes = nodes.filter(|(_, capacity)| capacity.holds(&job.spec.resources));
        match &job.spec.gang {
            Some(gang) => gang::place(nodes, &job.spec.resources, gang).is_some(),
            None => nodes.next().is_some(),
        }
    };
    let gangs = state.jobs.values().filter(|job| job.spec.gang.is_some() && !fits(job));
    gangs.map(|job| job.id).collect()
}

fn other_capacity(dice: &mut Dice) -> Resources {
    Resources {
        cpus: Cpus::from_whole(dice.within(1, 6)),
        memory: Bytes::from_gib(dice.within(1, 8)),
        disk: Bytes::from_gib(10),
        extras: Vec::new(),
    }
}

/// The built-in policy, or one under which rendering is not run any more.
fn policy(forbids: bool) -> String {
    if !forbids {
        return DEFAULT.to_owned();
    }
    DEFAULT.replace("policy-version = \"default-2\"", "policy-version = \"sim-2\"").replace(
        "[class.render-transcode]\ntier = \"permitted\"",
        "[class.render-transcode]\ntier = \"prohibited\"\nentry = \"sim\"",
    )
}
