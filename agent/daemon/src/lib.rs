//! The agent: it enrols its node, holds the link to the scheduler, and runs tasks.
//!
//! [`run`] is the whole of it. What to start, stop and report is decided by `repower-agent-core`;
//! here is only what touches the world:
//!
//! | module | what it does |
//! | --- | --- |
//! | `join`, `identity`, `enrol` | trade a join token for a certificate, and keep it |
//! | `inventory` | what the machine has |
//! | `link` | one gRPC stream to the scheduler, and reports over it |
//! | `transfer` | artefacts to and from the scheduler's store |
//! | `tasks` | processes: launch, read, signal, reap, clean up |
//!
//! Tasks are children of this process, each in its own process group. Control groups, namespaces and
//! an executor that outlives the agent are not here yet: what a task starts in another session
//! outlives the task until the agent itself is started again, and if the agent dies its tasks are
//! killed at its next start and counted as lost.
//!
//! A task's peak memory is what the kernel counts for it, which begins with what the agent itself
//! holds at the moment of the launch (a few MiB): smaller tasks show that figure.

mod address;
mod clock;
mod endpoint;
mod enrol;
mod environment;
mod error;
mod identity;
mod inventory;
mod join;
mod link;
mod options;
mod sandbox;
mod service;
mod tasks;
pub mod transfer;

pub use error::{Error, Malformed};
pub use identity::is_enrolled;
pub use join::JoinFile;
pub use options::Options;
pub use service::run;
