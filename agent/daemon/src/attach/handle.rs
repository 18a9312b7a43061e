//! The executor as the agent sees it.

use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use repower_agent_core::Moment;
use repower_model::Instance;
use repower_proto::v1::from_executor::Body as Up;
use repower_proto::v1::to_executor::Body as Down;
use repower_proto::v1::{
    Acknowledged, AttemptRef, Claims, End, FindProcess, FromExecutor, Heard, Leave, LinkDown,
    LinkUp, Process, Reports, RunningProcess, Standing, Succession, TellHeld, Watched, Welcome,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::message;
use crate::detector::{self, Detector};
use crate::files;
use crate::frame::Frames;

/// Messages to the executor that may wait to be written.
const QUEUE: usize = 8;

/// Messages of reports that may wait to be sent on.
const REPORTS: usize = 2;

/// What it wants of files and was not looked at yet.
const WISHES: usize = 64;

/// How long an executor that was told to end may take: it kills what still runs.
const END: Duration = Duration::from_secs(10);

/// The executor has ended, or has closed the connection.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the executor is gone")]
pub(crate) struct Gone;

/// The executor that this agent is attached to.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) instance: Instance,
    /// Whether it is of the build that this agent would start.
    pub(crate) is_latest: bool,
    /// Whether it gives tasks outside of boxes the user of their project where that is asked for.
    pub(crate) gives_users: bool,
    child: Option<Child>,
    outgoing: mpsc::Sender<Vec<u8>>,
    holdings: mpsc::Receiver<Vec<AttemptRef>>,
    successions: mpsc::Receiver<Succession>,
    running: watch::Receiver<Vec<RunningProcess>>,
    seen: watch::Receiver<Seen>,
    /// The other end of that.
    see: watch::Sender<Seen>,
    link: Arc<Mutex<Option<LinkUpstream>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    last_link: u64,
    /// Ends when the connection does.
    reader: JoinSet<()>,
    /// The writer.
    _writer: JoinSet<()>,
    /// Brings files for it, and looks at its tasks.
    _crew: JoinSet<()>,
}

/// What is known of it without asking.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// Before it has told, it is taken to be at work.
    standing: Standing,
    gone: bool,
}

/// Where the reports for the present link go.
#[derive(Debug)]
struct LinkUpstream {
    number: u64,
    reports: mpsc::Sender<Reports>,
    claims: mpsc::Sender<Claims>,
}

/// What comes for the present link.
#[derive(Debug)]
pub(crate) struct ForLink {
    pub(crate) reports: mpsc::Receiver<Reports>,
    /// What tasks say of their progress.
    pub(crate) claims: mpsc::Receiver<Claims>,
}

/// Who waits to hear how the box of a process is entered.
#[derive(Debug)]
struct Asked {
    attempt: AttemptRef,
    tell: oneshot::Sender<Process>,
}

/// How many may wait for that.
const ASKED: usize = 256;

