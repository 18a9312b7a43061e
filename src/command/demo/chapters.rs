//! The chapters of the demo.

use std::path::Path;

use repower_proto::v1::{
    Array, AttemptsRequest, IndexRange, JobSpec, JobState, JobSummary, LogsRequest, OutcomeKind,
    Resources, Stream, SubmitRequest, TaskState, TaskSummary, WatchRequest,
};
use serde::Deserialize;
use uuid::Uuid;

use super::DemoError;
use super::examples::Examples;
use super::shell::Shell;
use super::tell::Teller;
use crate::client::{Client, Patience};
use crate::cluster::{Cluster, agent_name};
use crate::failure::Failure;
use crate::render::progress::Progress;
use crate::render::{Column, Table};

/// What `digits` prints.
#[derive(Debug, Deserialize)]
struct Trained {
    index: u32,
    learning_rate: f64,
    hidden: u32,
    l2: f64,
    validation_accuracy: f64,
    validation_loss: f64,
    test_accuracy: f64,
}

/// What `argon` prints.
#[derive(Debug, Deserialize)]
struct Simulated {
    density: f64,
    pressure: f64,
    pressure_error: f64,
    published_pressure: Option<f64>,
    published_source: Option<String>,
    agrees: Option<bool>,
}

/// Tells all chapters.
pub(super) async fn all(
    cluster: &mut Cluster,
    examples: &Examples,
    teller: &mut Teller<'_>,
) -> Result<(), Failure> {
    let client = cluster.client().await?;
    let count = super::AGENTS;
    teller.line(format_args!(
        "one scheduler at {} and {count} agents: TLS, tokens, SQLite",
        cluster.address()
    ))?;
    let owner = Shell::first(cluster.profile_path(), cluster.folder())?;
    let operator = owner.operator("mia").await?;
    let policy = owner.write("policy.toml", &super::policy::text())?;
    operator.quietly(&["policy", "apply", &policy]).await?.good()?;
    let (watts, account) = (super::policy::WATTS, super::policy::ACCOUNT);
    teller.line(format_args!(
        "each agent declares {watts} W on metering account {account}; mia, an operator, has put a"
    ))?;
    teller.line("policy with a surcharge in force: both are made up, nothing is measured here")?;
    train(&client, examples, teller).await?;
    let job = simulate(&client, examples, teller).await?;
    refuse(&client, teller).await?;
    lose(cluster, &client, job, teller).await?;
    compare(&client, job, teller).await?;
    super::restart::survive(cluster, &client, teller).await?;
    super::compliance::catch(&client, (&owner, &operator), examples, teller).await?;
    super::compliance::clear((&owner, &operator), teller).await?;
    super::report::verify(&owner, teller).await
}

async fn train(
    client: &Client,
    examples: &Examples,
    teller: &mut Teller<'_>,
) -> Result<(), Failure> {
    teller.chapter("AI: 32 settings of a network that reads handwritten digits")?;
    let job =
        submit(client, &array("ai-training", &examples.digits, &["--sweep", "--epochs", "40"], 32))
            .await?;
    let ended = watch(client, job).await?;
    succeeded(&ended)?;
    let mut runs: Vec<Trained> = results(client, job, 32).await?;
    runs.sort_by(|one, other| {
        let by_accuracy = other.validation_accuracy.total_cmp(&one.validation_accuracy);
        by_accuracy.then(one.validation_loss.total_cmp(&other.validation_loss))
    });
    let (best, worst) = (&runs[0], &runs[runs.len() - 1]);
    teller.line(format_args!("job {job}: 32 of 32 tasks trained, 40 epochs each, and measured"))?;
    teller.line(format_args!(
        "best by validation: task {}, {} hidden units, rate {}, decay {}",
        best.index, best.hidden, best.learning_rate, best.l2
    ))?;
    teller.line(format_args!(
        "its accuracy on 1,797 test images: {:.2} % (the worst setting: {:.2} %)",
        best.test_accuracy * 100.0,
        worst.test_accuracy * 100.0
    ))
}

/// Starts the simulation; it runs through the next two chapters.
async fn simulate(
    client: &Client,
    examples: &Examples,
    teller: &mut Teller<'_>,
) -> Result<u64, Failure> {
    teller.chapter("Science: liquid argon at eight densities, by molecular dynamics")?;
    let job = submit(client, &array("sci-simulation", &examples.argon, &["--sweep"], 8)).await?;
    teller.line(format_args!("job {job} runs; its figures follow below"))?;
    Ok(job)
}

