//! The agent's end of a link.

use repower_agent_core::{BatchLimits, Input, Moment, Terms};
use repower_model::{Response, Span};

use super::{Deed, Inner, Machine};
use crate::message::{Down, Hello, LinkId, Order, Up};

/// The first bound of the pause before the next try to dial; it doubles.
pub(super) const FIRST_PAUSE: Span = Span::from_millis(50);

/// The shortest time between two messages of reports.
const GATHER: Span = Span::from_millis(4);

/// The agent's end of a link.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: LinkId,
    /// When the hello was sent, on the agent's steady clock.
    asked: Moment,
    /// When the latest message was sent that the scheduler has certainly heard, on the same clock;
    /// `None`: no welcome yet. When the scheduler itself was heard proves nothing: what it says may
    /// arrive while nothing arrives there.
    pub(super) contact: Option<Moment>,
    /// No reports before this, in true time.
    gate: Moment,
    /// Whether a flush is on its way.
    flushing: bool,
}

impl Machine {
    /// A link has come about, or not.
    pub(crate) fn dialled(&mut self, link: Option<LinkId>, now: Moment, deeds: &mut Vec<Deed>) {
        let inventory = self.inventory();
        let Some(agent) = &mut self.agent else {
            return;
        };
        let Some(id) = link else {
            self.redial(now, deeds);
            return self.part(deeds);
        };
        let asked = self.clock.at(now).steady;
        agent.line = Some(Line { id, asked, contact: None, gate: now, flushing: false });
        let hello =
            Hello { instance: agent.instance, inventory, held: agent.session.held().collect() };
        deeds.push(Deed::Send(id, Up::Hello(Box::new(hello))));
    }

    fn redial(&mut self, now: Moment, deeds: &mut Vec<Deed>) {
        if let Some(agent) = &mut self.agent {
            let pause = self.dice.span(Span::ZERO, agent.pause);
            let doubled = Span::from_millis(agent.pause.as_millis() * 2);
            agent.pause = doubled.min(self.habits.longest_pause);
            deeds.push(Deed::At(now + pause, Inner::Dial));
        }
    }

    /// The agent notices that a link is gone.
    pub(crate) fn broken(&mut self, link: LinkId, now: Moment, deeds: &mut Vec<Deed>) {
        let Some(agent) = &mut self.agent else {
            return;
        };
        let Some(line) = agent.line.take_if(|line| line.id == link) else {
            return;
        };
        deeds.push(Deed::HangUp(line.id));
        if let Some(contact) = line.contact {
            agent.pause = FIRST_PAUSE;
            self.tell(Input::LinkDown { contact }, now, deeds);
        }
        self.redial(now, deeds);
        self.part(deeds);
    }

    /// A message arrives on a link.
    pub(crate) fn hear(&mut self, link: LinkId, down: Down, now: Moment, deeds: &mut Vec<Deed>) {
        let Some(line) = self
            .agent
            .as_mut()
            .and_then(|agent| agent.line.as_mut())
            .filter(|line| line.id == link)
        else {
            return;
        };
        match down {
            Down::Answered(sent) => {
                line.contact = line.contact.max(Some(sent));
                self.tell(Input::Heard(sent), now, deeds);
            }
            Down::Welcome { lease } => {
                let asked = line.asked;
                line.contact = Some(asked);
                deeds.push(Deed::At(now + self.habits.heartbeat, Inner::Beat(link)));
                let terms = Terms { lease, output_bytes: 1 << 20 };
                self.tell(Input::LinkUp(terms), now, deeds);
                self.tell(Input::Heard(asked), now, deeds);
            }
            Down::Orders(orders) => {
                for order in orders {
                    self.tell(input(order), now, deeds);
                }
            }
            Down::Acknowledged(through) => self.tell(Input::Acknowledged(through), now, deeds),
        }
    }

    pub(super) fn beat(&mut self, link: LinkId, now: Moment, deeds: &mut Vec<Deed>) {
        let Some(agent) = &self.agent else { return };
        if agent.line.as_ref().is_some_and(|line| line.id == link) {
            let steady = self.clock.at(now).steady;
            deeds.push(Deed::Send(link, Up::Heartbeat(steady)));
            deeds.push(Deed::At(now + self.habits.heartbeat, Inner::Beat(link)));
        }
    }

    /// Sends reports if there are any, and it is not too soon after the ones before.
    pub(super) fn flush(&mut self, link: LinkId, now: Moment, deeds: &mut Vec<Deed>) {
        let Some(agent) = &mut self.agent else { return };
        let Some(line) =
            agent.line.as_mut().filter(|line| line.id == link && line.contact.is_some())
        else {
            return;
        };
        if now < line.gate {
            if !line.flushing && agent.session.has_unsent() {
                line.flushing = true;
                deeds.push(Deed::At(line.gate, Inner::Flush(link)));
            }
            return;
        }
        line.flushing = false;
        let limits = BatchLimits { reports: self.habits.batch, ..BatchLimits::default() };
        let Some(batch) = agent.session.next_batch(&limits) else {
            return;
        };
        let (first, reports) = (batch.first, batch.reports.into_iter().cloned().collect());
        deeds.push(Deed::Send(link, Up::Reports { first, reports }));
        line.gate = now + GATHER;
        if agent.session.has_unsent() {
            line.flushing = true;
            deeds.push(Deed::At(line.gate, Inner::Flush(link)));
        }
    }
}

fn input(order: Order) -> Input<'static> {
    match order {
        Order::Define { job, spec, tasks } => {
            Input::Define { job, spec, tasks, watch: Vec::new(), hardest: Response::Kill }
        }
        Order::Freeze(rank) => Input::Freeze(rank),
        Order::Thaw(rank, rules) => Input::Thaw(rank, rules),
        Order::Forget(job) => Input::Forget(job),
        Order::Start(attempt, alternative, rendezvous, checkpoint) => {
            Input::Start { attempt, alternative, rendezvous, checkpoint }
        }
        Order::DropCheckpoint(task) => Input::DropCheckpoint(task),
        Order::Stop(attempt, why) => Input::Stop(attempt, why),
    }
}
