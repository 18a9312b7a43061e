//! The link: one gRPC stream to the scheduler, made again whenever it breaks.

mod backoff;
mod stream;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use repower_agent_core::{Input, Moment};
use repower_model::{Instance, Inventory};
use tonic::transport::Endpoint;

use crate::endpoint::{self, Failure};
use crate::identity::Identity;
use crate::tasks::Tasks;
use crate::{Error, clock};

pub(crate) use backoff::Backoff;
use stream::End;

/// The link to the scheduler.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) endpoint: Endpoint,
    pub(crate) scheduler: String,
    pub(crate) identity: Identity,
    pub(crate) instance: Instance,
    pub(crate) inventory: Inventory,
    /// Whether the agent is to end when its tasks have.
    pub(crate) leaving: AtomicBool,
}

impl Link {
    /// Holds the link until the agent has left in order, or the scheduler does not want it.
    pub(crate) async fn run(&self) -> Result<(), Error> {
        let mut backoff = Backoff::default();
        let mut welcomed = false;
        loop {
            let end = match endpoint::connect(&self.endpoint).await {
                Ok(channel) => self.hold(channel).await,
                Err(failure) => End::Broken { failure, heard: None },
            };
            if let Some(heard) = end.heard() {
                welcomed = true;
                backoff = Backoff::default();
                self.lost(heard);
            }
            match end {
                End::Left => return Ok(()),
                End::Dismissed { reason, last: true, .. } => {
                    return Err(Error::Dismissed { reason });
                }
                End::Dismissed { reason, last: false, .. } => {
                    tracing::warn!(reason, "the scheduler has ended the link");
                }
                End::Broken { failure, .. } => self.broken(failure, welcomed)?,
            }
            if self.may_go() {
                return Ok(());
            }
            self.pause(backoff.next_wait(self.patience())).await;
        }
    }

    /// The longest wait before the next try.
    fn patience(&self) -> Duration {
        let idle = self.tasks.ask(|session| session.is_idle());
        if idle { Backoff::AT_REST } else { Backoff::AT_WORK }
    }

    /// The agent is to end: the link ends when all is reported.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
        self.tasks.news.notify_one();
    }

    fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// Whether nobody needs an agent that cannot reach its scheduler any more.
    fn may_go(&self) -> bool {
        self.is_leaving() && self.tasks.ask(|session| session.is_idle())
    }

    /// Waits before the next try, or until the agent is to end.
    async fn pause(&self, wait: Duration) {
        let until = tokio::time::Instant::from_std(clock::instant()) + wait;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                () = self.tasks.news.notified() => if self.may_go() { return },
            }
        }
    }

    /// The link broke, or did not come about.
    fn broken(&self, failure: Failure, welcomed: bool) -> Result<(), Error> {
        let scheduler = self.scheduler.clone();
        match failure {
            Failure::Unreachable(error) => {
                tracing::warn!(scheduler, error = chain(&*error), "cannot reach the scheduler");
            }
            Failure::WrongAuthority(source) if !welcomed => {
                return Err(Error::WrongAuthority { scheduler, source });
            }
            Failure::WrongAuthority(error) => {
                tracing::error!(
                    scheduler,
                    error = chain(&*error),
                    "who answers is not the scheduler"
                );
            }
            Failure::CertificateRefused(message) if !welcomed => {
                let name = self.identity.name.clone();
                return Err(Error::CertificateRefused { scheduler, name, message });
            }
            Failure::CertificateRefused(message) => {
                tracing::error!(
                    scheduler,
                    message,
                    "the scheduler refuses this agent's certificate"
                );
            }
        }
        Ok(())
    }

    /// A link that had been welcomed is gone. The lease counts from the last answer of the scheduler,
    /// which answers every heartbeat, and not from when the end was noticed.
    fn lost(&self, contact: Moment) {
        self.tasks.tell([Input::LinkDown { contact }]);
        // The lease now runs.
        self.tasks.alarm.notify_one();
    }
}

/// An error with its causes, on one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
