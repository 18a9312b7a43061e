//! What a job asks of nodes besides amounts.

use repower_model::{Constraints, Gang, IsaLevel, LabelRule, Layout, NodeId, Part};

use super::{ConvertError, Problem};
use crate::v1;

impl From<Gang> for v1::Gang {
    fn from(gang: Gang) -> Self {
        let layout = match gang.layout {
            Layout::Spread => v1::Layout::Spread,
            Layout::Pack => v1::Layout::Pack,
        };
        Self { nodes: gang.nodes, ranks_per_node: gang.ranks_per_node, layout: layout.into() }
    }
}

impl TryFrom<v1::Gang> for Gang {
    type Error = ConvertError;

    fn try_from(gang: v1::Gang) -> Result<Self, ConvertError> {
        let unknown = || ConvertError::new("gang.layout", Problem::Unknown { value: gang.layout });
        let layout = match v1::Layout::try_from(gang.layout).map_err(|_| unknown())? {
            v1::Layout::Unspecified | v1::Layout::Spread => Layout::Spread,
            v1::Layout::Pack => Layout::Pack,
        };
        Ok(Self { nodes: gang.nodes, ranks_per_node: gang.ranks_per_node.max(1), layout })
    }
}

/// Constraints, left out where there are none.
pub(super) fn constraints(constraints: &Constraints) -> Option<v1::Constraints> {
    let rule = |one: &LabelRule| v1::LabelRule {
        name: one.name.clone(),
        values: one.values.clone(),
        negated: one.negated,
    };
    (*constraints != Constraints::default()).then(|| v1::Constraints {
        labels: constraints.labels.iter().map(rule).collect(),
        isa_level: constraints.isa_level.map_or_else(String::new, |level| level.to_string()),
        exclusive: constraints.exclusive,
    })
}

impl TryFrom<v1::Constraints> for Constraints {
    type Error = ConvertError;

    /// Rules come out ascending, none twice.
    fn try_from(constraints: v1::Constraints) -> Result<Self, ConvertError> {
        let rule = |one: v1::LabelRule| LabelRule {
            name: one.name,
            values: one.values,
            negated: one.negated,
        };
        let mut labels: Vec<_> = constraints.labels.into_iter().map(rule).collect();
        labels.sort();
        labels.dedup();
        let isa_level = match constraints.isa_level {
            name if name.is_empty() => None,
            name => Some(IsaLevel::named(&name).ok_or_else(|| {
                ConvertError::new("constraints.isa_level", Problem::UnknownWord { word: name })
            })?),
        };
        Ok(Self { labels, isa_level, exclusive: constraints.exclusive })
    }
}

impl From<Part> for v1::Part {
    fn from(part: Part) -> Self {
        Self { node: part.node.0, ranks: part.ranks }
    }
}

impl From<v1::Part> for Part {
    fn from(part: v1::Part) -> Self {
        Self { node: NodeId(part.node), ranks: part.ranks }
    }
}