/// What the reader hands on.
#[derive(Debug)]
struct Reader {
    socket: OwnedReadHalf,
    frames: Frames,
    holdings: mpsc::Sender<Vec<AttemptRef>>,
    successions: mpsc::Sender<Succession>,
    running: watch::Sender<Vec<RunningProcess>>,
    /// What it wants of files.
    wishes: mpsc::Sender<Up>,
    /// What runs, for the detector.
    watched: mpsc::Sender<Watched>,
    see: watch::Sender<Seen>,
    link: Arc<Mutex<Option<LinkUpstream>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Executor {
    pub(super) fn new(
        socket: UnixStream,
        frames: Frames,
        instance: Instance,
        child: Option<Child>,
        (is_latest, gives_users): (bool, bool),
        (files, detector): (Arc<files::Shared>, Arc<Detector>),
    ) -> Self {
        let (incoming, outgoing) = socket.into_split();
        let (write, to_write) = mpsc::channel(QUEUE);
        let (hold, holdings) = mpsc::channel(1);
        let (succeed, successions) = mpsc::channel(1);
        let (run, running) = watch::channel(Vec::new());
        let (wish, wishes) = mpsc::channel(WISHES);
        let (look, watched) = mpsc::channel(1);
        let (see, seen) = watch::channel(Seen::default());
        let link = Arc::new(Mutex::new(None));
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let reads = Reader {
            socket: incoming,
            frames,
            holdings: hold,
            successions: succeed,
            running: run,
            wishes: wish,
            watched: look,
            see: see.clone(),
            link: Arc::clone(&link),
            asked: Arc::clone(&asked),
        };
        let (mut reader, mut writer) = (JoinSet::new(), JoinSet::new());
        let ended = see.clone();
        reader.spawn(async move {
            reads.run().await;
            ended.send_modify(|seen| seen.gone = true);
        });
        writer.spawn(write_all(outgoing, to_write));
        let (mut crew, answer) = (JoinSet::new(), write.clone());
        let tell = async move |body| answer.send(message(body)).await.is_ok();
        crew.spawn(files::serve(files, wishes, tell));
        let answer = write.clone();
        let tell = async move |body| answer.send(message(body)).await.is_ok();
        crew.spawn(detector::serve(detector, watched, tell));
        Self {
            instance,
            is_latest,
            gives_users,
            child,
            outgoing: write,
            holdings,
            successions,
            running,
            seen,
            see,
            link,
            asked,
            last_link: 0,
            reader,
            _writer: writer,
            _crew: crew,
        }
    }

    /// Sends a message as soon as there is room.
    pub(crate) async fn send(&self, body: Down) -> Result<(), Gone> {
        self.outgoing.send(message(body)).await.map_err(|_| Gone)
    }

    /// Every process that it knows.
    pub(crate) async fn held(&mut self) -> Result<Vec<AttemptRef>, Gone> {
        self.send(Down::TellHeld(TellHeld {})).await?;
        self.holdings.recv().await.ok_or(Gone)
    }

    /// Where the answers come to those who ask what runs.
    pub(crate) fn running(&self) -> watch::Receiver<Vec<RunningProcess>> {
        self.running.clone()
    }

    /// Asks how the box of a process is entered; the answer comes where this returns.
    pub(crate) async fn process(
        &self,
        attempt: AttemptRef,
    ) -> Result<oneshot::Receiver<Process>, Gone> {
        let (tell, told) = oneshot::channel();
        {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.retain(|one| !one.tell.is_closed());
            if asked.len() < ASKED {
                asked.push(Asked { attempt, tell });
            }
        }
        self.send(Down::FindProcess(FindProcess { attempt: Some(attempt) })).await?;
        Ok(told)
    }

    /// The scheduler has welcomed the agent; returns what comes for this link.
    pub(crate) async fn link_up(
        &mut self,
        welcome: &Welcome,
        heard: Moment,
    ) -> Result<ForLink, Gone> {
        self.unsee();
        self.last_link += 1;
        let (reports, reports_come) = mpsc::channel(REPORTS);
        let (claims, claims_come) = mpsc::channel(1);
        let number = self.last_link;
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(LinkUpstream { number, reports, claims });
        self.send(Down::LinkUp(LinkUp {
            link: number,
            lease_ms: welcome.lease_ms,
            output_bytes: welcome.output_bytes,
            heard_ms: heard.as_millis(),
        }))
        .await?;
        Ok(ForLink { reports: reports_come, claims: claims_come })
    }

    /// The link is gone; the scheduler was last heard at `heard`.
    pub(crate) async fn link_down(&mut self, heard: Moment) -> Result<(), Gone> {
        self.unsee();
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.send(Down::LinkDown(LinkDown { heard_ms: heard.as_millis() })).await
    }

    /// The scheduler was heard, and everything up to this report is durable.
    pub(crate) async fn heard(&self, heard: Moment, said: Acknowledged) -> Result<(), Gone> {
        let Acknowledged { through, hold_output } = said;
        self.send(Down::Heard(Heard { heard_ms: heard.as_millis(), through, hold_output })).await
    }

    /// It has to stop all tasks, and to start none.
    pub(crate) async fn leave(&self) -> Result<(), Gone> {
        self.unsee();
        self.send(Down::Leave(Leave {})).await
    }

    /// What it was told last is no longer true, for all that is known; it will tell.
    fn unsee(&self) {
        self.see.send_modify(|seen| seen.standing = Standing::default());
    }

    /// How it stands. Up to date as long as there is no link, or the agent leaves.
    pub(crate) fn standing(&self) -> Standing {
        self.seen.borrow().standing
    }

    /// Waits until it stands otherwise.
    pub(crate) async fn changed(&mut self) -> Result<(), Gone> {
        self.seen.changed().await.map_err(|_| Gone)?;
        if self.is_gone() { Err(Gone) } else { Ok(()) }
    }

    /// Whether it is gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.seen.borrow().gone
    }

