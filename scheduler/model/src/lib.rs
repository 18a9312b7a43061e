//! The nouns of Repower: ids, quantities, time, jobs, tasks, nodes, classes, outcomes.
//!
//! Everything here is plain data. Nothing decides, nothing touches the world. All types
//! serialise with serde, in the form that snapshots use; the form on the wire and in the journal
//! is the business of `repower-proto`.

mod approval;
mod array;
mod artefact;
mod demand;
mod finding;
mod id;
mod image;
mod indices;
mod isolation;
mod job;
mod label;
mod node;
mod outcome;
mod progress;
mod quantity;
mod rendezvous;
mod reservation;
mod resources;
mod role;
mod time;

pub use approval::{Approval, Mark, Sign};
pub use array::{Array, ArrayError, IndexRange};
pub use artefact::{Artefact, Checkpoint, InputFile, Keep, Source, Stored};
pub use demand::{Constraints, Gang, IsaLevel, Layout, Part};
pub use finding::{
    Evidence, Finding, FindingReview, FindingSource, FindingState, Image, Response, Verdict,
};
pub use id::{
    ApprovalId, AttemptId, FindingId, Hash, Instance, JobId, Key, NodeId, RankId, ReservationId,
    TaskId, TokenId,
};
pub use image::{ImageError, check_image};
pub use indices::Indices;
pub use isolation::{
    Ability, Egress, Isolation, OnDisconnect, SYSTEM_FOLDERS, is_place, is_seen_from_boxes,
};
pub use job::{Dependency, DependencyKind, JobSpec, JobState, Retries, TaskState, Variable};
pub use label::{LabelError, LabelRule, METER, SITE, WATTS, check_label, watts_of};
pub use node::{Inventory, NodePhase, TokenKind};
pub use outcome::{Fault, Outcome, Sequel, StopCause, StopReason, StopStep, Usage};
pub use progress::{Claim, ClaimError, Count, Fraction, Progress, check_unit};
pub use quantity::{Bytes, Cpus, WattHours, Watts};
pub use rendezvous::{Host, Rendezvous};
pub use reservation::Reservation;
pub use resources::{Dimension, Resources, Shortage};
pub use role::Role;
pub use time::{Span, Timestamp};
