//! `repower exec`: a command in the box of a running task.

use std::io;

use repower_proto::v1::exec_input::Body as In;
use repower_proto::v1::exec_output::Body as Out;
use repower_proto::v1::{ExecInput, ExecOpen, TerminalSize};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::arguments::Reach;
use crate::client::{Refused, is_lost};
use crate::failure::{Exit, Explain, Failure};
use crate::jobfile::reference::Reference;
use crate::render::Screen;
use crate::terminal::{self, Raw};

/// Options of `repower exec`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "On a terminal, the command has one, too; else its standard input, output and\n\
                  error are those of this one. It exits with the code of the command, once what\n\
                  that leaves behind has been ended: SIGTERM, and SIGKILL 2 s later. Without a\n\
                  task it is the job's task 0. Who did it and what was run is in the ledger;\n\
                  only the submitter of a job and operators may."
)]
pub struct Exec {
    /// Job or task that runs: 12, 12.3
    #[arg(value_name = "JOB")]
    what: Reference,
    /// Which process of a gang
    #[arg(long, value_name = "RANK", default_value_t = 0, hide_default_value = true)]
    rank: u32,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// The session has ended before the command.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Ended {
    text: String,
}

impl Explain for Ended {
    fn hint(&self) -> Option<String> {
        Some("`repower show JOB` says whether the task still runs".to_owned())
    }
}

/// The scheduler went away in the middle.
#[derive(Debug, thiserror::Error)]
#[error("the scheduler went away: the command has ended with the session")]
struct Lost {
    source: Refused,
}

impl Explain for Lost {
    fn hint(&self) -> Option<String> {
        Some("run it again once the scheduler is back; `repower show JOB` says whether the task still runs".to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::UNREACHABLE
    }
}

/// JSON was asked for.
#[derive(Debug, thiserror::Error)]
#[error("what a command prints has no form in JSON")]
struct NoJson;

impl Explain for NoJson {
    fn hint(&self) -> Option<String> {
        Some("leave --json out, and let the command print it".to_owned())
    }
}

/// The terminal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the terminal")]
struct NoTerminal {
    source: io::Error,
}

impl Explain for NoTerminal {
    fn hint(&self) -> Option<String> {
        Some("give it no terminal: `repower exec JOB -- COMMAND < /dev/null`".to_owned())
    }
}

fn size() -> TerminalSize {
    let (columns, rows) = terminal::size();
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    TerminalSize { columns: number(columns), rows: number(rows) }
}

impl Exec {
    /// Runs the command there, and passes on what both sides say.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        if screen.is_json() {
            return Err(NoJson.into());
        }
        let client = self.reach.connect(screen).await?;
        let terminal = terminal::is_there().then(size);
        let (say, said) = mpsc::channel(8);
        let open = ExecOpen {
            job: self.what.job,
            index: self.what.index.unwrap_or(0),
            rank: self.rank,
            command: self.command,
            terminal,
        };
        let first = ExecInput { body: Some(In::Open(open)) };
        say.try_send(first).map_err(|_| Ended { text: "a new queue is full".into() })?;
        let reply = client.jobs().exec(ReceiverStream::new(said)).await;
        let mut heard = reply.map_err(|status| client.refused(&status))?.into_inner();
        let unusable = |source| NoTerminal { source };
        let raw = terminal.is_some().then(|| Raw::enter(false)).transpose().map_err(unusable)?;
        let mut resized = signal(SignalKind::window_change()).map_err(unusable)?;
        let (mut typed, mut typing) = (terminal::typed(), true);
        let last: Result<i32, Failure> = loop {
            tokio::select! {
                // What is typed waits for its room as one of the branches, so that what the command
                // says is heard all the while: it may not read before that is taken.
                next = next(&say, &mut typed), if typing => match next {
                    Some((room, piece)) => {
                        typing = piece.is_some();
                        let body = piece.map_or(In::EndOfInput(true), In::Input);
                        room.send(ExecInput { body: Some(body) });
                    }
                    None => typing = false,
                },
                _ = resized.recv(), if raw.is_some() => {
                    let body = Some(In::Resize(size()));
                    // One that is not told keeps the size that it has.
                    let _ = say.try_send(ExecInput { body });
                }
                message = heard.message() => {
                    let message = match message {
                        Ok(message) => message,
                        Err(status) if is_lost(&status) => {
                            break Err(Lost { source: client.refused(&status) }.into());
                        }
                        Err(status) => break Err(client.refused(&status).into()),
                    };
                    match message.and_then(|message| message.body) {
                        Some(Out::Stdout(bytes)) => {
                            screen.bytes(&bytes)?;
                            screen.flush()?;
                        }
                        Some(Out::Stderr(bytes)) => screen.err_bytes(&bytes),
                        Some(Out::ExitCode(code)) => break Ok(code),
                        Some(Out::Failed(text)) => break Err(Ended { text }.into()),
                        None => {
                            let text = "the session has ended before the command".into();
                            break Err(Ended { text }.into());
                        }
                    }
                }
            }
        };
        drop(raw);
        let code = last?;
        Ok(Exit::of_job(code == 0, code))
    }
}

/// What is typed next, with room to send it in; a piece of `None` is its end, and `None` that nobody listens.
async fn next<'a>(
    say: &'a mpsc::Sender<ExecInput>,
    typed: &mut mpsc::Receiver<Vec<u8>>,
) -> Option<(mpsc::Permit<'a, ExecInput>, Option<Vec<u8>>)> {
    let room = say.reserve().await.ok()?;
    Some((room, typed.recv().await))
}
