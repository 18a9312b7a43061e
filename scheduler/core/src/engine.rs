//! The engine: the only way in.

use repower_model::{JobSpec, Span, Timestamp};

use crate::decide;
use crate::draft::Draft;
use crate::effect::{Answer, Turn};
use crate::fact::Entry;
use crate::input::Input;
use crate::life::wall::Wall;
use crate::plan::{Memory, Pass, RECALL_AFTER, next_respite};
use crate::refusal::Refusal;
use crate::state::State;

/// Decides what happens. Everything it knows is [`State`], and that comes from the facts.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    state: State,
    wall: Wall,
    memory: Memory,
}

impl Engine {
    /// The most facts that one pass makes; more are left for the next, which is due at once.
    pub const PASS: usize = 8192;

    /// An engine of no cell yet: give it [`Input::Found`], or the entries of a journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on from a snapshot.
    pub fn from_state(state: State) -> Self {
        Self { state, ..Self::default() }
    }

    /// What is true now.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Decides what comes of an input, and makes it true here. The facts get the sequence numbers
    /// from `state().seq`, as it was before, and the time `state().now`, as it is after: that is
    /// `now`, what the wall clock says, but it neither goes back nor stands still. The driver makes
    /// them durable, then gives the answer and performs the effects.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the input asks for what is not done; then nothing was changed.
    pub fn turn(&mut self, input: &Input, now: Timestamp) -> Result<Turn, Refusal> {
        let now = self.wall.time(now, self.state.now);
        self.state.advance(now);
        let mut draft = Draft::new(&mut self.state, now);
        let answer = decide(&mut draft, input, &mut self.memory)?;
        Ok(draft.finish(answer))
    }

    /// Whether a job is within the bounds that no state and no time changes: what [`Engine::turn`] checks
    /// first, for drivers that look at a job before they hand it in.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] that the turn would give.
    pub fn bounds(spec: &JobSpec) -> Result<(), Refusal> {
        decide::submit::bounds::of(spec)
    }

    /// Makes an entry of the journal true: replay.
    pub fn apply(&mut self, entry: &Entry) {
        self.state.apply(entry);
    }

    /// When the next pass is due though nothing comes in, by the wall clock that says `now`; `None`
    /// if it never is.
    pub fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let sleeper = self.state.queue.next_wake();
        let resting = self.state.resting.first().map(|(at, _)| *at);
        let waiting =
            self.state.offers.runways().next_back().is_some_and(|(waiting, _)| waiting > 0);
        let time = self.state.now.max(now);
        let recall = waiting.then(|| time + RECALL_AFTER.max(Span::from_millis(1)));
        let reserved = self.state.reservations.next_end();
        let respite = next_respite(&self.state);
        let promise = self.state.promises.next_end();
        let approved = self.state.approvals.next_end();
        let next = [sleeper, resting, recall, reserved, approved, respite, promise];
        let next = next.into_iter().flatten().min()?;
        Some(Wall::when(next, self.state.now, now))
    }
}

fn decide(draft: &mut Draft<'_>, input: &Input, memory: &mut Memory) -> Result<Answer, Refusal> {
    match input {
        Input::Found { cell, version } => Ok(decide::cell::found(draft, cell, version)),
        Input::Adopt { text, by, replaces } => decide::cell::adopt(draft, text, by, *replaces),
        Input::Submit(submit) => decide::submit::submit(draft, submit),
        Input::Cancel { job, tasks, by, role, reason } => {
            decide::cancel::cancel(draft, *job, tasks.as_deref(), (by, *role), reason)
        }
        Input::GiveUp { job, tasks, by, role, reason } => {
            decide::cancel::give_up(draft, *job, tasks.as_deref(), (by, *role), reason)
        }
        Input::Review { job, approve, by, reason } => {
            decide::review::review(draft, *job, *approve, by, reason)
        }
        Input::Approve(asked) => decide::approve::approve(draft, asked),
        Input::Unapprove { id, by, reason } => decide::approve::unapprove(draft, *id, by, reason),
        Input::Enter(enter) => decide::enter::enter(draft, enter),
        Input::Issue { kind, role, name, hash, expires, by } => {
            let what = (*kind, *role);
            Ok(decide::token::issue(draft, what, name, *hash, *expires, by))
        }
        Input::Revoke { id, by, role } => decide::token::revoke(draft, *id, (by, *role)),
        Input::Enrol { secret, name, fingerprint } => {
            decide::token::enrol(draft, secret, name, *fingerprint)
        }
        Input::Hello { node, instance, inventory, held, saved } => {
            let answer = decide::link::hello(draft, *node, *instance, inventory, held)?;
            decide::checkpoint::tidy(draft, *node, saved);
            Ok(answer)
        }
        Input::Report { node, report } => Ok(decide::report::report(draft, *node, report)),
        Input::Silent { node, reason } => decide::link::silent(draft, *node, reason),
        Input::Goodbye { node, reason } => decide::link::goodbye(draft, *node, reason),
        Input::Drain { node, rest, by, reason } => {
            decide::node::drain(draft, *node, *rest, by, reason)
        }
        Input::Resume { node, by } => decide::node::resume(draft, *node, by),
        Input::Reserve(asked) => decide::reserve::reserve(draft, asked),
        Input::Unreserve { id, by, reason } => decide::reserve::unreserve(draft, *id, by, reason),
        Input::Decide(asked) => decide::finding::decide(draft, asked),
        Input::Quarantine { digest, by, reason } => {
            decide::quarantine::add(draft, *digest, by, reason)
        }
        Input::Release { digest, by, reason } => {
            decide::quarantine::release(draft, *digest, by, reason)
        }
        Input::Schedule => Ok(schedule(draft, memory)),
    }
}

fn schedule(draft: &mut Draft<'_>, memory: &mut Memory) -> Answer {
    decide::reserve::end_what_is_over(draft);
    decide::approve::end_what_is_over(draft);
    let mut pass = Pass::new(draft.state(), memory);
    for _ in 0..Engine::PASS {
        match pass.next(draft.state()) {
            Some(fact) => draft.push(fact),
            None => break,
        }
    }
    Answer::Done
}
