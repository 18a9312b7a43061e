//! Phases and how they follow on each other. Each changes through one door: a total match.

pub mod attempt;
pub mod finding;
pub mod lease;
pub mod node;
pub(crate) mod wall;
