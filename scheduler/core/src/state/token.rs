//! Tokens: who may do what, without their secrets.

use repower_model::{Hash, Timestamp, TokenId, TokenKind};
use serde::{Deserialize, Serialize};

/// A token. Its secret is with its bearer alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What it allows.
    pub kind: TokenKind,
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
    /// Whether it is a person's.
    pub fn is_person(&self) -> bool {
        self.kind == TokenKind::Person
    }

    /// Whether it is too old.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}
