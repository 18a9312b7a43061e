//! `repower policy diff`.

use std::path::PathBuf;

use repower_core::policy::{self, Difference, Policy as Rules};
use repower_proto::v1::ShowPolicyRequest;
use serde::Serialize;

use super::error::CheckError;
use super::file;
use super::show::ROOTED;
use crate::arguments::Reach;
use crate::failure::{Exit, Failure};
use crate::render::{Screen, json, words};

/// Options of `repower policy diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Diff {
    /// Policy file
    file: PathBuf,
    #[command(flatten)]
    pub(super) reach: Reach,
}

#[derive(Serialize)]
struct Document {
    before: Version,
    after: Version,
    same_text: bool,
    differences: Vec<Line>,
}

#[derive(Serialize)]
struct Version {
    version: String,
    hash: String,
}

#[derive(Serialize)]
struct Line {
    key: String,
    before: Option<String>,
    after: Option<String>,
    gives_root: bool,
}

impl Diff {
    /// Tells what the file says otherwise.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let after = file::read(&self.file)?;
        let client = self.reach.connect(screen).await?;
        let reply = client.policies().show(ShowPolicyRequest {}).await;
        let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
        let before = Rules::parse(&reply.text).map_err(|source| CheckError::Newer { source })?;
        page(screen, &before, &after)?;
        Ok(Exit::OK)
    }
}

/// Shows what `after` says otherwise than `before`.
pub(super) fn page(screen: &mut Screen, before: &Rules, after: &Rules) -> Result<(), Failure> {
    let differences = policy::diff(before, after);
    if screen.is_json() {
        let version = |rules: &Rules| Version {
            version: rules.version.clone(),
            hash: json::hex(&rules.hash.0),
        };
        let line = |one: Difference| {
            let gives_root = one.gives_root();
            Line { key: one.key, before: one.before, after: one.after, gives_root }
        };
        return Ok(screen.json(&Document {
            before: version(before),
            after: version(after),
            same_text: before.hash == after.hash,
            differences: differences.into_iter().map(line).collect(),
        })?);
    }
    lines(screen, &differences, before.hash == after.hash)
}

/// Shows differences, one key a paragraph.
pub(super) fn lines(
    screen: &mut Screen,
    differences: &[Difference],
    same_text: bool,
) -> Result<(), Failure> {
    if differences.is_empty() {
        screen.note(if same_text {
            "it is the policy in force"
        } else {
            "it says the same as the policy in force, in another text"
        });
        return Ok(());
    }
    for one in differences {
        if one.gives_root() {
            screen.line(format_args!("{}   ROOT: {ROOTED}", one.key))?;
        } else {
            screen.line(&one.key)?;
        }
        if let Some(before) = &one.before {
            screen.line(format_args!("  - {}", words::tame(before)))?;
        }
        if let Some(after) = &one.after {
            screen.line(format_args!("  + {}", words::tame(after)))?;
        }
    }
    Ok(())
}
