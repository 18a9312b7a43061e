//! Containers: tasks of jobs that name an image, through the engine that the host has, by its command line.
//!
//! The agent brings the image, like the inputs of a job, before a task may wait for its turn. The executor has a
//! container made ([`Engine::create`]), so that what the engine refuses is told apart from a program
//! that fails. What runs as the task is the engine's own client (`start --attach`), which passes signals and output
//! on. In the container, a first process of ours ([`FRONT`]) starts the program, and writes down how it ended.
//!
//! A container lies below a control group of the executor's, which has the limits and the figures, and by
//! which all of it is killed. The engine's own processes are not in it.

mod engine;
mod image;
mod plan;
mod run;
#[cfg(test)]
mod tests;
mod variables;

pub(crate) use engine::{Container, Engine, EngineError};
pub(crate) use plan::{Mount, Network, Plan, Shown};

/// The program that `build.rs` makes of `init/front.rs`: the first process of every container.
pub(crate) const FRONT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/front"));

/// Where that program is seen in a container.
pub(crate) const FRONT_PATH: &str = "/.repower-init";
/// Where it writes down how the task ended.
pub(crate) const STATUS_PATH: &str = "/.repower-status";