async fn refuse(client: &Client, teller: &mut Teller<'_>) -> Result<(), Failure> {
    teller.chapter("What is not run here")?;
    for (what, class) in
        [("a job of class pow-mining", "pow-mining"), ("a job without a class", "")]
    {
        let mut spec = array(class, Path::new("/bin/true"), &[], 1);
        spec.array = None;
        let refused = send(client, &spec).await;
        let status = match refused {
            Err(status) => status,
            Ok(job) => {
                return Err(
                    DemoError::NotRefused { what, found: format!("it is job {job}") }.into()
                );
            }
        };
        let refused = client.refused(&status);
        let code = crate::failure::Explain::code(&refused).unwrap_or_default().to_owned();
        if !code.starts_with("class.") {
            return Err(DemoError::NotRefused { what, found: refused.to_string() }.into());
        }
        teller.line(format_args!("{what}: {code}"))?;
        teller.line(format_args!("  {refused}"))?;
    }
    Ok(())
}

/// Kills an agent while it runs a task of the job, and waits until the job has ended all the same.
async fn lose(
    cluster: &mut Cluster,
    client: &Client,
    job: u64,
    teller: &mut Teller<'_>,
) -> Result<(), Failure> {
    teller.chapter("A machine dies in the middle")?;
    let victim = super::AGENTS - 1;
    let name = agent_name(victim);
    let running = running_on(client, job, &name).await?;
    cluster.kill_agent(victim).await;
    teller.line(format_args!("agent {name} killed with SIGKILL while it ran task {running}"))?;
    let ended = watch(client, job).await?;
    succeeded(&ended)?;
    let request = AttemptsRequest { job, limit: 1000, ..AttemptsRequest::default() };
    let reply = client.jobs().attempts(request).await.map_err(|status| client.refused(&status))?;
    let attempts = reply.into_inner().attempts;
    let lost: Vec<&TaskSummary> =
        attempts.iter().filter(|one| kind(one) == OutcomeKind::Lost).collect();
    let rescued = lost.iter().filter_map(|lost| {
        attempts.iter().find(|one| one.index == lost.index && one.state() == TaskState::Succeeded)
    });
    let rescued: Vec<String> =
        rescued.map(|one| format!("{job}.{}#{} on {}", one.index, one.attempt, one.node)).collect();
    if lost.is_empty() || rescued.len() != lost.len() {
        let found = format!("{} attempts lost, {} run again", lost.len(), rescued.len());
        return Err(DemoError::Job { job, found }.into());
    }
    teller.line(format_args!("its lease ran out; run again elsewhere: {}", rescued.join(", ")))?;
    teller.line(format_args!("all {} tasks succeeded once, none is lost", ended.tasks))?;
    cluster.start_agent(victim)?;
    cluster.all_up(client).await?;
    teller.line(format_args!("agent {name} started again: it has cleaned up and is back"))
}

async fn compare(client: &Client, job: u64, teller: &mut Teller<'_>) -> Result<(), Failure> {
    let mut runs: Vec<Simulated> = results(client, job, 8).await?;
    runs.sort_by(|one, other| one.density.total_cmp(&other.density));
    teller.line("")?;
    teller.line("the figures of chapter 2, reduced units, T* = 0.9:")?;
    let mut table = Table::new(&[
        Column::number("DENSITY"),
        Column::number("PRESSURE"),
        Column::number("+/-"),
        Column::number("PUBLISHED"),
        Column::cut("SOURCE", 10),
    ]);
    for run in &runs {
        let published = run.published_pressure.map(|value| format!("{value:.3}"));
        table.row([
            format!("{:.3}", run.density).into(),
            format!("{:.3}", run.pressure).into(),
            format!("{:.3}", run.pressure_error).into(),
            published.unwrap_or_default().into(),
            run.published_source.clone().unwrap_or_default().into(),
        ]);
    }
    teller.table(&table)?;
    let agree = runs.iter().filter(|run| run.agrees == Some(true)).count();
    teller.line(format_args!("{agree} of {} agree within their error", runs.len()))?;
    if agree < runs.len() {
        let found =
            format!("only {agree} of {} densities agree with what is published", runs.len());
        return Err(DemoError::Output { job, found }.into());
    }
    Ok(())
}

