//! Messages, calls, and what machines do.

use repower_agent_core::{Moment, Report};
use repower_core::check::Violation;
use repower_core::effect::Answer;
use repower_core::input::Input;
use repower_core::refusal::Refusal;
use repower_model::{NodeId, RankId, Span};

use super::{Event, Run, World};
use crate::clock::EPOCH;
use crate::fault::Fault;
use crate::heap::Class;
use crate::machine::{Deed, Ending, Inner};
use crate::message::{Down, LinkId, Up};
use crate::network::End;
use crate::scheduler::{CallId, Letter};
use crate::workload::Wish;

/// How long somebody waits for an answer before asking again.
const ASK_AGAIN: Span = Span::from_secs(3);

impl World<'_> {
    pub(super) fn inside(
        &mut self,
        node: NodeId,
        life: u32,
        inner: Inner,
    ) -> Result<(), Violation> {
        let now = self.now;
        let mut deeds = Vec::new();
        let machine = self.machines.get_mut(&node).filter(|machine| machine.life == life);
        if let Some(machine) = machine {
            machine.inner(inner, now, &mut deeds);
        }
        self.perform(node, deeds)
    }

    pub(super) fn perform(&mut self, node: NodeId, deeds: Vec<Deed>) -> Result<(), Violation> {
        for deed in deeds {
            match deed {
                Deed::Send(link, up) => self.send_up(link, up),
                Deed::At(at, inner) => {
                    let life = self.machines[&node].life;
                    let class = match inner {
                        Inner::Launched(..) | Inner::Exits(..) | Inner::Drained(_) => {
                            Class::Completion
                        }
                        Inner::Timer | Inner::Beat(_) | Inner::Flush(_) | Inner::Dial => {
                            Class::Tick
                        }
                    };
                    self.push(at, class, node.0.into(), Event::Inside(node, life, inner));
                }
                Deed::HangUp(link) => self.hang_up(link, End::Agent),
                Deed::Dial => self.dial(node)?,
                Deed::Begins(attempt) => self.begins(attempt, node)?,
                Deed::Ends(attempt, ending) => self.ends(attempt, node, ending),
                Deed::Left => {
                    self.note(|| format!("n{node} has left"));
                    self.boot_later(node);
                }
            }
        }
        Ok(())
    }

    fn dial(&mut self, node: NodeId) -> Result<(), Violation> {
        let link = if self.is_up { self.network.dial(node) } else { None };
        if let Some(link) = link {
            self.note(|| format!("n{node} dials link {}", link.0));
            if let Some(before) = self.scheduler.opened(link, node) {
                self.hang_up(before, End::Scheduler);
            }
        }
        let mut deeds = Vec::new();
        let now = self.now;
        if let Some(machine) = self.machines.get_mut(&node) {
            machine.dialled(link, now, &mut deeds);
        }
        self.perform(node, deeds)
    }

    /// An end of a link closes; the other one notices soon, or when it gets no answer.
    pub(super) fn hang_up(&mut self, link: LinkId, end: End) {
        let cut = self.network.is_cut(link);
        if !self.network.close(link, end) {
            return;
        }
        let other = match end {
            End::Agent => End::Scheduler,
            End::Scheduler => End::Agent,
        };
        let wait = if cut {
            let most = self.unnoticed;
            self.dice("notices").span(Span::ZERO, most)
        } else {
            self.network.latency()
        };
        self.push(self.now + wait, Class::Signal, link.0, Event::Broken(link, other));
    }

    pub(super) fn notice(&mut self, link: LinkId, end: End) -> Result<(), Violation> {
        match end {
            End::Scheduler => {
                self.scheduler.broken(link);
                self.hang_up(link, End::Scheduler);
                Ok(())
            }
            End::Agent => {
                let Some(node) = self.network.node(link) else {
                    return Ok(());
                };
                let (now, mut deeds) = (self.now, Vec::new());
                if let Some(machine) = self.machines.get_mut(&node) {
                    machine.broken(link, now, &mut deeds);
                }
                self.note(|| format!("n{node} notices that link {} is gone", link.0));
                self.perform(node, deeds)
            }
        }
    }

    fn send_up(&mut self, link: LinkId, up: Up) {
        if let Some(at) = self.network.send(link, End::Scheduler, self.now) {
            self.push(at, Class::Arrival, link.0, Event::Up(link, up));
        }
    }

    pub(super) fn send_down(&mut self, link: LinkId, down: Down) {
        if let Some(at) = self.network.send(link, End::Agent, self.now) {
            self.push(at, Class::Arrival, link.0, Event::Down(link, down));
        }
    }

    pub(super) fn up(&mut self, link: LinkId, up: Up) {
        let Some(node) = self.network.node(link) else {
            return;
        };
        if !self.network.arrives(link, End::Scheduler) || !self.is_up {
            return self.lose(link, node, up);
        }
        let now = self.time();
        self.scheduler.heard(link, node, now);
        if let Up::Heartbeat(sent) = up {
            return self.send_down(link, Down::Answered(sent));
        }
        self.note(|| format!("scheduler hears n{node}: {}", brief(&up)));
        self.letter(link, node, up);
    }

    /// What was lost on a link may still come from a queue inside the scheduler: in order, and
    /// nothing after the first that does not.
    fn lose(&mut self, link: LinkId, node: NodeId, up: Up) {
        let is_on = self.is_up && self.faults.has(Fault::LateReports) && !self.calm;
        let wait = self.dice("late").span(Span::ZERO, Span::from_secs(1));
        let comes = is_on && self.dice("late").chance(700) && matches!(up, Up::Reports { .. });
        let queue = self.late.entry(link).or_insert(Some(self.now));
        let Some(last) = queue.filter(|_| comes) else {
            *queue = None;
            return;
        };
        let at = last.max(self.now) + wait;
        *queue = Some(at);
        let event = Event::Late(link, node, up, self.epoch);
        self.push(at, Class::Arrival, link.0, event);
    }

    pub(super) fn late(&mut self, link: LinkId, node: NodeId, up: Up, epoch: u32) {
        if self.is_up && self.epoch == epoch {
            self.note(|| format!("scheduler hears n{node}, late: {}", brief(&up)));
            self.letter(link, node, up);
        }
    }

    fn letter(&mut self, link: LinkId, node: NodeId, up: Up) {
        let letter = match up {
            Up::Heartbeat(_) => return,
            Up::Hello(hello) => Letter::Hello { link, node, hello },
            Up::Goodbye => Letter::Goodbye { link, node },
            Up::Reports { first, reports } => {
                Letter::Reports { link, node, through: first + reports.len() as u64 - 1, reports }
            }
        };
        self.scheduler.receive(letter);
        self.want_pass();
    }

    pub(super) fn down(&mut self, link: LinkId, down: Down) -> Result<(), Violation> {
        let Some(node) = self.network.node(link) else {
            return Ok(());
        };
        if !self.network.arrives(link, End::Agent) {
            return Ok(());
        }
        let (now, mut deeds) = (self.now, Vec::new());
        if !matches!(down, Down::Answered(_)) {
            self.transcript.note(now, || format!("n{node} hears: {}", told(&down)));
        }
        if let Some(machine) = self.machines.get_mut(&node) {
            machine.hear(link, down, now, &mut deeds);
        }
        self.perform(node, deeds)
    }

    fn begins(&mut self, rank: RankId, node: NodeId) -> Result<(), Violation> {
        self.note(|| format!("n{node} runs {rank}"));
        let durable = self.scheduler.ledger.head().size;
        let run = Run { node, durable, ending: None };
        self.runs.entry(rank).or_default().push(run);
        let running = self.running.entry(rank.attempt.task).or_default();
        let other = running
            .iter()
            .find(|(other, _)| other.attempt != rank.attempt || other.rank == rank.rank);
        let other = other.map(|(other, on)| (*other, *on));
        running.insert(rank, node);
        match other {
            None => Ok(()),
            Some((other, on)) => Err(Violation {
                rule: "no task ever runs twice at once",
                detail: format!("{rank} begins on node {node} while {other} runs on node {on}"),
            }),
        }
    }

    fn ends(&mut self, rank: RankId, node: NodeId, ending: Ending) {
        self.note(|| format!("n{node} ends {rank}: {ending:?}"));
        if let Some(running) = self.running.get_mut(&rank.attempt.task) {
            running.remove(&rank);
        }
        let run = self.runs.get_mut(&rank).and_then(|runs| runs.last_mut());
        if let Some(run) = run {
            run.ending = Some(ending);
        }
    }

    pub(super) fn wish(&mut self, wish: Wish) {
        // People's clocks are right.
        let now = EPOCH + self.now.since(Moment::default());
        let again = match &wish {
            Wish::Submit { again_in, .. } => *again_in,
            Wish::Cancel { .. } => None,
        };
        let calls = self.people.wish(wish, now);
        for (at, call) in calls.into_iter().enumerate() {
            let wait = if at == 0 { Span::ZERO } else { again.unwrap_or(Span::ZERO) };
            self.push(self.now + wait, Class::Arrival, call.0, Event::Ask(call));
        }
    }

    pub(super) fn ask(&mut self, call: CallId) {
        if self.people.letter(call).is_none() {
            return;
        }
        if self.is_up {
            let latency = self.network.latency();
            self.push(self.now + latency, Class::Arrival, call.0, Event::Asked(call));
        }
        self.push(self.now + ASK_AGAIN, Class::Arrival, call.0, Event::Ask(call));
    }

    pub(super) fn asked(&mut self, call: CallId) {
        let Some(letter) = self.people.letter(call).filter(|_| self.is_up) else {
            return;
        };
        self.note(|| format!("call {}: {}", call.0, asks(&letter)));
        self.scheduler.receive(letter);
        self.want_pass();
    }

    pub(super) fn reply(&mut self, call: CallId, answer: Result<Answer, Refusal>) {
        let duplicates = self.faults.has(Fault::Duplicates) && !self.calm;
        if duplicates && self.dice("answers").chance(150) {
            return;
        }
        let latency = self.network.latency();
        let durable = self.scheduler.ledger.head().size;
        let event = Event::Answered(call, Box::new(answer), durable);
        self.push(self.now + latency, Class::Arrival, call.0, event);
    }

    pub(super) fn answered(&mut self, call: CallId, answer: Result<Answer, Refusal>, durable: u64) {
        self.note(|| format!("call {} is answered: {answer:?}", call.0));
        if let Some(job) = self.people.told(call, answer, durable) {
            let wait = self.dice("reviews").span(Span::ZERO, Span::from_secs(20));
            let call = self.people.review(job);
            self.push(self.now + wait, Class::Arrival, call.0, Event::Ask(call));
        }
    }
}

