//! Judges what a running task does, from samples that others take.
//!
//! [`Detector::observe`] is the only way in: samples with the time at which they were taken. Out come
//! [`Verdict`]s, each with its [`Rule`], [`Tier`] and the times at which it was first and last seen,
//! and one [`Response`] for the task as a whole. Nothing here looks at a process or a clock, so a
//! [`recording`] of samples replays to the same verdicts anywhere.
//!
//! A verdict is a question or a reason to hold still, not a conviction: which mechanism saw it is
//! kept, and only two of the first tier that have nothing in common end a task.
//!
//! Not here: how samples are taken, who freezes a task, and what people decide about it afterwards.

mod content;
mod detector;
mod flat;
mod flow;
mod mappings;
mod pace;
pub mod recording;
mod rounding;
mod rule;
mod sample;
mod settings;
mod traced;
mod verdict;

pub use detector::{Coverage, Detector};
pub use pace::{Outcome, Pace};
pub use repower_model::Response;
pub use repower_patterns as patterns;
pub use rounding::Carried;
pub use rule::{Mechanism, Rule, Tier};
pub use sample::{
    Area, Counters, Executable, ExecutableState, Flow, Memory, Mode, Registers, Sample,
};
pub use settings::{
    FlatSettings, FlowSettings, PaceSettings, RoundingSettings, Settings, TracedSettings,
};
pub use verdict::Verdict;
