//! The published copy: what is durable, for everybody who reads.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use repower_core::engine::Engine;
use repower_core::fact::Entry;
use repower_core::state::State;

/// A copy of the engine that follows the durable facts. Readers never wait for a turn or a commit.
#[derive(Debug)]
pub(crate) struct Published {
    engine: RwLock<Engine>,
}

/// The state while it is being read. Not to be kept while waiting for anything.
#[derive(Debug)]
pub(crate) struct Reading<'a>(RwLockReadGuard<'a, Engine>);

impl std::ops::Deref for Reading<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.0.state()
    }
}

impl Published {
    /// A copy that begins with what has been replayed.
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine: RwLock::new(engine) }
    }

    /// What is durable now.
    pub(crate) fn read(&self) -> Reading<'_> {
        Reading(self.engine.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is durable now, to keep.
    pub(crate) fn state(&self) -> State {
        self.read().clone()
    }

    /// Another engine that begins with what is durable now.
    pub(crate) fn engine(&self) -> Engine {
        self.engine.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Follows facts that have become durable; `seen` looks at each after it is true.
    pub(crate) fn follow(&self, entries: &[Entry], mut seen: impl FnMut(&State, &Entry)) {
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            engine.apply(entry);
            seen(engine.state(), entry);
        }
    }
}
