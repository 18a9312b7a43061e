//! `repower policy`.

use std::path::PathBuf;

use repower_core::policy::{Policy as Rules, PolicyError, Tier};
use repower_proto::v1::{PolicyReply, ShowPolicyRequest};
use serde::Serialize;

use crate::arguments::{Look, Reach};
use crate::failure::{Exit, Explain, Failure};
use crate::render::words::Tint;
use crate::render::{Cell, Column, Screen, Table, json, time};

/// The largest policy that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// Options of `repower policy`.
#[derive(Debug, clap::Args)]
pub struct Policy {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show the policy in force: which classes of work there are, and how each is treated
    Show(Show),
    /// Check a policy file without adopting it
    Check(Check),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The TOML text as adopted
    #[arg(long)]
    text: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, clap::Args)]
struct Check {
    /// Policy file
    file: PathBuf,
    #[command(flatten)]
    look: Look,
}

/// Why a file is no policy.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("cannot read the policy {path}", path = path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the policy {path} is larger than {LARGEST} bytes, the most that is read", path = path.display())]
    TooLarge { path: PathBuf },
    #[error("{path} is not a policy that can be adopted", path = path.display())]
    Wrong { path: PathBuf, source: PolicyError },
    #[error("the policy in force cannot be read by this command line")]
    Newer { source: PolicyError },
}

impl Explain for CheckError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { .. } => "check its name and permissions".to_owned(),
            Self::TooLarge { .. } => "a policy has a few lines for each class".to_owned(),
            Self::Wrong { .. } => {
                "`repower policy show --text` shows one that is well formed".to_owned()
            }
            Self::Newer { .. } => {
                "see it with --text, or use the release of the scheduler".to_owned()
            }
        })
    }
}

#[derive(Serialize)]
struct Document {
    version: String,
    hash: String,
    edition: String,
    adopted_at: Option<String>,
    classes: Vec<Class>,
    text: String,
}

#[derive(Serialize)]
struct Class {
    name: String,
    tier: &'static str,
    entry: Option<String>,
    about: String,
}

impl Policy {
    /// Returns how to show the result.
    pub(super) fn look(&self) -> &Look {
        match &self.verb {
            Verb::Show(show) => show.reach.look(),
            Verb::Check(check) => &check.look,
        }
    }

    /// Shows the policy in force, or checks a file.
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Show(show) => super::asking(show.run(screen)),
            Verb::Check(check) => check.run(screen),
        }
    }
}

impl Show {
    async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let reply = client.policies().show(ShowPolicyRequest {}).await;
        let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
        if self.text && !screen.is_json() {
            screen.bytes(reply.text.as_bytes())?;
            return Ok(Exit::OK);
        }
        let rules = Rules::parse(&reply.text).map_err(|source| CheckError::Newer { source })?;
        show(screen, &rules, Some(&reply))?;
        Ok(Exit::OK)
    }
}

impl Check {
    fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        use std::io::Read as _;

        let path = self.file;
        let unreadable = |source| CheckError::Unreadable { path: path.clone(), source };
        let mut text = String::new();
        let file = std::fs::File::open(&path).map_err(unreadable)?;
        file.take(LARGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > LARGEST {
            return Err(CheckError::TooLarge { path }.into());
        }
        let rules = Rules::parse(&text).map_err(|source| CheckError::Wrong { path, source })?;
        show(screen, &rules, None)?;
        Ok(Exit::OK)
    }
}

fn show(screen: &mut Screen, rules: &Rules, adopted: Option<&PolicyReply>) -> Result<(), Failure> {
    let hash = json::hex(&rules.hash.0);
    let adopted_at = adopted.and_then(|reply| time::rfc3339(reply.adopted_ms));
    if screen.is_json() {
        let class = |(name, class): (&String, &repower_core::policy::Class)| Class {
            name: name.clone(),
            tier: class.tier.as_str(),
            entry: (!class.entry.is_empty()).then(|| class.entry.clone()),
            about: class.about.clone(),
        };
        return Ok(screen.json(&Document {
            version: rules.version.clone(),
            hash,
            edition: rules.edition.clone(),
            adopted_at,
            classes: rules.classes.iter().map(class).collect(),
            text: rules.text.clone(),
        })?);
    }
    let since = adopted_at.map_or_else(String::new, |at| format!(", adopted {at}"));
    screen.line(format_args!("policy {}, sha256 {}…{since}", rules.version, &hash[..16]))?;
    if !rules.edition.is_empty() {
        screen.line(format_args!("catalogue: {}", rules.edition))?;
    }
    screen.line("")?;
    let mut table =
        Table::new(&[Column::whole("CLASS"), Column::whole("TIER"), Column::cut("WHAT IT IS", 20)]);
    for (name, class) in &rules.classes {
        let tint = match class.tier {
            Tier::Encouraged | Tier::Permitted => Tint::Good,
            Tier::Review => Tint::Look,
            Tier::Prohibited => Tint::Bad,
        };
        table.row([
            name.as_str().into(),
            Cell::tinted(class.tier.as_str(), Some(tint)),
            class.about.as_str().into(),
        ]);
    }
    Ok(screen.table(&table)?)
}
