//! The scheduler's daemon: the loop that owns the engine, and its services.
//!
//! [`run`] is the whole of it. Inside: `keeper` (the loop: turn, commit), `follower` (what follows
//! a commit), `published` (what is durable, for readers), `services` and `gate` (calls, and who may
//! make them), `link` (agents), `output` (what tasks print), `room` (what of the disk is the ledger's), `tls` and `server` (the port).

mod admission;
mod arrivals;
mod artefacts;
mod aside;
mod calls;
mod claims;
mod clock;
mod error;
mod follower;
mod gate;
mod http;
mod journal;
mod keeper;
mod lines;
mod link;
mod metrics;
mod notices;
mod options;
mod output;
mod problem;
mod profile;
mod published;
mod reasons;
mod room;
mod run;
mod samples;
mod secret;
mod server;
mod services;
mod sessions;
mod shared;
mod story;
mod tls;

pub use error::Error;
pub use options::Options;
pub use run::{Ready, run};
pub use services::why::wire as explained;
