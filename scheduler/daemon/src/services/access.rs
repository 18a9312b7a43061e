//! The service for tokens.

use std::sync::Arc;

use repower_core::effect::Answer;
use repower_core::input::Input;
use repower_core::state::Token;
use repower_model::{Role, Span, TokenId, TokenKind};
use repower_proto::convert::{self, moment_ms};
use repower_proto::v1;
use repower_proto::v1::access_server::Access;
use tonic::{Code, Request, Response, Status};

use super::submit::unexpected;
use crate::gate::{self, Person};
use crate::problem::Problem;
use crate::shared::Shared;
use crate::{clock, secret};

/// How long a join token is good if nothing is said.
const JOIN: Span = Span::from_secs(86_400);
/// The longest name of a person.
const NAME: usize = 64;

#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<Shared>);

#[tonic::async_trait]
impl Access for Service {
    async fn issue(
        &self,
        request: Request<v1::IssueRequest>,
    ) -> Result<Response<v1::IssueReply>, Status> {
        let by = gate::person(&request)?.name;
        let v1::IssueRequest { kind, name, valid_for_ms, role } = request.into_inner();
        let kind = convert::known::<v1::TokenKind>("kind", kind).and_then(TokenKind::try_from);
        let kind = kind.map_err(Problem::from)?;
        check_name(kind, &name)?;
        let role = role_of(kind, convert::role(role).map_err(Problem::from)?)?;
        let valid_for = convert::span(valid_for_ms).or(match kind {
            TokenKind::Join => Some(JOIN),
            TokenKind::Person => None,
        });
        let expires = valid_for.map(|valid_for| clock::now() + valid_for);
        let secret = secret::make().map_err(|error| {
            Problem::new(Code::Internal, "secret.none", "no secret can be made").because(&error)
        })?;
        let hash = secret::hash(&secret);
        let input = Input::Issue { kind, role, name, hash, expires, by };
        let Answer::Token(id) = self.0.keeper.ask(input).await? else {
            return Err(unexpected());
        };
        Ok(Response::new(v1::IssueReply {
            id: id.0,
            secret,
            authority_pem: self.0.authority.pem().to_owned(),
            expires_ms: moment_ms(expires),
        }))
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeReply>, Status> {
        let Person { name: by, role } = gate::person(&request)?;
        let id = TokenId(request.into_inner().id);
        self.0.keeper.ask(Input::Revoke { id, by, role }).await?;
        Ok(Response::new(v1::RevokeReply {}))
    }

    async fn list(
        &self,
        _: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensReply>, Status> {
        let state = self.0.published.read();
        let tokens = state.tokens.values().map(|token| v1::TokenSummary {
            id: token.id.0,
            kind: v1::TokenKind::from(token.kind).into(),
            name: token.name.clone(),
            issued_ms: token.issued.as_millis(),
            expires_ms: moment_ms(token.expires),
            used: token.used,
            role: token.role.map_or(v1::Role::Unspecified, v1::Role::from).into(),
        });
        let tokens = tokens.collect();
        Ok(Response::new(v1::ListTokensReply { tokens }))
    }
}

/// The role that a token gets: a person's is a submitter's if nothing is said.
fn role_of(kind: TokenKind, asked: Option<Role>) -> Result<Option<Role>, Problem> {
    match (kind, asked) {
        (TokenKind::Person, asked) => Ok(Some(asked.unwrap_or(Role::Submitter))),
        (TokenKind::Join, None) => Ok(None),
        (TokenKind::Join, Some(role)) => {
            let text = format!("a join token is for an agent, which is no {}", role.as_str());
            Err(Problem::bad_request(text))
        }
    }
}

fn check_name(kind: TokenKind, name: &str) -> Result<(), Problem> {
    let bad = |text: String| Err(Problem::bad_request(text));
    match kind {
        TokenKind::Join => {
            let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
            if name.len() > 63 || !name.chars().all(right) {
                return bad(format!(
                    "`{name}` cannot be the name of a node: at most 63 characters of a-z, 0-9, `-`, `.` and `_`"
                ));
            }
        }
        TokenKind::Person => {
            if name.trim().is_empty() || name.len() > NAME || name.chars().any(char::is_control) {
                return bad(format!(
                    "a person's token needs a name of 1 to {NAME} bytes without control characters"
                ));
            }
            if name == Token::SCHEDULER {
                return bad(format!(
                    "`{name}` is who decides where no person does: take another name"
                ));
            }
        }
    }
    Ok(())
}
