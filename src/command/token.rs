//! `repower token`.

use repower_agent::JoinFile;
use repower_proto::v1::{IssueReply, IssueRequest, ListTokensRequest, RevokeRequest, TokenKind};
use serde::Serialize;

use crate::arguments::Reach;
use crate::client::{Client, Profile};
use crate::failure::{Exit, Failure};
use crate::jobfile::duration::Duration;
use crate::render::{Column, Screen, Table, json, time, words};

/// Options of `repower token`.
#[derive(Debug, clap::Args)]
pub struct Token {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a join file for one agent: repower token join > join.toml
    Join(Join),
    /// Make a client profile for a person: repower token user mia > client.toml
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
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, clap::Args)]
struct User {
    /// Name of the person
    name: String,
    /// How long it can be used [default: until it is revoked]
    #[arg(long, value_name = "SPAN")]
    valid_for: Option<Duration>,
    /// Address at which the person reaches the scheduler [default: the one used here]
    #[arg(long, value_name = "URL")]
    address: Option<String>,
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
            Verb::Join(join) => {
                let issued = issue(&client, TokenKind::Join, join.node, join.valid_for).await?;
                join_file(screen, &issued, join.address.as_deref().unwrap_or(client.address()))
            }
            Verb::User(user) => {
                let issued = issue(&client, TokenKind::Person, user.name, user.valid_for).await?;
                profile(screen, &issued, user.address.as_deref().unwrap_or(client.address()))
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
    kind: TokenKind,
    name: String,
    valid_for: Option<Duration>,
) -> Result<IssueReply, Failure> {
    let valid_for_ms = valid_for.map_or(0, Duration::as_millis);
    let request = IssueRequest { kind: kind.into(), name, valid_for_ms };
    Ok(client.access().issue(request).await.map_err(|status| client.refused(&status))?.into_inner())
}

fn join_file(screen: &mut Screen, issued: &IssueReply, address: &str) -> Result<Exit, Failure> {
    let file = JoinFile {
        scheduler: address.to_owned(),
        authority: issued.authority_pem.clone(),
        secret: issued.secret.clone(),
    };
    let text = toml::to_string(&file).expect("three texts are always TOML");
    written(screen, issued, address, &text, "good for one agent")
}

fn profile(screen: &mut Screen, issued: &IssueReply, address: &str) -> Result<Exit, Failure> {
    let profile = Profile {
        scheduler: address.to_owned(),
        authority: issued.authority_pem.clone(),
        token: issued.secret.clone(),
    };
    written(screen, issued, address, &profile.to_toml(), "good for one person")
}

fn written(
    screen: &mut Screen,
    issued: &IssueReply,
    address: &str,
    text: &str,
    whom: &str,
) -> Result<Exit, Failure> {
    if screen.is_json() {
        screen.json(&json::Issued::new(issued, address))?;
    } else {
        screen.bytes(text.as_bytes())?;
        let until = time::rfc3339(issued.expires_ms)
            .map_or_else(String::new, |end| format!(", until {end}"));
        screen.note(format_args!(
            "token {}, {whom}{until}; it is shown only now: keep the file secret",
            issued.id
        ));
    }
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
            words::token_kind(token.kind()).into(),
            if anybody { "anybody" } else { token.name.as_str() }.into(),
            second(token.issued_ms).into(),
            second(token.expires_ms).into(),
            if token.used { "yes" } else { "no" }.into(),
        ]);
    }
    if table.is_empty() {
        screen.note("no tokens");
    } else {
        screen.table(&table)?;
    }
    Ok(Exit::OK)
}
