//! Links to agents: one stream each, orders out, reports in.

mod outbox;
mod registry;
mod serve;
mod told;
mod watch;

pub(crate) use outbox::{Item, Outbox, With};
pub(crate) use registry::Links;
pub(crate) use serve::serve;
