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

/// Of how many streams a scheduler is told what has been seen, when a lost one is found again.
const KNOWN: usize = 50_000;

/// Options of `repower logs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "What a task wrote to its standard error goes to standard error here.\n\
                        With several tasks each line begins with its task: `12.3 | `, with several\n\
                        ranks of a gang also with its rank: `12.3/1 | `. Of a whole job tasks come in\n\
                        order; followed, their lines come as they are written.\n\
                        Of a stream longer than its bound the beginning and the end are kept.")]
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
    /// Only the last lines of each stream
    #[arg(
        long,
        short = 'n',
        value_name = "LINES",
        conflicts_with = "offset",
        value_parser = clap::value_parser!(u64).range(..=1_000_000)
    )]
    tail: Option<u64>,
    /// Each stream from this byte on
    #[arg(long, value_name = "BYTE", default_value_t = 0, hide_default_value = true)]
    offset: u64,
    #[command(flatten)]
    labels: Labels,
    #[command(flatten)]
    pub(super) reach: Reach,
}

#[derive(Debug, clap::Args)]
struct Labels {
    /// Begin each line with its task [default: with several tasks or ranks]
    #[arg(long, overrides_with = "no_prefix")]
    prefix: bool,
    /// Print what tasks wrote as it is, also of several
    #[arg(long, overrides_with = "prefix")]
    no_prefix: bool,
}

/// Whether each line begins with its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    /// With several tasks or ranks.
    IfSeveral,
    Always,
    Never,
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
            offset: self.offset,
            tail_lines: self.tail,
            after: Vec::new(),
        };
        let prefix = match (self.labels.prefix, self.labels.no_prefix) {
            (true, _) => Prefix::Always,
            (_, true) => Prefix::Never,
            _ => Prefix::IfSeveral,
        };
        all(&client, screen, request, prefix).await?;
        Ok(Exit::OK)
    }
}

/// Prints what a request asks for; while following, over as many connections as it takes.
pub(super) async fn all(
    client: &Client,
    screen: &mut Screen,
    mut request: LogsRequest,
    prefix: Prefix,
) -> Result<(), Failure> {
    let prefixed = match prefix {
        _ if screen.is_json() => false,
        Prefix::Always => true,
        Prefix::Never => false,
        Prefix::IfSeveral => {
            (request.index.is_none() || request.rank.is_none())
                && prints_together(client, &request).await?
        }
    };
    let mut lines = Lines::new(request.job, prefixed);
    let mut patience = Patience::of(PATIENCE);
    while let Some(status) = print(client, screen, &mut lines, &request).await? {
        if !(request.follow && is_lost(&status) && patience.wait().await) {
            lines.end(screen)?;
            return Err(client.refused(&status).into());
        }
        go_on(&mut request, &lines);
    }
    Ok(lines.end(screen)?)
}

/// Makes a request go on where the last one broke off.
fn go_on(request: &mut LogsRequest, lines: &Lines) {
    request.after = lines.positions(KNOWN);
    if !request.after.is_empty() {
        // The last lines were sent; what has come since is wanted whole.
        request.tail_lines = None;
    }
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
        if !chunk.data.is_empty() || chunk.truncated || chunk.removed {
            screen.json_line(&json::Log::new(job, chunk))?;
        }
        return Ok(());
    }
    let rank = chunk.rank.map(|rank| format!("/{rank}")).unwrap_or_default();
    let who = format!("{job}.{}#{}{rank}", chunk.index, chunk.attempt);
    let stream = words::stream(chunk.stream());
    if chunk.missing > 0 {
        lines.end(screen)?;
        let missing = chunk.missing;
        screen.note(format_args!(
            "[{who}: {missing} bytes of {stream} are missing here: it passed its bound]"
        ));
    }
    lines.write(screen, chunk)?;
    if chunk.truncated {
        lines.end(screen)?;
        screen.note(format_args!("[{who}: {stream} was cut here, at its bound]"));
    }
    if chunk.removed {
        lines.end(screen)?;
        screen.note(format_args!(
            "[{who}: its output was removed: it was old, or there was too much of all jobs]"
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
        LogChunk { index, attempt: 1, stream, offset, data: data.into(), ..LogChunk::default() }
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

    #[tokio::test]
    async fn what_is_missing_in_the_middle_and_what_was_removed_is_told() {
        let end = LogChunk { missing: 995, ..chunk(0, Stream::Stdout, 1000, "end\n") };
        let gone = LogChunk { removed: true, ..chunk(1, Stream::Stdout, 0, "") };
        let pieces = vec![Ok(chunk(0, Stream::Stdout, 0, "begin")), Ok(end), Ok(gone)];

        let (out, err) = printed(vec![pieces], true, Form::Table).await;

        assert_eq!(out, "12.0 | begin\n12.0 | end\n");
        assert_eq!(
            err,
            "[12.0#1: 995 bytes of stdout are missing here: it passed its bound]\n\
             [12.1#1: its output was removed: it was old, or there was too much of all jobs]\n"
        );
    }

    #[test]
    fn who_followed_the_last_lines_goes_on_behind_them_when_a_lost_scheduler_is_found() {
        let mut lines = Lines::new(12, false);
        let mut asked = LogsRequest { tail_lines: Some(3), ..request(true) };
        go_on(&mut asked, &lines);
        assert_eq!((asked.tail_lines, asked.after.len()), (Some(3), 0));

        let piece = lines.fresh(chunk(7, Stream::Stderr, 100, "words"));
        assert_eq!(piece.data, b"words");
        go_on(&mut asked, &lines);

        assert_eq!(asked.tail_lines, None);
        let [after] = &asked.after[..] else { panic!("{:?}", asked.after) };
        assert_eq!((after.index, after.attempt, after.offset), (7, 1, 105));
        assert_eq!(after.stream(), Stream::Stderr);
    }
}
