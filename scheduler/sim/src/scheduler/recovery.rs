//! Crashes, and how the scheduler comes back from what is durable.

use repower_agent_core::Now;
use repower_core::check::Violation;
use repower_core::engine::Engine;
use repower_core::fact::Entry;
use repower_core::life::lease::Leases;
use repower_core::state::State;

use super::{Archive, Scheduler, steady};

impl Scheduler {
    /// The process is killed: what was not durable is gone.
    pub(crate) fn crash(&mut self) -> Result<(), Violation> {
        if self.batch.take().is_none() {
            // Everything that it knew was durable: nothing may be lost.
            let again = replay(&State::default(), &self.ledger.entries(0)?);
            differ("replay after a crash", self.engine.state(), &again)?;
        }
        self.engine = Engine::new();
        self.archive = Archive::default();
        self.leases = Leases::default();
        self.links.clear();
        self.inbox.clear();
        self.leases_due = false;
        Ok(())
    }

    /// Comes back from the journal and, if there is one, the latest snapshot: both must agree.
    pub(crate) fn recover(&mut self, now: Now) -> Result<(), Violation> {
        let entries = self.ledger.entries(0)?;
        for entry in &entries {
            self.archive.note(&entry.fact);
        }
        let whole = replay(&State::default(), &entries);
        let state = match self.ledger.snapshots.last() {
            Some((size, bytes)) => {
                let tail = replay(&thaw(bytes)?, &self.ledger.entries(*size)?);
                differ("the latest snapshot and its tail", &whole, &tail)?;
                tail
            }
            None => whole,
        };
        self.engine = Engine::from_state(state);
        // At a start nobody is declared dead: every lease begins anew.
        self.leases.restart(self.up(), steady(now));
        Ok(())
    }

    /// A commit has failed: back to what is durable. Letters that wait are turned on that.
    pub(crate) fn undo(&mut self) -> Result<(), Violation> {
        let entries = self.ledger.entries(0)?;
        self.batch = None;
        self.engine = Engine::from_state(replay(&State::default(), &entries));
        self.archive = Archive::default();
        for entry in &entries {
            self.archive.note(&entry.fact);
        }
        self.links.clear();
        Ok(())
    }

    /// Keeps the state as its facts give it, if all of it is durable. As in the daemon it is that of
    /// the published copy, whose time is that of its latest fact: the engine's own may be later.
    pub(crate) fn snapshot(&mut self) -> Result<(), Violation> {
        let size = self.engine.state().seq;
        if self.batch.is_some() || size != self.ledger.head().size {
            return Ok(());
        }
        let state = match self.ledger.snapshots.last() {
            Some((from, bytes)) => replay(&thaw(bytes)?, &self.ledger.entries(*from)?),
            None => replay(&State::default(), &self.ledger.entries(0)?),
        };
        let bytes = postcard::to_stdvec(&state).map_err(|error| Violation {
            rule: "the state can be written",
            detail: error.to_string(),
        })?;
        differ("a snapshot at once", self.engine.state(), &thaw(&bytes)?)?;
        self.ledger.snapshots.push((size, bytes));
        Ok(())
    }
}

/// The state that a snapshot holds.
pub(crate) fn thaw(bytes: &[u8]) -> Result<State, Violation> {
    postcard::from_bytes(bytes)
        .map_err(|error| Violation { rule: "a snapshot can be read", detail: error.to_string() })
}

/// The state that more facts give.
pub(crate) fn replay(from: &State, entries: &[Entry]) -> State {
    let mut state = from.clone();
    for entry in entries {
        state.apply(entry);
    }
    state
}

/// Compares two states at the later of their times.
pub(crate) fn differ(what: &str, one: &State, other: &State) -> Result<(), Violation> {
    let now = one.now.max(other.now);
    let text = |state: &State| {
        let mut state = state.clone();
        state.advance(now);
        format!("{state:#?}")
    };
    let (one, other) = (text(one), text(other));
    if one == other {
        return Ok(());
    }
    let lines = one.lines().zip(other.lines()).enumerate();
    let first = lines
        .filter(|(_, (one, other))| one != other)
        .map(|(at, (one, other))| format!("line {at}: `{}`, then `{}`", one.trim(), other.trim()))
        .next();
    Err(Violation {
        rule: "replay gives the same state",
        detail: format!("{what}: {}", first.unwrap_or_else(|| "one is longer".into())),
    })
}
