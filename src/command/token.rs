//! `repower token`.

mod secret;

use std::path::PathBuf;

use repower_agent::JoinFile;
use repower_proto::v1::{
    IssueReply, IssueRequest, ListTokensRequest, RevokeRequest, Role, TokenKind, TokenSummary,
};
use serde::Serialize;

use crate::arguments::Reach;
use crate::client::{Client, Profile};
use crate::failure::{Exit, Failure};
use crate::jobfile::duration::Duration;
use crate::render::{Column, Screen, Table, json, time, words};
use secret::Secret;

/// Options of `repower token`.
#[derive(Debug, clap::Args)]
pub struct Token {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a join file for one agent: repower token join --to rig-07.join
    Join(Join),
    /// Make a client profile for a person: repower token user mia --to mia.toml
    User(User),
    /// List tokens, without their secrets
    List(List),
    /// Make tokens worthless
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
struct Join {
    /// Only for an agent of this name
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    node: String,
    /// How long it can be used [default: a day]
    #[arg(long, value_name = "SPAN")]
    valid_for: Option<Duration>,
    /// Address at which agents reach the scheduler [default: the one used here]
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// Write it to this new file, which only you can read, instead of printing it
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, clap::Args)]
struct User {
    /// Name of the person
    name: String,
    /// For an operator, who may do everything; without it for a submitter, who may submit jobs, do
    /// what they like with their own, and read everything
    #[arg(long)]
    operator: bool,
    /// How long it can be used [default: until it is revoked]
    #[arg(long, value_name = "SPAN")]
    valid_for: Option<Duration>,
    /// Address at which the person reaches the scheduler [default: the one used here]
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// Write it to this new file, which only you can read, instead of printing it
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, clap::Args)]
struct Revoke {
    /// Numbers of the tokens, as `repower token list` shows them
    #[arg(value_name = "TOKEN", required = true)]
    ids: Vec<u64>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Serialize)]
struct Revoked<'a> {
    revoked: &'a [u64],
}

impl Token {
    /// Returns the options about scheduler and output.
    pub(super) fn reach(&self) -> &Reach {
        match &self.verb {
            Verb::Join(join) => &join.reach,
            Verb::User(user) => &user.reach,
            Verb::List(list) => &list.reach,
            Verb::Revoke(revoke) => &revoke.reach,
        }
    }

    /// Does what the verb says.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach().connect(screen).await?;
        match self.verb {
            Verb::Join(Join { node, valid_for, address, to, .. }) => {
                // A token that cannot be written anywhere is better not made.
                let to = to.map(Secret::create).transpose()?;
                let (kind, name) = (TokenKind::Join.into(), node);
                let asked = IssueRequest { kind, name, ..IssueRequest::default() };
                let issued = issue(&client, asked, valid_for).await?;
                let address = address.as_deref().unwrap_or(client.address());
                let text = join_file(&issued, address);
                written(screen, &issued, address, (&text, "good for one agent"), to)
            }
            Verb::User(User { name, operator, valid_for, address, to, .. }) => {
                let to = to.map(Secret::create).transpose()?;
                let role = if operator { Role::Operator } else { Role::Submitter };
                let (kind, whom) = (TokenKind::Person.into(), good_for(role));
                let asked = IssueRequest { kind, name, role: role.into(), valid_for_ms: 0 };
                let issued = issue(&client, asked, valid_for).await?;
                let address = address.as_deref().unwrap_or(client.address());
                let text = profile(&issued, address);
                written(screen, &issued, address, (&text, whom), to)
            }
            Verb::List(_) => list(&client, screen).await,
            Verb::Revoke(revoke) => {
                for id in &revoke.ids {
                    let revoked = client.access().revoke(RevokeRequest { id: *id }).await;
                    revoked.map_err(|status| client.refused(&status))?;
                    if !screen.is_json() && !screen.is_quiet() {
                        screen.line(format_args!("token {id} is revoked"))?;
                    }
                }
                if screen.is_json() {
                    screen.json(&Revoked { revoked: &revoke.ids })?;
                }
                Ok(Exit::OK)
            }
        }
    }
}

