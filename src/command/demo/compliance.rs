//! The chapters of the job that is not what it says, and of the one that only looks like it.

use std::time::Duration;

use indicatif::ProgressBar;
use repower_proto::v1::{AttemptsRequest, FindingReply, FollowFindingsRequest, ListNodesRequest};

use super::DemoError;
use super::examples::Examples;
use super::shell::Shell;
use super::tell::Teller;
use crate::client::Client;
use crate::failure::Failure;

/// How long the detector may take; with the pace of the demo it takes a few seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// For how long the load computes if nobody ends it: longer than anybody waits for it to be noticed.
const SECONDS: &str = "300";

/// Hashes files twice, and says how many agree.
const CHECKSUMS: &str = "#!/bin/sh
set -eu
find /usr/lib -xdev -type f -name '*.so*' | head -n 300 > files
xargs -r sha256sum < files > sums
sha256sum --quiet --check sums
echo \"$(wc -l < sums) files hashed twice, and all of them agree\"
";

/// A job that declares science and runs something else.
pub(super) async fn catch(
    client: &Client,
    (owner, operator): (&Shell, &Shell),
    examples: &Examples,
    teller: &mut Teller<'_>,
) -> Result<(), Failure> {
    teller.chapter("A job declares science and runs something else")?;
    teller.line("stand-in is a program of ours that changes the rounding mode of the processor")?;
    teller.line("as a RandomX miner does, and hashes nothing: no miner is built for this demo.")?;
    if let Some(why) = blind(client).await? {
        return teller.line(format_args!("What comes of it cannot be shown here: {why}"));
    }
    let pace = super::PACE;
    teller.line(format_args!("The detector looks {pace} times as fast here as in production."))?;
    let input = examples.stand_in.to_string_lossy();
    let submit = [
        "submit",
        "--class",
        "sci-simulation",
        "--name",
        "folding",
        "-q",
        "--input",
        &input,
        "--outputs",
        "result.txt",
        "--",
        "./stand-in",
        SECONDS,
    ];
    let job = owner.run(teller, &submit).await?.good()?.out;
    let number = job.parse().unwrap_or_default();
    let found = noticed(client, number).await?;
    let finding = found.finding.clone().unwrap_or_default();
    let id = finding.id.to_string();
    let span = Duration::from_millis(
        u64::try_from(finding.opened_ms - started(client, number).await?).unwrap_or(0),
    );
    teller.line(format_args!(
        "noticed {:.1} s after it had started: its task stands still, nothing of it was ended",
        span.as_secs_f64()
    ))?;
    let shown = operator.run(teller, &["findings", "show", &id]).await?.good()?.out;
    teller.fields(&shown)?;
    let refused = owner.run(teller, &["fetch", &job]).await?.refused("finding.outputs-held")?;
    teller.quote(&refused)?;
    let evidence = ["findings", "evidence", &id, "--to", "evidence.txt"];
    let said = operator.run(teller, &evidence).await?.good()?.err;
    teller.quote(&said)?;
    let reason = "four rounding modes all the time, and no result in sight";
    let confirm = ["findings", "confirm", &id, "--reason", reason];
    let said = operator.run(teller, &confirm).await?.good()?.out;
    teller.quote(&said)?;
    let ended = owner.quietly(&["wait", &job]).await?;
    if ended.code != Some(77) {
        let found = format!("it exited with {:?}, not with 77", ended.code);
        return Err(DemoError::Job { job: number, found }.into());
    }
    teller
        .line(format_args!("job {job} has failed, with exit code 77. The same program again:"))?;
    let again = owner.run(teller, &submit).await?.refused("policy.quarantined")?;
    teller.quote(&again)
}

/// Why the registers of tasks cannot be looked at on one of the nodes.
async fn blind(client: &Client) -> Result<Option<String>, Failure> {
    const SENSOR: &str = "sensor.registers";
    let reply = client.nodes().list(ListNodesRequest {}).await;
    let nodes = reply.map_err(|status| client.refused(&status))?.into_inner().nodes;
    Ok(nodes.into_iter().find_map(|node| {
        let inventory = node.inventory.unwrap_or_default();
        if inventory.abilities.iter().any(|ability| ability == SENSOR) {
            return None;
        }
        let lacks = inventory.lacks.into_iter().find(|lack| lack.name == SENSOR);
        let why = lacks.map_or_else(|| "it does not say why".to_owned(), |lack| lack.value);
        Some(format!("node {} has no {SENSOR}: {why}", node.name))
    }))
}

/// Waits for the finding about a job.
async fn noticed(client: &Client, job: u64) -> Result<FindingReply, Failure> {
    let bar = ProgressBar::new_spinner().with_message("the detector looks");
    bar.enable_steady_tick(Duration::from_millis(100));
    let followed = client.findings().follow(FollowFindingsRequest { job }).await;
    let mut stream = followed.map_err(|status| client.refused(&status))?.into_inner();
    let first = tokio::time::timeout(PATIENCE, stream.message()).await;
    bar.finish_and_clear();
    let missing = |found: String| DemoError::Job { job, found };
    let first = first.map_err(|_| {
        missing(format!("the detector noticed nothing within {} s", PATIENCE.as_secs()))
    })?;
    let found = first.map_err(|status| client.refused(&status))?;
    let found = found.ok_or_else(|| missing("nothing was noticed".to_owned()))?;
    if !found.is_frozen || !found.holds_outputs {
        let rules = found.finding.iter().flat_map(|one| &one.verdicts).map(|one| &one.rule);
        let rules: Vec<_> = rules.map(String::as_str).collect();
        return Err(missing(format!("it does not stand still for {}", rules.join(", "))).into());
    }
    Ok(found)
}

/// When the one task of a job has started.
async fn started(client: &Client, job: u64) -> Result<i64, Failure> {
    let request = AttemptsRequest { job, limit: 10, ..AttemptsRequest::default() };
    let reply = client.jobs().attempts(request).await.map_err(|status| client.refused(&status))?;
    Ok(reply.into_inner().attempts.first().map_or(0, |one| one.started_ms))
}

/// A job that hashes for an honest reason: a person looks before it runs, and it runs undisturbed.
pub(super) async fn clear(
    (owner, operator): (&Shell, &Shell),
    teller: &mut Teller<'_>,
) -> Result<(), Failure> {
    teller.chapter("Honest work that looks like mining to a meter")?;
    let script = owner.write("checksums.sh", CHECKSUMS)?;
    let submit = ["submit", "--class", "hash-heavy", "--name", "checksums", "-q", &script];
    let job = owner.run(teller, &submit).await?.good()?.out;
    let why = owner.run(teller, &["why", &job]).await?.good()?.out;
    teller.quote(why.lines().next().unwrap_or_default())?;
    let reason = "checksums of an archive before it is moved; I have read the script";
    let approve = ["review", &job, "--approve", "--reason", reason];
    let said = operator.run(teller, &approve).await?.good()?.out;
    teller.quote(&said)?;
    owner.run(teller, &["wait", &job]).await?.good()?;
    let printed = owner.run(teller, &["logs", &job]).await?.good()?.out;
    teller.quote(&printed)?;
    let found = owner.quietly(&["findings", "--all", "--job", &job, "-q"]).await?.good()?.out;
    if !found.is_empty() || !printed.contains("all of them agree") {
        let number = job.parse().unwrap_or_default();
        let found = format!("it was to be let alone, but has findings {found:?}: {printed}");
        return Err(DemoError::Job { job: number, found }.into());
    }
    teller.line("the detector watched it as any other task, and found nothing to say")
}
