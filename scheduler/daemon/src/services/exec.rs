//! A command in the box of a running task.

use std::sync::Arc;
use std::time::Duration;

use repower_core::effect::Answer;
use repower_core::input::{Enter, Input};
use repower_model::{JobId, TaskId};
use repower_proto::v1;
use repower_proto::v1::exec_input::Body as In;
use repower_proto::v1::exec_output::Body as Out;
use repower_proto::v1::from_session::Body as From;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::submit;
use crate::gate::Person;
use crate::problem::Problem;
use crate::sessions::{Ends, PATIENCE};
use crate::shared::Shared;

/// How long the first message may take.
const OPEN: Duration = Duration::from_secs(10);
/// Messages that may wait for a slow reader.
const WAITING: usize = 8;
/// The most bytes of a command.
const COMMAND: usize = 64 << 10;

type Output = ReceiverStream<Result<v1::ExecOutput, Status>>;

/// Lets somebody run a command, once that is in the ledger.
pub(super) async fn exec(
    shared: &Arc<Shared>,
    by: Person,
    mut inbound: Streaming<v1::ExecInput>,
) -> Result<Output, Status> {
    let open = match timeout(OPEN, inbound.message()).await {
        Ok(Ok(Some(v1::ExecInput { body: Some(In::Open(open)) }))) => open,
        Ok(Err(status)) => return Err(status),
        Ok(Ok(_)) | Err(_) => {
            return Err(Problem::bad_request("the first message says what is to run").into());
        }
    };
    let size: usize = open.command.iter().map(String::len).sum();
    if open.command.is_empty() || size > COMMAND {
        let text = format!("a command has 1 to {COMMAND} bytes, and this one has {size}");
        return Err(Problem::bad_request(text).into());
    }
    let task = TaskId { job: JobId(open.job), index: open.index };
    let (Person { name: by, role }, command) = (by, open.command.clone());
    let enter = Enter { task, rank: open.rank, by, role, command };
    let (rank, node) = match shared.keeper.ask(Input::Enter(Box::new(enter))).await {
        Ok(Answer::Entered { rank, node }) => (rank, node),
        Ok(_) => return Err(submit::unexpected()),
        Err(problem) if problem.code == "job.unknown" => {
            return Err(submit::ended_or_unknown(shared, task.job).await.into());
        }
        Err(problem) => return Err(problem.into()),
    };
    let absent = || {
        let text = format!("the node of task {task} does not answer");
        Problem::new(Code::Unavailable, "task.out-of-touch", text)
            .hint("try again when its node is back; `repower nodes` shows it")
    };
    let mut awaited = shared.sessions.wait(node).ok_or_else(|| {
        Problem::new(Code::ResourceExhausted, "exec.too-many", "too many sessions are being opened")
            .hint("try again in a while")
    })?;
    let sent = shared.links.open_session(
        node,
        v1::OpenSession {
            session: awaited.session.to_vec(),
            attempt: Some(rank.into()),
            command: open.command,
            terminal: open.terminal,
        },
    );
    if !sent {
        return Err(absent().into());
    }
    let Ok(Ok(ends)) = timeout(PATIENCE, &mut awaited.ends).await else {
        return Err(absent().into());
    };
    let (sender, stream) = mpsc::channel(WAITING);
    let to = sender.clone();
    shared.spawn_stream(sender, async move {
        join(inbound, ends, to).await;
        Ok(())
    });
    Ok(ReceiverStream::new(stream))
}

/// Passes on what both sides say, until one of them has gone.
async fn join(
    mut inbound: Streaming<v1::ExecInput>,
    ends: Ends,
    to: mpsc::Sender<Result<v1::ExecOutput, Status>>,
) {
    let Ends { input, mut output } = ends;
    let inward = async move {
        while let Ok(Some(message)) = inbound.message().await {
            if matches!(message.body, Some(In::Open(_)) | None) {
                return;
            }
            if input.send(Ok(message)).await.is_err() {
                // The command has ended: what it printed last is still on its way.
                std::future::pending::<()>().await;
            }
        }
    };
    let outward = async move {
        loop {
            let said = match output.message().await {
                Ok(Some(v1::FromSession { body: Some(From::Output(said)) })) => said,
                Ok(Some(_)) => return,
                Ok(None) | Err(_) => {
                    let text = "the node has gone: the command has ended with the session";
                    v1::ExecOutput { body: Some(Out::Failed(text.into())) }
                }
            };
            let is_last = matches!(said.body, Some(Out::ExitCode(_) | Out::Failed(_)) | None);
            if to.send(Ok(said)).await.is_err() || is_last {
                return;
            }
        }
    };
    tokio::select! {
        () = inward => {}
        () = outward => {}
    }
}