fn brief(up: &Up) -> String {
    match up {
        Up::Hello(hello) => format!("hello with {} held", hello.held.len()),
        Up::Heartbeat(_) => "heartbeat".into(),
        Up::Goodbye => "goodbye".into(),
        Up::Reports { first, reports } => {
            let words = reports.iter().map(|report| match report {
                Report::Output { attempt, data, .. } => format!("{attempt} printed {}", data.len()),
                Report::Started { attempt, .. } => format!("{attempt} started"),
                Report::Noticed(noticed) => format!("{} was noticed", noticed.attempt),
                Report::Claimed { attempt, .. } => format!("{attempt} claimed progress"),
                Report::Kept { attempt, artefacts, .. } => {
                    format!("{attempt} kept {} files", artefacts.len())
                }
                Report::Saved { attempt, kept } => {
                    let word = if kept.is_ok() { "saved" } else { "could not save" };
                    format!("{attempt} {word} its work")
                }
                Report::Stopping { attempt, step, .. } => {
                    format!("{attempt} stopping: {}", step.as_str())
                }
                Report::Ended { attempt, outcome, .. } => {
                    format!("{attempt} ended {}", outcome.code())
                }
            });
            format!("from {first}: {}", words.collect::<Vec<_>>().join(", "))
        }
    }
}

