//! The link: one gRPC stream to the scheduler, made again whenever it breaks. The agent itself knows
//! nothing of tasks: orders go on to the executor, and its reports come from there.

mod backoff;
mod sampling;
mod session;
mod stream;

use std::time::Duration;

use repower_agent_core::Moment;
use repower_model::{Inventory, Span};
use tokio::sync::watch;
use tonic::transport::Endpoint;

use crate::attach::{Attacher, Executor};
use crate::endpoint::{self, Failure};
use crate::identity::Identity;
use crate::{Error, clock};

pub(crate) use backoff::Backoff;
use stream::End;

/// A link that has lasted so long was a good one: the next try need not wait. One that ends as soon as it is there is tried
/// less and less often.
const LASTED: Span = Span::from_secs(1);

/// The link to the scheduler.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) attacher: Attacher,
    pub(crate) executor: Executor,
    pub(crate) endpoint: Endpoint,
    pub(crate) scheduler: String,
    pub(crate) identity: Identity,
    pub(crate) inventory: Inventory,
    /// Whether the agent is to end when its tasks have.
    pub(crate) leaving: watch::Receiver<bool>,
}

impl Link {
    /// Holds the link until the agent has left in order, or the scheduler does not want it.
    pub(crate) async fn run(&mut self) -> Result<(), Error> {
        let mut backoff = Backoff::default();
        let mut welcomed = false;
        loop {
            let began = clock::now().steady;
            let end = match endpoint::connect(&self.endpoint).await {
                Ok(channel) => self.hold(channel).await,
                Err(failure) => End::Broken { failure, heard: None },
            };
            if let Some(heard) = end.heard() {
                welcomed = true;
                if clock::now().steady.since(began) >= LASTED {
                    backoff = Backoff::default();
                }
                self.lost(heard).await;
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
                End::LeaseLost { .. } => tracing::warn!("the lease was over: linking anew"),
                End::Outdated { .. } => self.renew().await?,
                End::ExecutorGone { .. } => {}
            }
            if self.executor.is_gone() {
                // What it has not reported is lost, and so are its tasks: the next hello says so.
                tracing::error!("the executor is gone, and its tasks with it: starting another");
                self.executor = self.attacher.attach(None).await?;
            }
            if self.may_go() {
                return Ok(());
            }
            self.pause(backoff.next_wait(self.patience())).await;
        }
    }

    /// Replaces an executor of another build by one of this build, if it still has nothing to do: no
    /// link is up, so no orders come. To the scheduler it stays the same.
    async fn renew(&mut self) -> Result<(), Error> {
        if let Ok(Some(succession)) = self.executor.retire().await {
            tracing::info!("the executor of another build has ended: its successor takes over");
            self.executor = self.attacher.attach(Some(succession)).await?;
        }
        Ok(())
    }

    /// The longest wait before the next try.
    fn patience(&self) -> Duration {
        if self.executor.standing().idle { Backoff::AT_REST } else { Backoff::AT_WORK }
    }

    fn is_leaving(&self) -> bool {
        *self.leaving.borrow()
    }

    /// Whether nobody needs an agent that cannot reach its scheduler any more.
    fn may_go(&self) -> bool {
        self.is_leaving() && self.executor.standing().idle
    }

    /// The agent is to end: the executor stops its tasks.
    async fn leave(&self) {
        // One that is gone has stopped.
        let _ = self.executor.leave().await;
    }

    /// Waits before the next try, or until the agent is to end and may.
    async fn pause(&mut self, wait: Duration) {
        let until = tokio::time::Instant::from_std(clock::instant()) + wait;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                told = self.leaving.changed() => match told {
                    Ok(()) => self.leave().await,
                    Err(_) => return,
                },
                changed = self.executor.changed() => if changed.is_err() { return },
            }
            if self.may_go() {
                return;
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
    async fn lost(&mut self, contact: Moment) {
        // An executor that is gone stops nothing.
        let _ = self.executor.link_down(contact).await;
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
