//! `repower policy apply`.

use std::path::PathBuf;

use repower_proto::v1::{ApplyPolicyReply, ApplyPolicyRequest};
use serde::Serialize;

use super::file;
use super::show;
use crate::arguments::Reach;
use crate::failure::{Exit, Failure};
use crate::render::quantity::count;
use crate::render::{Screen, words};

const EXAMPLES: &str = "\
Examples:
  repower policy diff policy.toml
  repower policy apply policy.toml --dry-run
  repower policy apply policy.toml
Decisions that were made stay as they are, with the policy that they were made
by. Nothing starts any more that the new one prohibits; what runs goes on.";

/// Options of `repower policy apply`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Apply {
    /// Policy file
    file: PathBuf,
    /// Only if the policy in force has this SHA-256, as `repower policy show` has it
    #[arg(long, value_name = "HASH", default_value = "", hide_default_value = true)]
    replaces: String,
    /// Tell what would come of it, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
}

#[derive(Serialize)]
struct Document {
    version: String,
    hash: String,
    changed: bool,
    held: u64,
    running: u64,
    dry_run: bool,
    rooted: Vec<String>,
}

impl Apply {
    /// Puts the file in force.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let rules = file::read(&self.file)?;
        let rooted: Vec<String> = rules.rooted().map(str::to_owned).collect();
        let client = self.reach.connect(screen).await?;
        let (replaces, dry_run) = (self.replaces, self.dry_run);
        let request = ApplyPolicyRequest { text: rules.text, replaces, dry_run };
        let reply = client.policies().apply(request).await;
        let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
        page(screen, &reply, dry_run, rooted)?;
        Ok(Exit::OK)
    }
}

fn page(
    screen: &mut Screen,
    reply: &ApplyPolicyReply,
    dry_run: bool,
    rooted: Vec<String>,
) -> Result<(), Failure> {
    let ApplyPolicyReply { version, hash, changed, held, running } = reply.clone();
    if screen.is_json() {
        return Ok(screen.json(&Document {
            version,
            hash,
            changed,
            held,
            running,
            dry_run,
            rooted,
        })?);
    }
    if screen.is_quiet() {
        return Ok(screen.line(hash)?);
    }
    let version = words::tame(&version);
    let short = hash.get(..16).unwrap_or(&hash);
    match (changed, dry_run) {
        (false, _) => screen.line(format_args!("policy {version} is in force already"))?,
        (true, false) => {
            screen.line(format_args!("policy {version} is in force, sha256 {short}…"))?;
        }
        (true, true) => {
            screen.line(format_args!("policy {version} would be in force, sha256 {short}…"))?;
        }
    }
    show::rooted(screen, &rooted)?;
    if held > 0 {
        screen.line(format_args!("held by it: {}", count(held, "job")))?;
    }
    if running > 0 {
        let tasks = count(running, "task");
        screen.line(format_args!(
            "{tasks} of such jobs run, and go on: `repower cancel` ends them"
        ))?;
    }
    Ok(())
}
