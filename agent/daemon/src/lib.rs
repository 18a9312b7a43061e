//! The agent: it enrols its node, holds the link to the scheduler, and runs tasks.
//!
//! [`run`] is the whole of it. What to start, stop and report is decided by `repower-agent-core`;
//! here is only what touches the world:
//!
//! | module | what it does |
//! | --- | --- |
//! | `join`, `identity`, `enrol` | trade a join token for a certificate, and keep it |
//! | `inventory` | what the machine has |
//! | `link` | one gRPC stream to the scheduler: orders and reports pass through it |
//! | `transfer` | artefacts to and from the scheduler's store |
//! | `attach` | finds the executor of this node, or starts it |
//! | `detector` | looks at what tasks do, and tells what it notices |
//! | `executor` | a process apart, parent of all tasks, which outlives its agents |
//! | `sandbox` | what holds a task: limits, namespaces, what it sees, filters, users |
//! | `tasks` | what the executor does: launch, read, signal, reap, clean up, report |
//!
//! [`execute`] is the whole of the executor. What it and the agent say to each other is in
//! `proto/repower/v1/executor.proto`, and who loses what when is in `docs/execution.md`.
//!
//! A task's peak memory is what the kernel counts for it, which begins with what the executor itself
//! holds at the moment of the launch (a few MiB): smaller tasks show that figure.

mod address;
mod attach;
mod clock;
mod container;
mod detector;
mod endpoint;
mod enrol;
mod enter;
mod environment;
mod error;
mod executor;
mod files;
mod folder;
mod frame;
mod identity;
mod inventory;
mod join;
mod link;
mod options;
mod place;
mod samples;
mod sandbox;
mod saved;
pub mod sense;
mod service;
mod signals;
mod stat;
mod tasks;
pub mod transfer;
mod version;

pub use enter::{EnterError, Entry, enter};
pub use error::{Error, Malformed};
pub use executor::execute;
pub use identity::is_enrolled;
pub use join::JoinFile;
pub use options::{OnTerminate, Options};
pub use sandbox::Launches;
pub use service::{Told, run};
