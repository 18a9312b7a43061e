//! Nodes and tokens.

use repower_model::{Inventory, NodePhase, Role, TokenKind};

use super::{ConvertError, Problem, amounts, known, present};
use crate::v1;

impl From<&Inventory> for v1::Inventory {
    fn from(inventory: &Inventory) -> Self {
        Self {
            capacity: Some((&inventory.capacity).into()),
            hostname: inventory.hostname.clone(),
            kernel: inventory.kernel.clone(),
            cpu_model: inventory.cpu_model.clone(),
            isa_level: inventory.isa_level.clone(),
            sockets: inventory.sockets,
            version: inventory.version.clone(),
            labels: inventory.labels.iter().map(label).collect(),
            address: inventory.address.clone(),
            abilities: inventory.abilities.clone(),
            lacks: inventory.lacks.iter().map(label).collect(),
        }
    }
}

impl TryFrom<v1::Inventory> for Inventory {
    type Error = ConvertError;

    fn try_from(inventory: v1::Inventory) -> Result<Self, ConvertError> {
        Ok(Self {
            capacity: amounts(present("capacity", inventory.capacity)?),
            hostname: inventory.hostname,
            kernel: inventory.kernel,
            cpu_model: inventory.cpu_model,
            isa_level: inventory.isa_level,
            sockets: inventory.sockets,
            version: inventory.version,
            labels: labels(inventory.labels),
            address: inventory.address,
            abilities: ascending(inventory.abilities),
            lacks: labels(inventory.lacks),
        })
    }
}

fn label((name, value): &(String, String)) -> v1::Label {
    v1::Label { name: name.clone(), value: value.clone() }
}

/// By name; of those of one name the last counts.
fn labels(labels: Vec<v1::Label>) -> Vec<(String, String)> {
    let by_name: std::collections::BTreeMap<_, _> =
        labels.into_iter().map(|label| (label.name, label.value)).collect();
    by_name.into_iter().collect()
}

/// Sorted, none twice.
fn ascending(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words.dedup();
    words
}

/// The field `inventory` of a message, which must be there.
pub fn inventory(inventory: Option<v1::Inventory>) -> Result<Inventory, ConvertError> {
    let inventory = present("inventory", inventory)?;
    Inventory::try_from(inventory).map_err(|error| error.within("inventory"))
}

impl From<NodePhase> for v1::NodePhase {
    fn from(phase: NodePhase) -> Self {
        match phase {
            NodePhase::Enrolled => Self::Enrolled,
            NodePhase::Up => Self::Up,
            NodePhase::Lost => Self::Lost,
            NodePhase::Left => Self::Left,
        }
    }
}

impl TryFrom<v1::NodePhase> for NodePhase {
    type Error = ConvertError;

    fn try_from(phase: v1::NodePhase) -> Result<Self, ConvertError> {
        match phase {
            v1::NodePhase::Unspecified => {
                Err(ConvertError::new("phase", Problem::Unknown { value: 0 }))
            }
            v1::NodePhase::Enrolled => Ok(Self::Enrolled),
            v1::NodePhase::Up => Ok(Self::Up),
            v1::NodePhase::Lost => Ok(Self::Lost),
            v1::NodePhase::Left => Ok(Self::Left),
        }
    }
}

impl From<TokenKind> for v1::TokenKind {
    fn from(kind: TokenKind) -> Self {
        match kind {
            TokenKind::Join => Self::Join,
            TokenKind::Person => Self::Person,
        }
    }
}

impl TryFrom<v1::TokenKind> for TokenKind {
    type Error = ConvertError;

    fn try_from(kind: v1::TokenKind) -> Result<Self, ConvertError> {
        match kind {
            v1::TokenKind::Unspecified => {
                Err(ConvertError::new("kind", Problem::Unknown { value: 0 }))
            }
            v1::TokenKind::Join => Ok(Self::Join),
            v1::TokenKind::Person => Ok(Self::Person),
        }
    }
}

impl From<Role> for v1::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Submitter => Self::Submitter,
            Role::Operator => Self::Operator,
        }
    }
}

/// A role, if there is one.
///
/// # Errors
///
/// A number that this version does not know.
pub fn role(wire: i32) -> Result<Option<Role>, ConvertError> {
    Ok(match known::<v1::Role>("role", wire)? {
        v1::Role::Unspecified => None,
        v1::Role::Submitter => Some(Role::Submitter),
        v1::Role::Operator => Some(Role::Operator),
    })
}
