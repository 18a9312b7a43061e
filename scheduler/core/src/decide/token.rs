//! Tokens, and the enrolment that a join token allows.

use repower_model::{Hash, NodeId, NodePhase, Role, Timestamp, TokenId, TokenKind};

use super::owner::{self, Asker};
use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::Fact;
use crate::refusal::Refusal;

pub(crate) fn issue(
    draft: &mut Draft<'_>,
    (kind, role): (TokenKind, Option<Role>),
    name: &str,
    hash: Hash,
    expires: Option<Timestamp>,
    by: &str,
) -> Answer {
    let id = TokenId(draft.state().last_token + 1);
    let (name, by) = (name.to_owned(), by.to_owned());
    draft.push(Fact::TokenIssued { id, kind, role, name, hash, expires, by });
    Answer::Token(id)
}

/// Takes a token back: what is in the asker's own name, or as an operator any.
pub(crate) fn revoke(
    draft: &mut Draft<'_>,
    id: TokenId,
    asker: Asker<'_>,
) -> Result<Answer, Refusal> {
    let Some(token) = draft.state().tokens.get(&id) else {
        return Err(Refusal::TokenUnknown { id });
    };
    let (by, _) = asker;
    if !token.is_person() || token.name != by {
        owner::rules(asker, "revoke tokens of others")?;
    }
    draft.push(Fact::TokenRevoked { id, by: by.to_owned() });
    Ok(Answer::Done)
}

pub(crate) fn enrol(
    draft: &mut Draft<'_>,
    secret: &Hash,
    name: &str,
    fingerprint: Hash,
) -> Result<Answer, Refusal> {
    let token = draft.state().token_by_hash(secret).filter(|token| token.kind == TokenKind::Join);
    let token = token.ok_or(Refusal::TokenWrong)?;
    let id = token.id;
    if token.used {
        return Err(Refusal::TokenUsed { id });
    }
    if token.has_expired(draft.now()) {
        return Err(Refusal::TokenExpired { id });
    }
    if !token.name.is_empty() && token.name != name {
        let (wanted, name) = (token.name.clone(), name.to_owned());
        return Err(Refusal::TokenForAnother { id, wanted, name });
    }
    check_name(name)?;
    let node = match draft.state().node_by_name(name) {
        Some(known) if known.phase == NodePhase::Up => {
            let (name, phase) = (name.to_owned(), known.phase.as_str());
            return Err(Refusal::NodeNameTaken { name, phase });
        }
        // Only a token that was made for this node hands its identity on.
        Some(known) if token.name.is_empty() => {
            let (name, phase) = (name.to_owned(), known.phase.as_str());
            return Err(Refusal::NodeNameTaken { name, phase });
        }
        Some(known) => known.id,
        None => NodeId(draft.state().last_node + 1),
    };
    draft.push(Fact::TokenUsed { id });
    draft.push(Fact::NodeEnrolled { node, name: name.to_owned(), fingerprint, token: id });
    Ok(Answer::Node(node))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
    if (1..=63).contains(&name.len()) && name.chars().all(right) {
        return Ok(());
    }
    let problem = "must be 1 to 63 characters of a-z, 0-9, `-`, `.` and `_`".to_owned();
    Err(Refusal::BadText { what: "the node's name", problem })
}
