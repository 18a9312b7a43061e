//! Sensors of what tasks do, for the judge in `repower_agent_core::detect`.
//!
//! [`Sensors`] are those of the host, made once; a [`Watch`] is one task under them. Everything here
//! blocks for milliseconds and is bounded in time and bytes, so it belongs on a thread of its own.
//!
//! | module | what it sees |
//! | --- | --- |
//! | `stop` | control registers of a running thread, which stands still meanwhile |
//! | `threads` | which threads run |
//! | `members` | which processes a task has |
//! | `maps`, `memory` | the layout of a process, and patterns in its images |
//! | `executable`, `admitted` | the file that it runs, and whether that is what was admitted |
//! | `descriptors`, `sockets` | devices that it has opened, its connections |
//! | `usage` | what it has used |
//! | `evidence` | all of it as text, for people |
//! | `rest` | how long nothing is looked at after a look |
//! | `freeze` | makes a task stand still, and lets it go on |
//!
//! Tasks must not be children of the process that uses this: a wait for a child would see the stops
//! of its threads as if the child had ended. Own children are left alone.
//!
//! Registers are read on x86-64 with glibc; elsewhere [`Sensors::unavailable`] says so, and the other
//! sensors work.

mod admitted;
mod descriptors;
mod evidence;
mod executable;
mod freeze;
mod maps;
mod members;
mod memory;
mod proc;
mod rest;
mod sensors;
mod sockets;
mod stop;
mod threads;
mod unavailable;
mod usage;
mod watch;

pub use admitted::{Admitted, Egress, Files};
pub use evidence::{Bundle, EVIDENCE_BYTES, evidence};
pub(crate) use evidence::{images, told};
pub(crate) use executable::{Digests, Stamp, read};
pub use freeze::{Frozen, Partial, freeze};
pub use members::Members;
pub use rest::Look;
pub use sensors::{SENSORS, Sensors};
pub use stop::{Reading, Stopper};
pub use unavailable::Unavailable;
pub use watch::{Looked, Watch};
