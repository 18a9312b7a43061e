//! The scheduler's process: its passes, commits, timers, crashes and recoveries.

use repower_agent_core::Moment;
use repower_core::check::Violation;
use repower_core::fact::Entry;
use repower_model::Span;

use super::{Event, World};
use crate::fault::Fault;
use crate::heap::Class;
use crate::network::End;
use crate::scheduler::Owed;

impl World<'_> {
    pub(super) fn start_ticking(&mut self) {
        self.push(self.now, Class::Tick, 0, Event::Tick(self.epoch));
    }

    pub(super) fn tick(&mut self, epoch: u32) {
        if !self.is_up || self.epoch != epoch {
            return;
        }
        self.scheduler.tick();
        self.want_pass();
        let every = Span::from_millis(self.lease.as_millis() / 12);
        self.push(self.now + every, Class::Tick, 0, Event::Tick(epoch));
    }

    pub(super) fn wake(&mut self, epoch: u32) {
        if self.epoch == epoch {
            self.wake = None;
            self.want_pass();
        }
    }

    /// A pass goes at the end of this instant, unless a commit is under way: then after it.
    pub(super) fn want_pass(&mut self) {
        if self.is_up && !self.pass_due && !self.scheduler.is_committing() {
            self.pass_due = true;
            self.push(self.now, Class::Pass, 0, Event::Pass(self.epoch));
        }
    }

    pub(super) fn pass(&mut self, epoch: u32) -> Result<(), Violation> {
        if !self.is_up || self.epoch != epoch {
            return Ok(());
        }
        self.pass_due = false;
        let now = self.time();
        self.scheduler.turn_all(now)?;
        for entry in self.scheduler.drafted() {
            self.transcript.note(self.now, || fact(entry));
        }
        if !self.scheduler.owes() {
            return self.committed(epoch);
        }
        let most = self.commit;
        let wait = self.dice("commits").span(Span::ZERO, most);
        self.push(self.now + wait, Class::Completion, 0, Event::Committed(epoch));
        Ok(())
    }

    pub(super) fn committed(&mut self, epoch: u32) -> Result<(), Violation> {
        if !self.is_up || self.epoch != epoch {
            return Ok(());
        }
        let fails = self.faults.has(Fault::CommitFailures) && !self.calm && self.scheduler.owes();
        if fails && self.dice("disk").chance(10) {
            self.note(|| "a commit fails".into());
            self.scheduler.undo()?;
            self.close_links();
            if self.scheduler.has_mail() {
                self.want_pass();
            }
            return Ok(());
        }
        let now = self.time();
        for owed in self.scheduler.commit(now)? {
            match owed {
                Owed::Send(link, down) => self.send_down(link, down),
                Owed::HangUp(link) => self.hang_up(link, End::Scheduler),
                Owed::Reply(call, answer) => self.reply(call, answer),
            }
        }
        if self.dice("snapshots").chance(3) {
            self.scheduler.snapshot()?;
        }
        if self.scheduler.has_mail() {
            self.want_pass();
        } else if let Some(wait) = self.scheduler.next_wake(now) {
            self.wake_at(self.now + wait);
        }
        Ok(())
    }

    fn wake_at(&mut self, at: Moment) {
        if self.wake.is_none_or(|set| at < set) {
            self.wake = Some(at);
            self.push(at, Class::Tick, 0, Event::Wake(self.epoch));
        }
    }

    /// The scheduler is killed.
    pub(super) fn crash(&mut self) -> Result<(), Violation> {
        if !self.is_up {
            return Ok(());
        }
        self.note(|| "the scheduler is killed".into());
        self.is_up = false;
        self.pass_due = false;
        self.wake = None;
        self.scheduler.crash()?;
        self.close_links();
        Ok(())
    }

    fn close_links(&mut self) {
        for link in self.network.links(None) {
            self.hang_up(link, End::Scheduler);
        }
    }

    /// It comes back.
    pub(super) fn recover(&mut self) -> Result<(), Violation> {
        if self.is_up {
            return Ok(());
        }
        self.note(|| "the scheduler comes back".into());
        let now = self.time();
        self.scheduler.recover(now)?;
        self.is_up = true;
        self.epoch += 1;
        self.start_ticking();
        Ok(())
    }
}

/// A fact on one line, cut where it gets long.
fn fact(entry: &Entry) -> String {
    let words = format!("fact {}: {:?}", entry.seq, entry.fact);
    words.chars().take(200).collect()
}