async fn issue(
    client: &Client,
    asked: IssueRequest,
    valid_for: Option<Duration>,
) -> Result<IssueReply, Failure> {
    let valid_for_ms = valid_for.map_or(0, Duration::as_millis);
    let request = IssueRequest { valid_for_ms, ..asked };
    Ok(client.access().issue(request).await.map_err(|status| client.refused(&status))?.into_inner())
}

fn join_file(issued: &IssueReply, address: &str) -> String {
    let file = JoinFile {
        scheduler: address.to_owned(),
        authority: issued.authority_pem.clone(),
        secret: issued.secret.clone(),
    };
    toml::to_string(&file).expect("three texts are always TOML")
}

fn profile(issued: &IssueReply, address: &str) -> String {
    let profile = Profile {
        scheduler: address.to_owned(),
        authority: issued.authority_pem.clone(),
        token: issued.secret.clone(),
    };
    profile.to_toml()
}

fn written(
    screen: &mut Screen,
    issued: &IssueReply,
    address: &str,
    (text, whom): (&str, &str),
    to: Option<Secret>,
) -> Result<Exit, Failure> {
    let place = to.as_ref().map(|file| format!(" is in {}", file.path.display()));
    if let Some(file) = to {
        file.write(text)?;
    }
    if screen.is_json() {
        screen.json(&json::Issued::new(issued, address))?;
        return Ok(Exit::OK);
    }
    if place.is_none() {
        screen.bytes(text.as_bytes())?;
    }
    let until = time::rfc3339(issued.expires_ms);
    let until = until.map_or_else(String::new, |end| format!(", until {end}"));
    let id = issued.id;
    screen.note(match place {
        Some(place) => format!("token {id}, {whom}{until},{place}: keep it secret"),
        None => format!(
            "token {id}, {whom}{until}; it is shown only now: keep the file secret (--to FILE does)"
        ),
    });
    Ok(Exit::OK)
}

async fn list(client: &Client, screen: &mut Screen) -> Result<Exit, Failure> {
    let reply = client.access().list(ListTokensRequest {}).await;
    let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
    if screen.is_json() {
        screen.json(&json::Tokens::from(&reply))?;
        return Ok(Exit::OK);
    }
    let mut table = Table::new(&[
        Column::number("ID"),
        Column::whole("KIND"),
        Column::cut("FOR", 12),
        Column::whole("ISSUED"),
        Column::whole("EXPIRES"),
        Column::whole("USED"),
    ]);
    for token in &reply.tokens {
        let second =
            |ms| time::rfc3339(ms).map_or_else(|| "never".to_owned(), |text| text[..19].to_owned());
        let anybody = token.name.is_empty();
        table.row([
            token.id.to_string().into(),
            words::role(token.role()).unwrap_or(words::token_kind(token.kind())).into(),
            if anybody { "anybody" } else { token.name.as_str() }.into(),
            second(token.issued_ms).into(),
            second(token.expires_ms).into(),
            used(token).into(),
        ]);
    }
    if table.is_empty() {
        screen.note("no tokens");
    } else {
        screen.table(&table)?;
    }
    Ok(Exit::OK)
}

/// Whom a person's token is good for.
fn good_for(role: Role) -> &'static str {
    match role {
        Role::Operator => "good for one operator",
        Role::Submitter | Role::Unspecified => "good for one submitter",
    }
}

/// Whether it was used up, as far as it can be: a person's is used as often as they like.
fn used(token: &TokenSummary) -> &'static str {
    match (token.kind(), token.used) {
        (TokenKind::Join, true) => "yes",
        (TokenKind::Join, false) => "no",
        (TokenKind::Person | TokenKind::Unspecified, _) => "-",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_good_once_is_used_up() {
        let of = |kind: TokenKind, is_used| {
            used(&TokenSummary { kind: kind.into(), used: is_used, ..TokenSummary::default() })
        };

        assert_eq!(of(TokenKind::Join, true), "yes");
        assert_eq!(of(TokenKind::Join, false), "no");
        assert_eq!(of(TokenKind::Person, false), "-");
    }
}
