//! Which nodes will do for a job, amounts aside: the conditions that it sets, in order.
//!
//! The pass asks whether a node meets them all; the explanation counts who is left after each.

use std::fmt;

use repower_model::{Ability, Constraints, Gang, IsaLevel, JobSpec, LabelRule, Layout};

use crate::state::Node;

/// One condition that a node must meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// A rule about its labels.
    Label(LabelRule),
    /// The least instruction set.
    Isa(IsaLevel),
    /// Something that it must be able to do.
    Ability(Ability),
    /// An address by which ranks on other nodes reach it.
    Address,
}

impl Condition {
    /// The stable code, documented in `docs/reasons.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Label(_) => "nodes.label",
            Self::Isa(_) => "nodes.isa",
            Self::Ability(_) => "nodes.abilities",
            Self::Address => "nodes.address",
        }
    }

    /// Whether a node meets it. A node of another architecture has no level at all.
    pub fn is_met_by(&self, node: &Node) -> bool {
        match self {
            Self::Label(rule) => rule.is_met_by(&node.inventory.labels),
            Self::Isa(least) => has_level(node, *least),
            Self::Ability(ability) => is_able(node, *ability),
            Self::Address => !node.inventory.address.is_empty(),
        }
    }
}

impl fmt::Display for Condition {
    /// What a node that meets it is: `labelled gpu=v100`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(rule) if rule.negated => {
                write!(f, "not labelled {}", LabelRule { negated: false, ..rule.clone() })
            }
            Self::Label(rule) => write!(f, "labelled {rule}"),
            Self::Isa(least) => write!(f, "of instruction set {least} or more"),
            Self::Ability(ability) => write!(f, "able to do {ability}"),
            Self::Address => f.write_str("known by an address"),
        }
    }
}

/// The conditions that a job sets, in the order in which they are told: labels, then the
/// instruction set, abilities, and what the ranks of a gang need.
pub fn conditions<'a>(
    wanted: &'a Constraints,
    needs: &'a [Ability],
    gang: Option<&Gang>,
) -> impl Iterator<Item = Condition> + use<'a> {
    let labels = wanted.labels.iter().cloned().map(Condition::Label);
    let address = needs_address(gang).then_some(Condition::Address);
    let abilities = needs.iter().copied().map(Condition::Ability);
    labels.chain(wanted.isa_level.map(Condition::Isa)).chain(abilities).chain(address)
}

/// Whether a node meets all of them.
pub fn meets(node: &Node, wanted: &Constraints, needs: &[Ability], gang: Option<&Gang>) -> bool {
    wanted.labels.iter().all(|rule| rule.is_met_by(&node.inventory.labels))
        && wanted.isa_level.is_none_or(|least| has_level(node, least))
        && needs.iter().all(|ability| is_able(node, *ability))
        && (!needs_address(gang) || Condition::Address.is_met_by(node))
}

/// Whether ranks may have to find each other from node to node. A packed gang may come to lie on
/// several nodes whatever it names.
fn needs_address(gang: Option<&Gang>) -> bool {
    gang.is_some_and(|gang| match gang.layout {
        Layout::Spread => gang.nodes > 1,
        Layout::Pack => gang.ranks() > 1,
    })
}

/// Whether a node that takes work could hold one task of a job if it were empty, with the first
/// choice of amounts or another.
pub fn suits(node: &Node, spec: &JobSpec) -> bool {
    let mut choices = std::iter::once(&spec.resources).chain(&spec.alternatives);
    node.takes_work()
        && meets(node, &spec.constraints, &spec.abilities(), spec.gang.as_ref())
        && choices.any(|amounts| node.capacity().holds(amounts))
}

/// Agents list their abilities ascending.
fn is_able(node: &Node, ability: Ability) -> bool {
    let known = &node.inventory.abilities;
    known.binary_search_by(|name| name.as_str().cmp(ability.as_str())).is_ok()
}

fn has_level(node: &Node, least: IsaLevel) -> bool {
    IsaLevel::named(&node.inventory.isa_level).is_some_and(|level| level >= least)
}
