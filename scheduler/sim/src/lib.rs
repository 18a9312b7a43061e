//! The simulator: the shipping cores under a virtual clock.
//!
//! A `world` holds the shipping engine, driven by the rules of its daemon, and machines that run
//! the shipping agent session, joined by a network that fails as its [`Fault`](fault::Fault)s say.
//! Everything follows from a seed: the same seed gives the same journal, byte for byte. The engine's
//! invariants are asked after every turn, and the `history` is checked at the end.
//!
//! Recorded workloads go another way: [`trace`] reads them, [`mod@replay`] runs them in a machine room
//! without network and delays, under any policy, and [`report`] says how that went.

pub mod clock;
pub mod crowd;
pub mod dice;
pub mod fault;
mod file;
pub mod heap;
mod history;
mod machine;
mod message;
mod network;
mod people;
pub mod plot;
pub mod replay;
pub mod report;
pub mod rlscheduler;
mod scheduler;
pub mod shrink;
pub mod trace;
pub mod transcript;
mod workload;
mod world;

pub use replay::replay;
pub use world::{Failure, Summary, run};
