//! The agent from its start to its end.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::attach::Attacher;
use crate::detector::Detector;
use crate::identity::DataFolder;
use crate::link::Link;
use crate::options::OnTerminate;
use crate::{Error, Options, endpoint, enrol, files, inventory};

/// How long an agent that was told to end waits for its tasks to end and its reports to be durable.
const PATIENCE: Duration = Duration::from_secs(15);

/// By what an agent was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// SIGTERM: whoever started it as a service stops it.
    Terminate,
    /// SIGINT: a person at its terminal.
    Interrupt,
}

/// Runs an agent until `shutdown` is ready, then ends it in order: tasks are stopped and reported,
/// the scheduler is told, and the executor ends. With [`OnTerminate::Keep`], SIGTERM ends the agent
/// alone: its executor goes on, and the next agent of this data folder finds it.
///
/// Needs a tokio runtime with time and I/O; a current-thread one is enough.
///
/// # Errors
///
/// What keeps the agent from starting, or why the scheduler has sent it away. An unreachable
/// scheduler is an error only at enrolment; later it is tried again for ever.
pub async fn run(options: Options, shutdown: impl Future<Output = Told>) -> Result<(), Error> {
    options.check()?;
    let data = DataFolder::open(&options.data)?;
    let mut shutdown = pin!(shutdown);
    let identity = tokio::select! {
        identity = enrol::identity(&options, &data) => identity?,
        _ = &mut shutdown => return Ok(()),
    };
    let engine = inventory::engine(&options, data.path());
    let (detector, sensors) = Detector::start(&options)?;
    let inventory = inventory::inventory(&options, data.path(), engine.as_ref(), sensors)?;
    let scheduler = options.scheduler.clone().unwrap_or_else(|| identity.scheduler.clone());
    let certificate = Some((identity.certificate.as_str(), identity.key.as_str()));
    let endpoint = endpoint::endpoint(&scheduler, &identity.authority, certificate)?;
    let files = files::Shared::new(&options, data.path(), &endpoint, engine)?;
    let capacity = inventory.capacity.clone();
    let attacher = Attacher::new(&options, &data, &identity, capacity, (files, detector))?;
    let (leave, leaving) = watch::channel(false);
    let executor = attacher.attach(None).await?;
    let mut link = Link { attacher, executor, endpoint, scheduler, identity, inventory, leaving };
    match hold(&mut link, &leave, &options, shutdown).await {
        Ended::Kept => Ok(()),
        Ended::Left(result) => {
            // Who is not wanted any more, or has left, leaves nothing behind. Otherwise, what runs is
            // worth more than an agent that cannot be started as it is now.
            let is_over = matches!(result, Ok(()) | Err(Error::Dismissed { .. }));
            if is_over || link.executor.standing().settled {
                link.executor.end().await;
            }
            result
        }
    }
}

/// How an agent has ended.
#[derive(Debug)]
enum Ended {
    /// Its tasks go on.
    Kept,
    Left(Result<(), Error>),
}

async fn hold(
    link: &mut Link,
    leave: &watch::Sender<bool>,
    options: &Options,
    shutdown: impl Future<Output = Told>,
) -> Ended {
    let mut held = pin!(link.run());
    let told = tokio::select! {
        result = &mut held => return Ended::Left(result),
        told = shutdown => told,
    };
    if told == Told::Terminate && options.on_terminate == OnTerminate::Keep {
        tracing::info!("told to end: tasks go on");
        return Ended::Kept;
    }
    tracing::info!("told to end: stopping tasks");
    leave.send_replace(true);
    Ended::Left(timeout(PATIENCE, held).await.unwrap_or_else(|_| {
        tracing::warn!("ending although not all is reported");
        Ok(())
    }))
}
