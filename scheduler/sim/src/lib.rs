//! The simulator: the shipping cores under a virtual clock.
//!
//! A `world` holds the shipping engine, driven by the rules of its daemon, and machines that run
//! the shipping agent session, joined by a network that fails as its [`Fault`](fault::Fault)s say.
//! Everything follows from a seed: the same seed gives the same journal, byte for byte. The engine's
//! invariants are asked after every turn, and the `history` is checked at the end.
//!
//! Not here yet: recorded workloads and policies to compare. A workload is a plan of wishes with
//! times, whoever makes it, so a trace only has to be read into one.

pub mod clock;
pub mod dice;
pub mod fault;
pub mod heap;
mod history;
mod machine;
mod message;
mod network;
mod people;
mod scheduler;
pub mod shrink;
pub mod transcript;
mod workload;
mod world;

pub use world::{Failure, Summary, run};
