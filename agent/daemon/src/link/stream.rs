//! One stream, from hello to its end.

use std::pin::pin;
use std::time::Duration;

use repower_agent_core::Moment;
use repower_model::Ability;
use repower_proto::v1::agents_client::AgentsClient;
use repower_proto::v1::from_agent::Body as Up;
use repower_proto::v1::to_agent::Body as Down;
use repower_proto::v1::to_executor::Body as Order;
use repower_proto::v1::{
    Claims, FromAgent, Goodbye, Heartbeat, Hello, OpenSession, Reports, Samples, TaskRef,
    TellRunning, ToAgent, Welcome,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use super::sampling::{News, Sampling};
use super::{Link, session};
use crate::attach::{ForLink, Gone};
use crate::endpoint::Failure;
use crate::saved::Place;
use crate::{address, clock};

/// The version of the protocol that this agent speaks.
const PROTOCOL: u32 = 1;

/// Messages that may wait to be written.
const QUEUE: usize = 4;

/// The largest message that is accepted: a definition may carry a long script or many arguments.
const LARGEST: usize = 64 << 20;

/// The most tasks of which it is told that there is saved work here.
const SAVED: usize = 10_000;

/// How long to wait for the other side to end the stream after a goodbye.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a stream ended.
#[derive(Debug)]
pub(super) enum End {
    /// This agent has said goodbye.
    Left,
    /// The scheduler does not want it now, or for good.
    Dismissed { reason: String, last: bool, heard: Option<Moment> },
    /// It broke.
    Broken { failure: Failure, heard: Option<Moment> },
    /// The tasks were stopped because the scheduler was silent: it has to hear of it.
    LeaseLost { heard: Option<Moment> },
    /// There is no executor any more.
    ExecutorGone { heard: Option<Moment> },
    /// The executor is of another build and has nothing to do: it is time to replace it.
    Outdated { heard: Option<Moment> },
}

/// What ends a stream before its end.
#[derive(Debug)]
enum Stopped {
    Status(Status),
    Gone,
}

impl From<Status> for Stopped {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<Gone> for Stopped {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl End {
    /// When the scheduler last answered on it; `None`: it never said welcome, or need not be found again.
    pub(super) fn heard(&self) -> Option<Moment> {
        match self {
            Self::Left => None,
            Self::Dismissed { heard, .. }
            | Self::Broken { heard, .. }
            | Self::LeaseLost { heard }
            | Self::Outdated { heard }
            | Self::ExecutorGone { heard } => *heard,
        }
    }
}

/// What the stream's loop remembers.
#[derive(Debug)]
struct Course {
    sender: mpsc::Sender<FromAgent>,
    /// When the scheduler last answered. Only an answer shows that it hears this agent, and what it
    /// hears is what it counts the lease from: orders may come although nothing gets there.
    heard: Option<Moment>,
    heartbeat: Duration,
    /// When the next heartbeat is due if nothing else is sent.
    beat_at: Instant,
    /// What the executor reports on this link; closed before the welcome.
    reports: mpsc::Receiver<Reports>,
    /// What tasks say of their progress.
    claims: mpsc::Receiver<Claims>,
    sampling: Sampling,
    /// The connection of the stream: nothing else is on it that could hold it up.
    channel: Channel,
    /// Commands in the boxes of tasks: they end with the link.
    sessions: JoinSet<()>,
    /// Whether the scheduler has no room for output.
    holds_output: bool,
}

/// How many commands people may run in the boxes of tasks here at a time.
const SESSIONS: usize = 64;

impl Link {
    /// Says hello on a new stream and holds it until it ends.
    pub(super) async fn hold(&mut self, channel: Channel) -> End {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let Ok(hello) = self.hello().await else {
            return End::ExecutorGone { heard: None };
        };
        sender.try_send(FromAgent { body: Some(Up::Hello(hello)) }).expect("a new queue has room");
        let mut client = AgentsClient::new(channel.clone()).max_decoding_message_size(LARGEST);
        let mut course = Course {
            sender,
            heard: None,
            heartbeat: Duration::from_secs(1),
            beat_at: Instant::from_std(clock::instant()),
            reports: mpsc::channel(1).1,
            claims: mpsc::channel(1).1,
            sampling: Sampling::new(self.executor.running()),
            channel,
            sessions: JoinSet::new(),
            holds_output: false,
        };
        let end = match client.link(ReceiverStream::new(receiver)).await {
            Ok(reply) => self.converse(reply.into_inner(), &mut course).await,
            Err(status) => Err(status.into()),
        };
        let heard = course.heard;
        end.unwrap_or_else(|stopped| match stopped {
            Stopped::Status(status) => End::Broken { failure: failure(status), heard },
            Stopped::Gone => End::ExecutorGone { heard },
        })
    }

    async fn hello(&mut self) -> Result<Hello, Gone> {
        let mut inventory = self.inventory.clone();
        if inventory.address.is_empty() {
            // Asked anew each time: a machine may get another address.
            let own = address::towards(self.endpoint.uri()).await;
            inventory.address = own.map(|own| own.to_string()).unwrap_or_default();
        }
        if !self.executor.gives_users && rustix::process::geteuid().is_root() {
            // It would run a task as root that must not be: until it is replaced, such tasks go elsewhere.
            inventory.abilities.retain(|ability| ability != Ability::Bare.as_str());
        }
        Ok(Hello {
            protocol: PROTOCOL,
            instance: self.executor.instance.0.to_vec(),
            inventory: Some((&inventory).into()),
            held: self.executor.held().await?,
            saved: self.saved().await,
        })
    }

    /// The tasks of which there is saved work here.
    async fn saved(&self) -> Vec<TaskRef> {
        let data = self.attacher.data().to_owned();
        let tasks = tokio::task::spawn_blocking(move || Place::tasks(&data, SAVED)).await;
        tasks.unwrap_or_default().into_iter().map(Into::into).collect()
    }

    async fn converse(
        &mut self,
        mut inbound: Streaming<ToAgent>,
        course: &mut Course,
    ) -> Result<End, Stopped> {
        loop {
            let welcomed = course.heard.is_some();
            let standing = self.executor.standing();
            if welcomed && standing.leaving && standing.settled {
                return Ok(self.farewell(inbound, course).await);
            }
            if welcomed && standing.lease_lost {
                return Ok(End::LeaseLost { heard: course.heard });
            }
            if welcomed && standing.settled && !self.executor.is_latest && !self.is_leaving() {
                return Ok(End::Outdated { heard: course.heard });
            }
            tokio::select! {
                biased;
                message = inbound.message() => match message? {
                    Some(message) => {
                        if let Some(end) = self.take(message, course).await? {
                            return Ok(end);
                        }
                    }
                    None => {
                        return Err(Status::unavailable("the scheduler has closed the link").into());
                    }
                },
                changed = self.executor.changed() => changed?,
                told = self.leaving.changed() => {
                    told.map_err(|_| Gone)?;
                    self.leave().await;
                }
                news = course.sampling.news(), if welcomed => match news {
                    News::Ask => self.executor.send(Order::TellRunning(TellRunning {})).await?,
                    News::Samples(samples) => course.send(Up::Samples(Samples { samples })).await?,
                },
                Some(reports) = course.reports.recv() => course.send(Up::Reports(reports)).await?,
                Some(claims) = course.claims.recv() => course.send(Up::Claims(claims)).await?,
                () = sleep_until(course.beat_at), if welcomed => {
                    course.send(Up::Heartbeat(Heartbeat {})).await?;
                }
            }
        }
    }

    /// Takes in one message; returns how the stream ends if it ends it.
    async fn take(&mut self, message: ToAgent, course: &mut Course) -> Result<Option<End>, Gone> {
        let Some(body) = message.body else {
            return Ok(None);
        };
        match body {
            Down::Welcome(welcome) => self.welcome(&welcome, course).await?,
            Down::Orders(orders) => self.executor.send(Order::Orders(orders)).await?,
            Down::Acknowledged(acknowledged) => {
                let now = clock::now().steady;
                if course.heard.is_some() {
                    course.heard = Some(now);
                    course.note_hold(acknowledged.hold_output);
                    self.executor.heard(now, acknowledged).await?;
                }
            }
            Down::Forbidden(forbidden) => {
                self.attacher.detector().forbid(&forbidden);
                self.executor.send(Order::Forbidden(forbidden)).await?;
            }
            Down::SampleTasks(asked) => course.sampling.begin(asked),
            Down::OpenSession(open) => self.open_session(open, course).await?,
            Down::Dismissed(dismissed) => {
                return Ok(Some(End::Dismissed {
                    reason: dismissed.reason,
                    last: dismissed.r#final,
                    heard: course.heard,
                }));
            }
        }
        Ok(None)
    }

    /// Somebody wants to run a command in the box of a task.
    async fn open_session(&self, open: OpenSession, course: &mut Course) -> Result<(), Gone> {
        while course.sessions.try_join_next().is_some() {}
        let Some(attempt) = open.attempt else { return Ok(()) };
        let count = course.sessions.len();
        if count >= SESSIONS {
            tracing::warn!(count, "a session is not opened: there are too many");
            // Those that only say so end soon.
            if count < 2 * SESSIONS {
                let why = format!("{SESSIONS} commands run on this node already: try again later");
                course.sessions.spawn(session::refuse(course.channel.clone(), open, why));
            }
            return Ok(());
        }
        let process = self.executor.process(attempt).await?;
        let own = self.attacher.program();
        course.sessions.spawn(session::serve(self.endpoint.clone(), open, process, own));
        Ok(())
    }

    async fn welcome(&mut self, welcome: &Welcome, course: &mut Course) -> Result<(), Gone> {
        tracing::info!(node = welcome.node, cell = welcome.cell, "linked to the scheduler");
        let now = clock::now().steady;
        course.heard = Some(now);
        course.heartbeat = Duration::from_millis(welcome.heartbeat_ms.max(10));
        course.beat_at = Instant::from_std(clock::instant()) + course.heartbeat;
        let ForLink { reports, claims } = self.executor.link_up(welcome, now).await?;
        (course.reports, course.claims) = (reports, claims);
        Ok(())
    }

    /// Says goodbye and waits for the other side to end the stream.
    async fn farewell(&self, mut inbound: Streaming<ToAgent>, course: &mut Course) -> End {
        let reason = "the agent was told to end".to_owned();
        if course.send(Up::Goodbye(Goodbye { reason })).await.is_ok() {
            let (closed, _) = mpsc::channel(1);
            course.sender = closed;
            let ended = pin!(async { while let Ok(Some(_)) = inbound.message().await {} });
            if tokio::time::timeout(FAREWELL, ended).await.is_err() {
                tracing::debug!("the scheduler has not ended the stream after the goodbye");
            }
        }
        End::Left
    }
}

impl Course {
    /// Says so in the log when the scheduler begins or ceases to have no room for output.
    fn note_hold(&mut self, hold: bool) {
        if std::mem::replace(&mut self.holds_output, hold) == hold {
            return;
        }
        if hold {
            tracing::warn!("the scheduler's disk is full: what tasks print is kept here");
        } else {
            tracing::info!("the scheduler has room again: what tasks print is sent");
        }
    }

    /// Sends as soon as there is room; any message counts as a heartbeat.
    async fn send(&mut self, body: Up) -> Result<(), Status> {
        let sent = self.sender.send(FromAgent { body: Some(body) }).await;
        self.beat_at = Instant::from_std(clock::instant()) + self.heartbeat;
        sent.map_err(|_| Status::unavailable("the stream is closed"))
    }
}

/// What the end of a stream means.
fn failure(status: Status) -> Failure {
    if matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied) {
        Failure::CertificateRefused(status.message().to_owned())
    } else {
        Failure::of(status.into())
    }
}
