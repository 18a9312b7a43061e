//! `repower policy show`.

use repower_core::policy::{Policy as Rules, Tier};
use repower_proto::v1::{PolicyReply, ShowPolicyRequest};
use serde::Serialize;

use super::error::CheckError;
use crate::arguments::Reach;
use crate::failure::{Exit, Failure};
use crate::render::words::{Tint, tame};
use crate::render::{Cell, Column, Screen, Table, json, time};

/// What it means that a class may be root.
pub(super) const ROOTED: &str = "tasks have the agent's own user, which may be root";

/// Options of `repower policy show`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The TOML text as adopted
    #[arg(long)]
    text: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
}

#[derive(Serialize)]
struct Document {
    version: String,
    hash: String,
    edition: String,
    jurisdictions: Vec<String>,
    adopted_at: Option<String>,
    classes: Vec<Class>,
    surcharges: Vec<Surcharge>,
    text: String,
}

#[derive(Serialize)]
struct Class {
    name: String,
    tier: &'static str,
    entry: Option<String>,
    entries: Vec<Listing>,
    about: String,
    isolation: &'static str,
    root: bool,
    evidence: Vec<&'static str>,
    replicate: String,
}

/// Where a class stands in a catalogue.
#[derive(Serialize)]
struct Listing {
    jurisdiction: String,
    edition: String,
    effective: String,
    entry: String,
}

#[derive(Serialize)]
struct Surcharge {
    jurisdiction: String,
    in_force: bool,
    currency: String,
    micro_per_kwh: u64,
    scope: &'static str,
    since: &'static str,
    rule: String,
}

impl Show {
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let reply = client.policies().show(ShowPolicyRequest {}).await;
        let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
        if self.text && !screen.is_json() {
            screen.bytes(reply.text.as_bytes())?;
            return Ok(Exit::OK);
        }
        let rules = Rules::parse(&reply.text).map_err(|source| CheckError::Newer { source })?;
        page(screen, &rules, Some(&reply))?;
        Ok(Exit::OK)
    }
}

/// Which classes may be root is said wherever a policy is shown: it decides who owns the nodes.
pub(super) fn rooted(screen: &mut Screen, names: &[String]) -> Result<(), Failure> {
    if !names.is_empty() {
        screen.sentence(format_args!("ROOT: {} ({ROOTED})", names.join(", ")))?;
    }
    Ok(())
}

fn document(rules: &Rules, hash: String, adopted_at: Option<String>) -> Document {
    let class = |(name, class): (&String, &repower_core::policy::Class)| Class {
        name: name.clone(),
        tier: class.tier.as_str(),
        entry: (!class.entry.is_empty()).then(|| class.entry.clone()),
        entries: rules
            .entries_of(name)
            .into_iter()
            .map(|(catalogue, entry)| Listing {
                jurisdiction: catalogue.jurisdiction.clone(),
                edition: catalogue.edition.clone(),
                effective: catalogue.effective.clone(),
                entry: entry.to_owned(),
            })
            .collect(),
        about: class.about.clone(),
        isolation: class.isolation.as_str(),
        root: class.root,
        evidence: class.evidence.iter().map(|one| one.as_str()).collect(),
        replicate: class.replication.to_string(),
    };
    let here = rules.surcharge().map(|(name, _)| name.to_owned());
    let surcharges = rules.tariffs.iter().map(|(name, tariff)| Surcharge {
        jurisdiction: name.clone(),
        in_force: here.as_ref() == Some(name),
        currency: tariff.currency.clone(),
        micro_per_kwh: tariff.surcharge_micro_per_kwh,
        scope: tariff.scope.as_str(),
        since: tariff.since.as_str(),
        rule: tariff.rule.clone(),
    });
    Document {
        version: rules.version.clone(),
        hash,
        edition: rules.catalogue.edition.clone(),
        jurisdictions: rules.jurisdictions.clone(),
        adopted_at,
        classes: rules.classes.iter().map(class).collect(),
        surcharges: surcharges.collect(),
        text: rules.text.clone(),
    }
}

/// Shows a policy; `adopted`: the one in force.
pub(super) fn page(
    screen: &mut Screen,
    rules: &Rules,
    adopted: Option<&PolicyReply>,
) -> Result<(), Failure> {
    let hash = json::hex(&rules.hash.0);
    let adopted_at = adopted.and_then(|reply| time::rfc3339(reply.adopted_ms));
    if screen.is_json() {
        return Ok(screen.json(&document(rules, hash, adopted_at))?);
    }
    let since = adopted_at.map_or_else(String::new, |at| format!(", adopted {at}"));
    screen.line(format_args!("policy {}, sha256 {}…{since}", tame(&rules.version), &hash[..16]))?;
    for catalogue in std::iter::once(&rules.catalogue)
        .chain(rules.mappings.values().map(|mapping| &mapping.catalogue))
        .filter(|catalogue| !catalogue.edition.is_empty())
    {
        screen.line(format_args!("catalogue: {}", tame(&catalogue.title())))?;
    }
    if let Some((name, tariff)) = rules.surcharge() {
        screen.line(format_args!("surcharge: {}, {}", tame(name), tame(&tariff.in_words())))?;
    }
    rooted(screen, &rules.rooted().map(str::to_owned).collect::<Vec<_>>())?;
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
