//! The pure core of the scheduler: decides, and touches nothing.
//!
//! [`Engine::turn`](engine::Engine::turn) is the only way in. There is no clock, no I/O, no thread
//! and no log here: time and everything else is handed in, so that the daemon, the simulator and
//! the tests drive the very same code.

pub mod check;
mod decide;
mod draft;
pub mod effect;
pub mod engine;
pub mod fact;
pub mod input;
pub mod life;
pub mod plan;
pub mod policy;
pub mod reason;
pub mod refusal;
pub mod state;