fn told(down: &Down) -> String {
    match down {
        Down::Welcome { .. } => "welcome".into(),
        Down::Answered(_) => "an answer".into(),
        Down::Acknowledged(through) => format!("acknowledged {through}"),
        Down::Orders(orders) => orders.iter().map(order).collect::<Vec<_>>().join(", "),
    }
}

fn order(order: &crate::message::Order) -> String {
    use crate::message::Order;
    match order {
        Order::Define { job, .. } => format!("define {job}"),
        Order::Forget(job) => format!("forget {job}"),
        Order::Start(attempt, ..) => format!("start {attempt}"),
        Order::DropCheckpoint(task) => format!("drop the checkpoint of {task}"),
        Order::Stop(attempt, why) => format!("stop {attempt} ({why:?})"),
        Order::Freeze(rank) => format!("freeze {rank}"),
        Order::Thaw(rank, _) => format!("thaw {rank}"),
    }
}

fn asks(letter: &Letter) -> String {
    match letter {
        Letter::Submission { spec, .. } => format!("submit {} of {}", spec.array, spec.class),
        Letter::Command { input, .. } => {
            let adopts = matches!(**input, Input::Adopt { .. });
            if adopts { "adopt a policy".into() } else { format!("{input:?}") }
        }
        Letter::Reports { .. } | Letter::Hello { .. } | Letter::Goodbye { .. } => {
            "not of a person".into()
        }
    }
}
