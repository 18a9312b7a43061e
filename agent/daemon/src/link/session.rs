//! A command in the box of a task: started here, and joined with the person who asked for it.
//!
//! Each has a connection to the scheduler of its own. What nobody reads fills the window of its connection, and on
//! that of the link it would hold up heartbeats and reports.

mod command;

use std::ffi::OsString;
use std::fs::File;
use std::future::ready;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use repower_proto::v1::agents_client::AgentsClient;
use repower_proto::v1::exec_input::Body as In;
use repower_proto::v1::exec_output::Body as Out;
use repower_proto::v1::from_session::Body as Up;
use repower_proto::v1::{ExecInput, ExecOutput, FromSession, OpenSession, Process, TerminalSize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::unconstrained;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

use crate::endpoint;

/// How much is read at once.
const PIECE: usize = 32 << 10;
/// Pieces that may wait to be sent.
const WAITING: usize = 8;

/// How long after the end of a command what it has printed may take to be read: what it has left in the
/// background may hold its output open for ever.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How much may be read after that, in bytes: the most that a pipe holds.
const LEFT: usize = 1 << 20;

/// How long to wait for the other side to end the stream.
const FAREWELL: Duration = Duration::from_secs(5);

/// Where what a command says goes.
type Say = mpsc::Sender<FromSession>;

/// Calls the scheduler back, and runs the command until it has ended or nobody listens any more.
pub(super) async fn serve(
    endpoint: Endpoint,
    open: OpenSession,
    process: oneshot::Receiver<Process>,
    own: Vec<OsString>,
) {
    let channel = match endpoint::connect(&endpoint::of_one(endpoint)).await {
        Ok(channel) => channel,
        Err(failure) => return tracing::warn!(?failure, "cannot call back for a session"),
    };
    let (say, said) = mpsc::channel(WAITING);
    let first = FromSession { body: Some(Up::Session(open.session.clone())) };
    say.try_send(first).expect("a new queue has room");
    let called = AgentsClient::new(channel).session(ReceiverStream::new(said)).await;
    let mut heard = match called {
        Ok(reply) => reply.into_inner(),
        Err(status) => return tracing::info!(%status, "nobody waits for a session any more"),
    };
    let last = match process.await {
        Ok(process) if process.pid > 0 || !process.engine.is_empty() => {
            run(&open, &process, own, &mut heard, &say).await
        }
        Ok(_) | Err(_) => Ok(Out::Failed("the task does not run any more".into())),
    };
    let last = last.unwrap_or_else(|error| {
        Out::Failed(format!("the command cannot be run on the node ({error}): see its log"))
    });
    tell(&say, last).await;
    drop(say);
    // To let go of it now would break the stream before the last message is there.
    let ended = async { while let Ok(Some(_)) = heard.message().await {} };
    if tokio::time::timeout(FAREWELL, ended).await.is_err() {
        tracing::debug!("the scheduler has not ended a session");
    }
}

/// Calls the scheduler back to say why there is no command, which is no more than the link's connection can take.
pub(super) async fn refuse(channel: Channel, open: OpenSession, why: String) {
    let (say, said) = mpsc::channel(WAITING);
    let first = FromSession { body: Some(Up::Session(open.session)) };
    say.try_send(first).expect("a new queue has room");
    tell(&say, Out::Failed(why)).await;
    drop(say);
    let told = async {
        let Ok(reply) = AgentsClient::new(channel).session(ReceiverStream::new(said)).await else {
            return;
        };
        let mut heard = reply.into_inner();
        while let Ok(Some(_)) = heard.message().await {}
    };
    if tokio::time::timeout(FAREWELL, told).await.is_err() {
        tracing::debug!("the scheduler has not ended a session");
    }
}

async fn tell(say: &Say, body: Out) -> bool {
    let output = ExecOutput { body: Some(body) };
    say.send(FromSession { body: Some(Up::Output(output)) }).await.is_ok()
}

async fn run(
    open: &OpenSession,
    process: &Process,
    own: Vec<OsString>,
    heard: &mut Streaming<ExecInput>,
    say: &Say,
) -> io::Result<Out> {
    // As long as the leash is held, the command is: also if this ends in the middle.
    let (mut command, _leash) = command::command(open, process, own)?;
    match open.terminal {
        None => on_pipes(&mut command, heard, say).await,
        Some(size) => on_terminal(&mut command, size, heard, say).await,
    }
}

async fn on_pipes(
    command: &mut Command,
    heard: &mut Streaming<ExecInput>,
    say: &Say,
) -> io::Result<Out> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let listen = async {
        while let Ok(Some(message)) = heard.message().await {
            match message.body {
                Some(In::Input(bytes)) => {
                    if let Some(pipe) = &mut stdin
                        && pipe.write_all(&bytes).await.is_err()
                    {
                        // The command does not read any more.
                        stdin = None;
                    }
                }
                Some(In::EndOfInput(_)) => stdin = None,
                Some(In::Open(_) | In::Resize(_)) | None => {}
            }
        }
    };
    let speak = async {
        let (end, over) = watch::channel(false);
        let mut passed = pin!(async {
            tokio::join!(
                pass(stdout, say, Out::Stdout, over.clone()),
                pass(stderr, say, Out::Stderr, over.clone()),
            )
        });
        let status = tokio::select! {
            _ = &mut passed => None,
            status = last_words(&mut child) => Some(status),
        };
        let Some(status) = status else { return child.wait().await };
        end.send_replace(true);
        passed.await;
        status
    };
    tokio::select! {
        () = listen => Ok(Out::Failed("nobody listens".into())),
        // Also of a command that says nothing, and of somebody who never ends what is typed.
        () = say.closed() => Ok(Out::Failed("nobody listens".into())),
        status = speak => Ok(Out::ExitCode(code(status?))),
    }
}

