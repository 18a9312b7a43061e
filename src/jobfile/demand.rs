//! What a job asks of nodes besides amounts: how many at once, and which.

use repower_model::{Gang, IsaLevel, LabelError, LabelRule, Layout};
use repower_proto::v1;

use super::amounts::Amounts;

/// How many nodes a task needs at once, and which will do.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Demand {
    /// Other amounts that would do as well, in full: cpus=16,memory=8G,licence=2
    #[arg(long = "or", value_name = "AMOUNTS", help_heading = "What each task needs")]
    pub or: Vec<Amounts>,
    /// Nodes that start each task together, or not at all
    #[arg(long, value_name = "NUMBER", help_heading = "Which nodes", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub nodes: Option<u32>,
    /// Processes on each of these nodes; each has the amounts above [default: 1]
    #[arg(long, value_name = "NUMBER", help_heading = "Which nodes", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(Gang::MOST)))]
    pub ranks_per_node: Option<u32>,
    /// spread: so many on each node; pack: on as few as hold them [default: spread]
    #[arg(long, value_name = "HOW", help_heading = "Which nodes", value_parser = layout)]
    pub layout: Option<Layout>,
    /// Only nodes with such a label: gpu, gpu=v100, gpu=v100|p100, !gpu=v100
    #[arg(long, value_name = "RULE", help_heading = "Which nodes", value_parser = rule)]
    pub label: Vec<LabelRule>,
    /// Least instruction set: x86-64-v1 to x86-64-v4
    #[arg(long, value_name = "LEVEL", help_heading = "Which nodes", value_parser = level)]
    pub isa: Option<IsaLevel>,
    /// Nothing else on the node meanwhile
    #[arg(long, value_name = "WHETHER", help_heading = "Which nodes", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub exclusive: Option<bool>,
}

/// A word that is none of those that would do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DemandError {
    /// Not a layout.
    #[error("`{0}` is not a layout: spread and pack are")]
    Layout(String),
    /// Not an instruction set.
    #[error("`{0}` is not an instruction set: x86-64-v1, x86-64-v2, x86-64-v3 and x86-64-v4 are")]
    Isa(String),
    /// Not about labels.
    #[error(transparent)]
    Label(#[from] LabelError),
}

fn layout(text: &str) -> Result<Layout, DemandError> {
    let all = [Layout::Spread, Layout::Pack];
    let named = all.into_iter().find(|layout| layout.as_str() == text);
    named.ok_or_else(|| DemandError::Layout(text.to_owned()))
}

fn level(text: &str) -> Result<IsaLevel, DemandError> {
    IsaLevel::named(text).ok_or_else(|| DemandError::Isa(text.to_owned()))
}

fn rule(text: &str) -> Result<LabelRule, DemandError> {
    Ok(text.trim().parse()?)
}

impl Demand {
    /// Returns this, with what it leaves out taken from a `lower` one; lists are joined.
    #[must_use]
    pub fn over(self, mut lower: Self) -> Self {
        lower.or.extend(self.or);
        lower.label.extend(self.label);
        Self {
            or: lower.or,
            nodes: self.nodes.or(lower.nodes),
            ranks_per_node: self.ranks_per_node.or(lower.ranks_per_node),
            layout: self.layout.or(lower.layout),
            label: lower.label,
            isa: self.isa.or(lower.isa),
            exclusive: self.exclusive.or(lower.exclusive),
        }
    }

    /// Whether a layout was said of something that has none: one process on one node.
    pub fn has_idle_layout(&self) -> bool {
        self.layout.is_some() && self.nodes.is_none() && self.ranks_per_node.is_none()
    }

    /// Returns the gang, if it is one.
    pub fn gang(&self) -> Option<v1::Gang> {
        let asked = self.nodes.is_some() || self.ranks_per_node.is_some();
        asked.then(|| {
            v1::Gang::from(Gang {
                nodes: self.nodes.unwrap_or(1),
                ranks_per_node: self.ranks_per_node.unwrap_or(1),
                layout: self.layout.unwrap_or_default(),
            })
        })
    }

    /// Returns the constraints, if there are any.
    pub fn constraints(&self) -> Option<v1::Constraints> {
        let rule = |one: &LabelRule| v1::LabelRule {
            name: one.name.clone(),
            values: one.values.clone(),
            negated: one.negated,
        };
        let constraints = v1::Constraints {
            labels: self.label.iter().map(rule).collect(),
            isa_level: self.isa.map_or_else(String::new, |level| level.to_string()),
            exclusive: self.exclusive.unwrap_or(false),
        };
        (constraints != v1::Constraints::default()).then_some(constraints)
    }
}