/// An array of tasks of an example program, one processor each.
fn array(class: &str, program: &Path, arguments: &[&str], count: u32) -> JobSpec {
    let ranges = vec![IndexRange { first: 0, last: count - 1, step: 1 }];
    let mut command = vec![program.to_string_lossy().into_owned()];
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    JobSpec {
        job_class: class.into(),
        command,
        array: Some(Array { ranges, limit: 0 }),
        resources: Some(Resources { cpu_milli: 1000, ..Resources::default() }),
        ..JobSpec::default()
    }
}

async fn send(client: &Client, spec: &JobSpec) -> Result<u64, tonic::Status> {
    let key = Uuid::new_v4().as_bytes().to_vec();
    let request = SubmitRequest { key, spec: Some(spec.clone()) };
    client.jobs().submit(request).await.map(|reply| reply.into_inner().job)
}

pub(super) async fn submit(client: &Client, spec: &JobSpec) -> Result<u64, Failure> {
    Ok(send(client, spec).await.map_err(|status| client.refused(&status))?)
}

/// Follows a job to its end, with a progress bar.
pub(super) async fn watch(client: &Client, job: u64) -> Result<JobSummary, Failure> {
    let mut progress = Progress::visible();
    let watched = client.jobs().watch(WatchRequest { jobs: vec![job] }).await;
    let mut stream = watched.map_err(|status| client.refused(&status))?.into_inner();
    let mut last = None;
    while let Some(summary) = stream.message().await.map_err(|status| client.refused(&status))? {
        progress.update(std::iter::once(&summary));
        let ended = crate::render::words::has_ended(summary.state());
        last = Some(summary);
        if ended {
            break;
        }
    }
    progress.end();
    let found = "its end was never told".to_owned();
    last.ok_or_else(|| DemoError::Job { job, found }.into())
}

pub(super) fn succeeded(job: &JobSummary) -> Result<(), DemoError> {
    if job.state() == JobState::Succeeded && job.succeeded == job.tasks {
        return Ok(());
    }
    let found = format!("{} of {} tasks succeeded", job.succeeded, job.tasks);
    Err(DemoError::Job { job: job.id, found })
}

/// Reads the one line of JSON that each task prints first.
async fn results<T: for<'a> Deserialize<'a>>(
    client: &Client,
    job: u64,
    wanted: usize,
) -> Result<Vec<T>, Failure> {
    let streams = vec![Stream::Stdout.into()];
    let request = LogsRequest { job, streams, ..LogsRequest::default() };
    let reply = client.jobs().logs(request).await.map_err(|status| client.refused(&status))?;
    let mut stream = reply.into_inner();
    let mut texts: std::collections::BTreeMap<u32, Vec<u8>> = std::collections::BTreeMap::new();
    while let Some(chunk) = stream.message().await.map_err(|status| client.refused(&status))? {
        texts.entry(chunk.index).or_default().extend(chunk.data);
    }
    let parsed = texts.values().filter_map(|text| {
        let line = text.split(|byte| *byte == b'\n').next()?;
        serde_json::from_slice(line).ok()
    });
    let parsed: Vec<T> = parsed.collect();
    if parsed.len() == wanted {
        return Ok(parsed);
    }
    let found = format!("{} of {wanted} results could be read", parsed.len());
    Err(DemoError::Output { job, found }.into())
}

/// Waits until a node runs a task of the job, and returns which.
async fn running_on(client: &Client, job: u64, node: &str) -> Result<String, Failure> {
    let mut patience = Patience::of(std::time::Duration::from_mins(1));
    loop {
        let request = AttemptsRequest { job, limit: 1000, ..AttemptsRequest::default() };
        let reply =
            client.jobs().attempts(request).await.map_err(|status| client.refused(&status))?;
        let attempts = reply.into_inner().attempts;
        let found =
            attempts.iter().find(|one| one.node == node && one.state() == TaskState::Running);
        if let Some(one) = found {
            return Ok(format!("{job}.{}", one.index));
        }
        if !patience.wait().await {
            let found = format!("node {node} never ran a task of it");
            return Err(DemoError::Job { job, found }.into());
        }
    }
}

fn kind(attempt: &TaskSummary) -> OutcomeKind {
    attempt.outcome.as_ref().map_or(OutcomeKind::Unspecified, repower_proto::v1::Outcome::kind)
}
