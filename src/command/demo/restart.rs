//! The chapter of the agent that is killed while its task runs.

use repower_proto::v1::{AttemptsRequest, JobSpec, LogsRequest, Resources, TaskState};

use super::DemoError;
use super::chapters::{submit, succeeded, watch};
use super::tell::Teller;
use crate::client::{Client, Patience};
use crate::cluster::{Cluster, agent_name};
use crate::failure::Failure;

/// What the task does: it prints a line, ten times, for three seconds.
const SCRIPT: &str = "for i in 1 2 3 4 5 6 7 8 9 10; do echo step $i; sleep 0.3; done";

/// How many lines that makes.
const LINES: usize = 10;

/// Kills an agent while it runs a task, starts it again, and shows that the task never noticed.
pub(super) async fn survive(
    cluster: &mut Cluster,
    client: &Client,
    teller: &mut Teller<'_>,
) -> Result<(), Failure> {
    teller.chapter("An agent is restarted, and its task goes on")?;
    let spec = JobSpec {
        job_class: "software-build".into(),
        command: ["/bin/sh", "-c", SCRIPT].map(str::to_owned).to_vec(),
        resources: Some(Resources { cpu_milli: 1000, ..Resources::default() }),
        ..JobSpec::default()
    };
    let job = submit(client, &spec).await?;
    let name = node_of(client, job).await?;
    let victim = (0..super::AGENTS).find(|at| agent_name(*at) == name).unwrap_or_default();
    cluster.kill_agent(victim).await;
    cluster.start_agent(victim)?;
    teller.line(format_args!("agent {name} killed with SIGKILL while it ran task {job}.0"))?;
    succeeded(&watch(client, job).await?)?;
    let request = AttemptsRequest { job, limit: 10, ..AttemptsRequest::default() };
    let reply = client.jobs().attempts(request).await.map_err(|status| client.refused(&status))?;
    let attempts = reply.into_inner().attempts.len();
    let lines = lines(client, job).await?;
    if (attempts, lines) != (1, LINES) {
        let found = format!("{attempts} attempts and {lines} lines of output");
        return Err(DemoError::Job { job, found }.into());
    }
    teller.line(format_args!(
        "started again, it found the task running: 1 attempt, exit code 0, {lines} of {LINES} lines"
    ))
}

/// Waits until the one task of a job runs, and returns where.
async fn node_of(client: &Client, job: u64) -> Result<String, Failure> {
    let mut patience = Patience::of(std::time::Duration::from_mins(1));
    loop {
        let request = AttemptsRequest { job, limit: 10, ..AttemptsRequest::default() };
        let reply = client.jobs().attempts(request).await;
        let attempts = reply.map_err(|status| client.refused(&status))?.into_inner().attempts;
        if let Some(one) = attempts.into_iter().find(|one| one.state() == TaskState::Running) {
            return Ok(one.node);
        }
        if !patience.wait().await {
            return Err(DemoError::Job { job, found: "it never ran".to_owned() }.into());
        }
    }
}

async fn lines(client: &Client, job: u64) -> Result<usize, Failure> {
    let request = LogsRequest { job, ..LogsRequest::default() };
    let reply = client.jobs().logs(request).await.map_err(|status| client.refused(&status))?;
    let mut stream = reply.into_inner();
    let mut lines = 0;
    while let Some(chunk) = stream.message().await.map_err(|status| client.refused(&status))? {
        lines += chunk.data.split(|byte| *byte == b'\n').count() - 1;
    }
    Ok(lines)
}
