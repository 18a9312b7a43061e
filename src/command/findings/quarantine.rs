//! `repower quarantine`.

use repower_model::Hash;
use repower_proto::v1::{ListQuarantinedReply, ListQuarantinedRequest, QuarantineRequest};

use crate::arguments::Reach;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::render::{Column, Screen, Table, json, time};

const EXAMPLES: &str = "\
Examples:
  repower quarantine
  repower quarantine --add 9f86d081884c7d65... --reason 'a known miner'
  repower quarantine --release 9f86d081884c7d65... --reason 'was an error'
Jobs that bring one as their script, an input or their image are refused, and
nodes start no task that brings one. Tasks that run already go on: cancel those.";

/// Options of `repower quarantine`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, group = clap::ArgGroup::new("change").args(["add", "release"]))]
pub struct Quarantine {
    /// Let no job in that brings the program with this SHA-256
    #[arg(long, value_name = "DIGEST", value_parser = digest, requires = "reason")]
    add: Option<Hash>,
    /// Let jobs in again that bring the program with this SHA-256
    #[arg(long, value_name = "DIGEST", value_parser = digest, requires = "reason")]
    release: Option<Hash>,
    /// Why, for the ledger
    #[arg(long, short, requires = "change")]
    reason: Option<String>,
    #[command(flatten)]
    pub(in crate::command) reach: Reach,
}

fn digest(text: &str) -> Result<Hash, String> {
    Hash::from_hex(text).ok_or_else(|| "a SHA-256 has 64 hexadecimal digits".to_owned())
}

impl Quarantine {
    /// Lists the programs, or changes what is forbidden.
    pub(in crate::command) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let change = match (self.add, self.release) {
            (Some(digest), _) => Some((digest, false)),
            (None, Some(digest)) => Some((digest, true)),
            (None, None) => None,
        };
        if let Some((digest, release)) = change {
            let reason = self.reason.unwrap_or_default();
            let request = QuarantineRequest { digest: digest.0.to_vec(), reason, release };
            let reply = client.findings().quarantine(request).await;
            reply.map_err(|status| client.refused(&status))?;
        }
        let reply = client.findings().quarantined(ListQuarantinedRequest {}).await;
        let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
        list(screen, &reply)?;
        Ok(Exit::OK)
    }
}

fn list(screen: &mut Screen, reply: &ListQuarantinedReply) -> Result<(), Failure> {
    if screen.is_json() {
        return Ok(screen.json(&json::Quarantine::from(reply))?);
    }
    if screen.is_quiet() {
        for one in &reply.quarantined {
            screen.line(json::hex(&one.digest))?;
        }
        return Ok(());
    }
    if reply.quarantined.is_empty() {
        screen.note("no program is in quarantine");
        return Ok(());
    }
    let now_ms = clock::now_ms();
    let mut table = Table::new(&[
        Column::cut("SHA-256", 16),
        Column::whole("SINCE"),
        Column::number("FINDING"),
        Column::cut("WHY", 12),
    ]);
    for one in &reply.quarantined {
        let finding = if one.finding == 0 { "-".to_owned() } else { one.finding.to_string() };
        table.row([
            json::hex(&one.digest).into(),
            format!("{} ago", time::between(one.since_ms, now_ms)).into(),
            finding.into(),
            format!("{}: {}", one.by, one.reason).into(),
        ]);
    }
    Ok(screen.table(&table)?)
}
