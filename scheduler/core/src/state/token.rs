//! Tokens: who may do what, without their secrets.

use repower_model::{Hash, Role, Timestamp, TokenId, TokenKind};
use serde::{Deserialize, Serialize};

/// A token. Its secret is with its bearer alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What it allows.
    pub kind: TokenKind,
    /// As what it lets a person come; `None`: of a join token.
    pub role: Option<Role>,
    /// The person's name, or the node's; empty: any node.
    pub name: String,
    /// SHA-256 of the secret.
    pub hash: Hash,
    /// When it was made.
    pub issued: Timestamp,
    /// Until when it is good.
    pub expires: Option<Timestamp>,
    /// Whether it has done its work; only of join tokens.
    pub used: bool,
}

impl Token {
    /// The name of the first person, who is an operator.
    pub const ADMIN: &str = "admin";
    /// Who decides where no person does: no token has this name.
    pub const SCHEDULER: &str = "scheduler";

    /// The role in a fact, or what a token of before there were roles has meant: whoever had the name
    /// [`ADMIN`](Self::ADMIN) was an operator, and nobody else.
    pub(super) fn role_of(kind: TokenKind, role: Option<Role>, name: &str) -> Option<Role> {
        let of_old = if name == Self::ADMIN { Role::Operator } else { Role::Submitter };
        match kind {
            TokenKind::Join => None,
            TokenKind::Person => Some(role.unwrap_or(of_old)),
        }
    }

    /// Whether it is a person's.
    pub fn is_person(&self) -> bool {
        self.kind == TokenKind::Person
    }

    /// Whether it is an operator's.
    pub fn is_operators(&self) -> bool {
        self.role >= Some(Role::Operator)
    }

    /// Whether it is too old.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}
