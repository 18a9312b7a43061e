//! One stream, from hello to its end.

use std::pin::pin;
use std::time::Duration;

use repower_agent_core::{BatchLimits, Input, Moment, Session};
use repower_proto::v1::agents_client::AgentsClient;
use repower_proto::v1::from_agent::Body as Up;
use repower_proto::v1::to_agent::Body as Down;
use repower_proto::v1::{FromAgent, Goodbye, Heartbeat, Hello, Reports, ToAgent, Welcome};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use super::{Link, wire};
use crate::endpoint::Failure;
use crate::{address, clock};

/// The version of the protocol that this agent speaks.
const PROTOCOL: u32 = 1;

/// Messages that may wait to be written.
const QUEUE: usize = 4;

/// The largest message that is accepted: a definition may carry a long script or many arguments.
const LARGEST: usize = 64 << 20;

/// The shortest time between two messages of reports. The first one after a pause goes at once, so
/// this delays nobody when little happens, and makes messages few when much does.
const GATHER: Duration = Duration::from_millis(4);

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
}

impl End {
    /// When the scheduler last answered on it; `None`: it never said welcome, or need not be found again.
    pub(super) fn heard(&self) -> Option<Moment> {
        match self {
            Self::Left => None,
            Self::Dismissed { heard, .. } | Self::Broken { heard, .. } => *heard,
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
    /// Whether there may be reports to send.
    pending: bool,
    /// Not before this.
    gate: Instant,
}

impl Link {
    /// Says hello on a new stream and holds it until it ends.
    pub(super) async fn hold(&self, channel: Channel) -> End {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let hello = FromAgent { body: Some(Up::Hello(self.hello().await)) };
        sender.try_send(hello).expect("a new queue has room");
        let mut client = AgentsClient::new(channel).max_decoding_message_size(LARGEST);
        let now = Instant::from_std(clock::instant());
        let mut course = Course {
            sender,
            heard: None,
            heartbeat: Duration::from_secs(1),
            beat_at: now,
            pending: true,
            gate: now,
        };
        let end = match client.link(ReceiverStream::new(receiver)).await {
            Ok(reply) => self.converse(reply.into_inner(), &mut course).await,
            Err(status) => Err(status),
        };
        end.unwrap_or_else(|status| End::Broken { failure: failure(status), heard: course.heard })
    }

    async fn hello(&self) -> Hello {
        let mut inventory = self.inventory.clone();
        if inventory.address.is_empty() {
            // Asked anew each time: a machine may get another address.
            let own = address::towards(self.endpoint.uri()).await;
            inventory.address = own.map(|own| own.to_string()).unwrap_or_default();
        }
        Hello {
            protocol: PROTOCOL,
            instance: self.instance.0.to_vec(),
            inventory: Some((&inventory).into()),
            held: self.tasks.ask(|session| session.held().map(Into::into).collect()),
        }
    }

    async fn converse(
        &self,
        mut inbound: Streaming<ToAgent>,
        course: &mut Course,
    ) -> Result<End, Status> {
        loop {
            if self.is_leaving()
                && course.heard.is_some()
                && self.tasks.ask(|session| session.is_settled())
            {
                return Ok(self.farewell(inbound, course).await);
            }
            tokio::select! {
                biased;
                message = inbound.message() => match message? {
                    Some(message) => {
                        if let Some(end) = self.take(message, course) {
                            return Ok(end);
                        }
                    }
                    None => return Err(Status::unavailable("the scheduler has closed the link")),
                },
                () = self.tasks.news.notified() => course.pending = true,
                () = sleep_until(course.gate), if course.pending && course.heard.is_some() => {
                    self.send_reports(course).await?;
                }
                () = sleep_until(course.beat_at), if course.heard.is_some() => {
                    course.send(Up::Heartbeat(Heartbeat {})).await?;
                }
            }
        }
    }

    /// Takes in one message; returns how the stream ends if it ends it.
    fn take(&self, message: ToAgent, course: &mut Course) -> Option<End> {
        match message.body? {
            Down::Welcome(welcome) => self.welcome(&welcome, course),
            Down::Orders(orders) => {
                self.tasks.tell(orders.orders.into_iter().filter_map(wire::input));
            }
            Down::Acknowledged(acknowledged) => {
                if course.heard.is_some() {
                    course.heard = Some(clock::now().steady);
                }
                self.tasks.tell([Input::Acknowledged(acknowledged.through)]);
                // There may be room on the way again.
                course.pending = true;
            }
            Down::Dismissed(dismissed) => {
                return Some(End::Dismissed {
                    reason: dismissed.reason,
                    last: dismissed.r#final,
                    heard: course.heard,
                });
            }
        }
        None
    }

    fn welcome(&self, welcome: &Welcome, course: &mut Course) {
        tracing::info!(node = welcome.node, cell = welcome.cell, "linked to the scheduler");
        course.heard = Some(clock::now().steady);
        course.heartbeat = Duration::from_millis(welcome.heartbeat_ms.max(10));
        course.beat_at = Instant::from_std(clock::instant()) + course.heartbeat;
        self.tasks.tell([Input::LinkUp(wire::terms(welcome))]);
    }

    async fn send_reports(&self, course: &mut Course) -> Result<(), Status> {
        let reports = self.tasks.ask(next_reports);
        match reports {
            Some(reports) => {
                course.send(Up::Reports(reports)).await?;
                course.gate = Instant::from_std(clock::instant()) + GATHER;
            }
            None => course.pending = false,
        }
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

fn next_reports(session: &mut Session) -> Option<Reports> {
    let batch = session.next_batch(&BatchLimits::default())?;
    Some(wire::reports(&batch))
}

impl Course {
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