/// Waits for the end of a command, and then as long as its last words may take.
async fn last_words(child: &mut Child) -> io::Result<ExitStatus> {
    let status = child.wait().await;
    tokio::time::sleep(LAST_WORDS).await;
    status
}

/// Passes on what comes from a pipe, to its end; once it is over, what is in it.
async fn pass(
    pipe: Option<impl AsyncRead + Unpin>,
    say: &Say,
    body: fn(Vec<u8>) -> Out,
    mut over: watch::Receiver<bool>,
) {
    let Some(mut pipe) = pipe else { return };
    let (mut buffer, mut left) = (vec![0; PIECE], LEFT);
    while left > 0 {
        let count = tokio::select! {
            biased;
            // What is there is read before anything else, however much this task has done in its turn.
            count = unconstrained(pipe.read(&mut buffer)) => count.unwrap_or(0),
            _ = over.wait_for(|over| *over) => 0,
        };
        if count == 0 || !tell(say, body(buffer[..count].to_vec())).await {
            return;
        }
        if *over.borrow() {
            left = left.saturating_sub(count);
        }
    }
}

async fn on_terminal(
    command: &mut Command,
    size: TerminalSize,
    heard: &mut Streaming<ExecInput>,
    say: &Say,
) -> io::Result<Out> {
    let (near, far) = terminal(size)?;
    command.stdin(far.try_clone()?).stdout(far.try_clone()?).stderr(far);
    let mut child = command.spawn()?;
    // Only the command holds the other end from here on: its end is that of the terminal.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let near = File::from(near);
    let mut shown = read(near.try_clone()?)?;
    let typed = write(near.try_clone()?)?;
    let listen = async {
        while let Ok(Some(message)) = heard.message().await {
            match message.body {
                Some(In::Input(bytes)) => {
                    if typed.send(bytes).await.is_err() {
                        return;
                    }
                }
                Some(In::Resize(size)) => {
                    if let Err(error) = resize(&near, size) {
                        tracing::debug!(%error, "a terminal keeps its size");
                    }
                }
                // A terminal says so by a key.
                Some(In::EndOfInput(_) | In::Open(_)) | None => {}
            }
        }
    };
    let speak = async {
        let mut ended = None;
        {
            let (mut over, mut left) = (pin!(last_words(&mut child)), LEFT);
            while left > 0 {
                let bytes = tokio::select! {
                    biased;
                    bytes = unconstrained(shown.recv()) => bytes,
                    status = &mut over, if ended.is_none() => {
                        ended = Some(status);
                        continue;
                    }
                    () = ready(()), if ended.is_some() => None,
                };
                let Some(bytes) = bytes else { break };
                left = if ended.is_some() { left.saturating_sub(bytes.len()) } else { left };
                if !tell(say, Out::Stdout(bytes)).await {
                    break;
                }
            }
        }
        match ended {
            Some(status) => status,
            None => child.wait().await,
        }
    };
    tokio::select! {
        () = listen => Ok(Out::Failed("nobody listens".into())),
        // Also of a command that says nothing, and of somebody who never ends what is typed.
        () = say.closed() => Ok(Out::Failed("nobody listens".into())),
        status = speak => Ok(Out::ExitCode(code(status?))),
    }
}

/// What comes from a terminal, to its end.
fn read(mut near: File) -> io::Result<mpsc::Receiver<Vec<u8>>> {
    let (tell, told) = mpsc::channel(WAITING);
    let read = move || {
        let mut buffer = vec![0; PIECE];
        // At the end of the last process on it, a terminal is not at its end, but broken.
        while let Ok(count) = near.read(&mut buffer) {
            if count == 0 || tell.blocking_send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("terminal".into()).stack_size(128 << 10).spawn(read)?;
    Ok(told)
}

/// Takes what goes to a terminal.
fn write(mut near: File) -> io::Result<mpsc::Sender<Vec<u8>>> {
    let (tell, mut told) = mpsc::channel::<Vec<u8>>(WAITING);
    let write = move || {
        while let Some(bytes) = told.blocking_recv() {
            if near.write_all(&bytes).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("keys".into()).stack_size(128 << 10).spawn(write)?;
    Ok(tell)
}

/// Both ends of a new terminal; neither is inherited by programs that are not given it.
fn terminal(size: TerminalSize) -> io::Result<(OwnedFd, OwnedFd)> {
    let (mut near, mut far) = (-1, -1);
    let mut size = window(size);
    // SAFETY: it writes two numbers, and reads a size; the other pointers may be null.
    #[expect(unsafe_code, reason = "the safe calls for this take three steps and another feature")]
    let opened = unsafe {
        libc::openpty(
            &raw mut near,
            &raw mut far,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            &raw mut size,
        )
    };
    if opened != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both were opened just now, and nobody else knows them.
    #[expect(unsafe_code, reason = "they come as numbers")]
    let ends = unsafe { (OwnedFd::from_raw_fd(near), OwnedFd::from_raw_fd(far)) };
    for end in [&ends.0, &ends.1] {
        rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok(ends)
}

fn window(size: TerminalSize) -> libc::winsize {
    let number = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    libc::winsize {
        ws_row: number(size.rows),
        ws_col: number(size.columns),
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn resize(near: &File, size: TerminalSize) -> io::Result<()> {
    let size = window(size);
    // SAFETY: it reads a size that lives as long as the call.
    #[expect(unsafe_code, reason = "no safe call of the features that are used here")]
    let done = unsafe { libc::ioctl(near.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}
