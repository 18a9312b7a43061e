//! `repower logs`.

use repower_proto::v1::{LogChunk, LogsRequest, ShowJobRequest, Stream};

use crate::arguments::Reach;
use crate::client::{Client, Patience, is_lost};
use crate::failure::{Exit, Failure};
use crate::jobfile::reference::Reference;
use crate::render::lines::Lines;
use crate::render::{Screen, json, words};

/// How long a lost scheduler is looked for again while following.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);

/// Options of `repower logs`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What a task wrote to its standard error goes to standard error here.\n\
                        With several tasks each line begins with its task: `12.3 | `."
)]
pub struct Logs {
    /// Job, task or attempt: 12, 12.3, 12.3#2
    #[arg(value_name = "JOB")]
    what: Reference,
    /// Go on until the tasks have ended
    #[arg(long, short)]
    follow: bool,
    /// Only this task
    #[arg(long, short, value_name = "INDEX")]
    task: Option<u32>,
    /// This attempt instead of the latest
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// Only standard output
    #[arg(long, conflicts_with = "stderr")]
    stdout: bool,
    /// Only standard error
    #[arg(long)]
    stderr: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
}

impl Logs {
    /// Prints output as it comes.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let index = self.task.or(self.what.index);
        let request = LogsRequest {
            job: self.what.job,
            index,
            attempt: self.attempt.or(self.what.attempt).unwrap_or(0),
            streams: match (self.stdout, self.stderr) {
                (true, _) => vec![Stream::Stdout.into()],
                (_, true) => vec![Stream::Stderr.into()],
                _ => Vec::new(),
            },
            follow: self.follow,
        };
        let several =
            index.is_none() && !screen.is_json() && tasks(&client, request.job).await? > 1;
        let mut lines = Lines::new(request.job, several);
        let mut patience = Patience::of(PATIENCE);
        loop {
            let status = match print(&client, screen, &mut lines, &request).await? {
                None => break,
                Some(status) => status,
            };
            if !(self.follow && is_lost(&status) && patience.wait().await) {
                lines.end(screen)?;
                return Err(client.refused(status).into());
            }
        }
        lines.end(screen)?;
        Ok(Exit::OK)
    }
}

async fn tasks(client: &Client, job: u64) -> Result<u64, Failure> {
    let reply = client
        .jobs()
        .show(ShowJobRequest { job })
        .await
        .map_err(|status| client.refused(status))?;
    Ok(reply
        .into_inner()
        .summary
        .map_or(0, |summary| summary.tasks))
}

/// Prints one stream of pieces to its end, or to the status that broke it.
async fn print(
    client: &Client,
    screen: &mut Screen,
    lines: &mut Lines,
    request: &LogsRequest,
) -> Result<Option<tonic::Status>, Failure> {
    let mut stream = match client.jobs().logs(request.clone()).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => return Ok(Some(status)),
    };
    loop {
        match stream.message().await {
            Err(status) => return Ok(Some(status)),
            Ok(None) => return Ok(None),
            Ok(Some(chunk)) => {
                let chunk = lines.fresh(chunk);
                piece(screen, lines, request.job, &chunk)?;
                if request.follow {
                    screen.flush()?;
                }
            }
        }
    }
}

fn piece(
    screen: &mut Screen,
    lines: &mut Lines,
    job: u64,
    chunk: &LogChunk,
) -> Result<(), Failure> {
    if screen.is_json() {
        if !chunk.data.is_empty() || chunk.truncated {
            screen.json_line(&json::Log::new(job, chunk))?;
        }
        return Ok(());
    }
    lines.write(screen, chunk)?;
    if chunk.truncated {
        lines.end(screen)?;
        screen.note(format_args!(
            "[{job}.{}#{}: {} was cut here, at its bound]",
            chunk.index,
            chunk.attempt,
            words::stream(chunk.stream())
        ));
    }
    Ok(())
}
