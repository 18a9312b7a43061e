//! The client profile of the first person: `client.toml` in the data folder.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use repower_core::input::Input;
use repower_core::state::{State, Token};
use repower_model::{Role, TokenKind};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::shared::Shared;
use crate::tls::write_private;
use crate::{Error, clock, secret};

const FILE: &str = "client.toml";

/// What a client needs to reach the scheduler.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Profile {
    scheduler: String,
    authority: String,
    token: String,
}

/// Brings `client.toml` up to date: with a new token if there is none or it is no longer good.
pub(crate) async fn write(shared: &Shared, address: SocketAddr) -> Result<(), Error> {
    let path = shared.options.data.join(FILE);
    let known = read(&path);
    let good = known.as_ref().filter(|known| is_good(known, &shared.published.read()));
    let token = match good {
        Some(known) => known.token.clone(),
        None => issue(shared).await?,
    };
    let authority = shared.authority.pem().to_owned();
    let profile = Profile { scheduler: url(address), authority, token };
    if known.as_ref() == Some(&profile) {
        return Ok(());
    }
    let text = toml::to_string(&profile).expect("three strings are TOML");
    write_private(&path, &text)
}

fn read(path: &Path) -> Option<Profile> {
    let text = std::fs::read_to_string(path).ok()?;
    toml::from_str(&text).ok()
}

fn is_good(profile: &Profile, state: &State) -> bool {
    // Whoever starts the scheduler can always run it, also if everybody else's token is gone.
    let token = state.person_by_hash(&secret::hash(&profile.token), clock::now());
    token.is_some_and(Token::is_operators)
}

async fn issue(shared: &Shared) -> Result<String, Error> {
    let secret = secret::make().map_err(Error::Random)?;
    let input = Input::Issue {
        kind: TokenKind::Person,
        role: Some(Role::Operator),
        name: Token::ADMIN.to_owned(),
        hash: secret::hash(&secret),
        expires: None,
        by: Token::SCHEDULER.to_owned(),
    };
    shared.keeper.ask(input).await.map_err(|problem| founding(&problem))?;
    Ok(secret)
}

/// A problem with the first facts of a cell, as an error at start.
pub(crate) fn founding(problem: &Problem) -> Error {
    let because = problem.because.as_ref().map(|because| format!(" ({because})"));
    let problem_text = format!("{}{}", problem.text, because.unwrap_or_default());
    Error::Founding { problem: problem_text, hint: problem.hint.clone() }
}

/// Where a client on this machine finds the scheduler.
pub(crate) fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    format!("https://{}", SocketAddr::new(ip, address.port()))
}