    /// Asks it to end if it has settled; returns what its successor goes on with if it does.
    pub(crate) async fn retire(&mut self) -> Result<Option<Succession>, Gone> {
        self.unsee();
        self.seen.mark_unchanged();
        self.send(Down::End(End { if_settled: true })).await?;
        loop {
            tokio::select! {
                succession = self.successions.recv() => {
                    let succession = succession.ok_or(Gone)?;
                    self.ended().await;
                    return Ok(Some(succession));
                }
                changed = self.seen.changed() => changed.map_err(|_| Gone)?,
            }
            if self.is_gone() {
                return self.successions.try_recv().map(Some).map_err(|_| Gone);
            }
            if !self.standing().settled {
                return Ok(None);
            }
        }
    }

    /// Ends it, and with it whatever still runs.
    pub(crate) async fn end(mut self) {
        if self.send(Down::End(End { if_settled: false })).await.is_ok() {
            self.ended().await;
        }
    }

    /// Waits until it has ended.
    async fn ended(&mut self) {
        if timeout(END, self.reader.join_next()).await.is_err() {
            tracing::warn!("the executor does not end");
            return;
        }
        if let Some(mut child) = self.child.take() {
            // It closes the connection only by its end.
            drop(child.wait());
        }
    }
}

impl Reader {
    async fn run(mut self) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            loop {
                match self.frames.next::<FromExecutor>() {
                    Ok(Some(message)) => self.take(message).await,
                    Ok(None) => break,
                    Err(error) => {
                        tracing::error!(%error, "the executor sends what is no message");
                        return;
                    }
                }
            }
            match self.socket.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => self.frames.push(&buffer[..count]),
            }
        }
    }

    async fn take(&self, message: FromExecutor) {
        match message.body {
            Some(Up::Reports(reports)) => {
                let upstream = {
                    let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
                    let present = link.as_ref().filter(|link| link.number == reports.link);
                    present.map(|link| link.reports.clone())
                };
                if let Some((upstream, reports)) = upstream.zip(reports.reports) {
                    // A link that ends meanwhile needs them no more.
                    drop(upstream.send(reports).await);
                }
            }
            Some(Up::Claims(told)) => {
                let upstream = {
                    let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
                    let present = link.as_ref().filter(|link| link.number == told.link);
                    present.map(|link| link.claims.clone())
                };
                if let Some((upstream, claims)) = upstream.zip(told.claims) {
                    // The next link is told all of it again.
                    drop(upstream.send(claims).await);
                }
            }
            Some(Up::Process(process)) => {
                let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                let is_it = |one: &Asked| process.attempt == Some(one.attempt);
                if let Some(at) = asked.iter().position(is_it) {
                    // Who does not wait any more need not know.
                    let _ = asked.swap_remove(at).tell.send(process);
                }
            }
            Some(Up::Standing(standing)) => self.see.send_modify(|seen| seen.standing = standing),
            Some(Up::Holding(holding)) => drop(self.holdings.send(holding.held).await),
            Some(Up::Running(running)) => drop(self.running.send(running.processes)),
            Some(Up::Succession(succession)) => drop(self.successions.send(succession).await),
            Some(
                wish @ (Up::Stage(_)
                | Up::Release(_)
                | Up::Collect(_)
                | Up::Abandon(_)
                | Up::FetchCheckpoint(_)
                | Up::SaveCheckpoint(_)
                | Up::AbandonCheckpoint(_)),
            ) => {
                drop(self.wishes.send(wish).await);
            }
            // Who does not keep up hears of it the next time.
            Some(Up::Watched(watched)) => drop(self.watched.try_send(watched)),
            Some(Up::Greeting(_)) | None => {}
        }
    }
}

/// Writes messages until there are no more.
async fn write_all(mut socket: OwnedWriteHalf, mut messages: mpsc::Receiver<Vec<u8>>) {
    while let Some(message) = messages.recv().await {
        if socket.write_all(&message).await.is_err() {
            return;
        }
    }
}
