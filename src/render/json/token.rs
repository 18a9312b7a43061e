//! Tokens as JSON.

use repower_proto::v1;
use serde::Serialize;

use super::text;
use crate::render::{time, words};

/// One token; never its secret.
#[derive(Debug, Serialize)]
pub struct Token {
    id: u64,
    kind: &'static str,
    role: Option<&'static str>,
    name: Option<String>,
    issued_at: Option<String>,
    expires_at: Option<String>,
    used: bool,
}

/// All tokens.
#[derive(Debug, Serialize)]
pub struct Tokens {
    tokens: Vec<Token>,
}

/// A new token with its secret, shown once.
#[derive(Debug, Serialize)]
pub struct Issued {
    id: u64,
    secret: String,
    scheduler: String,
    authority: String,
    expires_at: Option<String>,
}

impl From<&v1::TokenSummary> for Token {
    fn from(token: &v1::TokenSummary) -> Self {
        Self {
            id: token.id,
            kind: words::token_kind(token.kind()),
            role: words::role(token.role()),
            name: text(&token.name),
            issued_at: time::rfc3339(token.issued_ms),
            expires_at: time::rfc3339(token.expires_ms),
            used: token.used,
        }
    }
}

impl From<&v1::ListTokensReply> for Tokens {
    fn from(reply: &v1::ListTokensReply) -> Self {
        Self { tokens: reply.tokens.iter().map(Token::from).collect() }
    }
}

impl Issued {
    /// A token for whoever reaches the scheduler at `scheduler`.
    pub fn new(reply: &v1::IssueReply, scheduler: &str) -> Self {
        Self {
            id: reply.id,
            secret: reply.secret.clone(),
            scheduler: scheduler.to_owned(),
            authority: reply.authority_pem.clone(),
            expires_at: time::rfc3339(reply.expires_ms),
        }
    }
}
