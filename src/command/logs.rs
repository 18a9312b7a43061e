//! `repower logs`.

use repower_proto::v1::{LogChunk, LogsRequest, ShowJobRequest, Stream};

use crate::arguments::Reach;
use crate::client::{Client, Patience, is_lost};
use crate::failure::{Exit, Failure};
use crate::jobfile::reference::Reference;
use crate::render::lines::Lines;
use crate::render::{Screen, json, words};

/// How long a lost scheduler is looked for again while following.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(10);

/// Options of `repower logs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "What a task wrote to its standard error goes to standard error here.\n\
                        With several tasks each line begins with its task: `12.3 | `, with several\n\
                        ranks of a gang also with its rank: `12.3/1 | `.")]
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
    /// Of a gang, only this rank [default: all, rank 0 first]
    #[arg(long, value_name = "NUMBER")]
    rank: Option<u32>,
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
            rank: self.rank,
        };
        all(&client, screen, &request).await?;
        Ok(Exit::OK)
    }
}

/// Prints what a request asks for; while following, over as many connections as it takes.
pub(super) async fn all(
    client: &Client,
    screen: &mut Screen,
    request: &LogsRequest,
) -> Result<(), Failure> {
    let several = !screen.is_json()
        && (request.index.is_none() || request.rank.is_none())
        && prints_together(client, request).await?;
    let mut lines = Lines::new(request.job, several);
    let mut patience = Patience::of(PATIENCE);
    while let Some(status) = print(client, screen, &mut lines, request).await? {
        if !(request.follow && is_lost(&status) && patience.wait().await) {
            lines.end(screen)?;
            return Err(client.refused(&status).into());
        }
    }
    Ok(lines.end(screen)?)
}

/// Whether several processes print what a request asks for: tasks, or ranks of a gang.
async fn prints_together(client: &Client, request: &LogsRequest) -> Result<bool, Failure> {
    let reply = client
        .jobs()
        .show(ShowJobRequest { job: request.job })
        .await
        .map_err(|status| client.refused(&status))?
        .into_inner();
    let tasks = reply.summary.map_or(0, |summary| summary.tasks);
    let gang = reply.spec.and_then(|spec| spec.gang);
    let ranks = gang.map_or(1, |gang| gang.nodes.saturating_mul(gang.ranks_per_node.max(1)));
    Ok(request.index.is_none() && tasks > 1 || request.rank.is_none() && ranks > 1)
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
        let rank = chunk.rank.map(|rank| format!("/{rank}")).unwrap_or_default();
        screen.note(format_args!(
            "[{job}.{}#{}{rank}: {} was cut here, at its bound]",
            chunk.index,
            chunk.attempt,
            words::stream(chunk.stream())
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;
    use crate::client::testing::{Script, Stage};
    use crate::render::screen::Form;
    use crate::render::testing::pages_of;

    fn chunk(index: u32, stream: Stream, offset: u64, data: &str) -> LogChunk {
        let stream = stream.into();
        LogChunk {
            index,
            attempt: 1,
            stream,
            offset,
            data: data.into(),
            truncated: false,
            rank: None,
        }
    }

    fn request(follow: bool) -> LogsRequest {
        LogsRequest { job: 12, follow, ..LogsRequest::default() }
    }

    async fn printed(
        answers: Vec<Vec<Result<LogChunk, Status>>>,
        several: bool,
        form: Form,
    ) -> (String, String) {
        let streams = answers.len();
        let stage = Stage::serve(Script { logs: answers, ..Script::default() }).await;
        let client = Client::connect(&stage.profile).await.expect("connected");
        let (out, err, ()) = pages_of(form, async |screen| {
            let mut lines = Lines::new(12, several);
            for _ in 0..streams {
                print(&client, screen, &mut lines, &request(true)).await.expect("written");
            }
            lines.end(screen).expect("written");
        })
        .await;
        (out, err)
    }

    #[tokio::test]
    async fn output_of_several_tasks_is_told_apart_line_by_line() {
        let answers = vec![
            Ok(chunk(3, Stream::Stdout, 0, "one\ntw")),
            Ok(chunk(4, Stream::Stdout, 0, "other\n")),
            Ok(chunk(3, Stream::Stderr, 0, "oops\n")),
            Ok(chunk(3, Stream::Stdout, 6, "o\nlast")),
        ];

        let (out, err) = printed(vec![answers], true, Form::Table).await;

        assert_eq!(out, "12.3 | one\n12.4 | other\n12.3 | two\n12.3 | last\n");
        assert_eq!(err, "12.3 | oops\n");
    }

    #[tokio::test]
    async fn output_of_several_ranks_is_told_apart_line_by_line() {
        let of = |rank, chunk| Ok(LogChunk { rank: Some(rank), ..chunk });
        let answers = vec![
            of(0, chunk(0, Stream::Stdout, 0, "first\nha")),
            of(1, chunk(0, Stream::Stdout, 0, "second\n")),
            of(0, chunk(0, Stream::Stdout, 8, "lf\n")),
        ];

        let (out, _) = printed(vec![answers], true, Form::Table).await;

        assert_eq!(out, "12.0/0 | first\n12.0/1 | second\n12.0/0 | half\n");
    }

    #[tokio::test]
    async fn output_of_one_task_is_printed_as_it_is() {
        let (out, _) =
            printed(vec![vec![Ok(chunk(0, Stream::Stdout, 0, "no end"))]], false, Form::Table)
                .await;

        assert_eq!(out, "no end");
    }

    #[tokio::test]
    async fn what_comes_again_after_a_break_is_printed_once() {
        let first = vec![
            Ok(chunk(0, Stream::Stdout, 0, "one\ntwo\n")),
            Err(Status::unavailable("the line broke")),
        ];
        let second = vec![Ok(chunk(0, Stream::Stdout, 0, "one\ntwo\nthree\n"))];

        let (out, _) = printed(vec![first, second], false, Form::Table).await;

        assert_eq!(out, "one\ntwo\nthree\n");
    }

    #[tokio::test]
    async fn pieces_are_lines_of_json_for_programs() {
        let (out, _) =
            printed(vec![vec![Ok(chunk(0, Stream::Stderr, 5, "a\n"))]], false, Form::Json).await;

        assert_eq!(
            out,
            "{\"job\":12,\"index\":0,\"attempt\":1,\"stream\":\"stderr\",\"offset\":5,\"text\":\"a\\n\"}\n"
        );
    }

    #[tokio::test]
    async fn a_cut_stream_says_so() {
        let cut = LogChunk {
            truncated: true,
            stream: Stream::Stdout.into(),
            attempt: 1,
            ..LogChunk::default()
        };

        let (_, err) = printed(vec![vec![Ok(cut)]], false, Form::Table).await;

        assert_eq!(err, "[12.0#1: stdout was cut here, at its bound]\n");
    }
}
