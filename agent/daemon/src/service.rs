//! The agent from its start to its end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use repower_agent_core::{Input, Limits};
use repower_model::Instance;
use tokio::time::{Instant, sleep_until, timeout};

use crate::identity::DataFolder;
use crate::link::Link;
use crate::tasks::{About, Tasks, Threads, kill_leftovers};
use crate::{Error, Options, clock, endpoint, enrol, environment, inventory};

/// How long an agent that was told to end waits for its tasks to end and its reports to be durable.
const PATIENCE: Duration = Duration::from_secs(15);

/// The longest sleep of the timekeeper: a machine that was suspended notices at the latest then.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Runs an agent until `shutdown` is ready, then ends it in order: tasks are stopped and reported,
/// and the scheduler is told.
///
/// Needs a tokio runtime with time and I/O; a current-thread one is enough.
///
/// # Errors
///
/// What keeps the agent from starting, or why the scheduler has sent it away. An unreachable
/// scheduler is an error only at enrolment; later it is tried again for ever.
pub async fn run(options: Options, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    options.check()?;
    let data = DataFolder::open(&options.data)?;
    let mut shutdown = pin!(shutdown);
    let identity = tokio::select! {
        identity = enrol::identity(&options, &data) => identity?,
        () = &mut shutdown => return Ok(()),
    };
    match kill_leftovers(&identity.folder) {
        Ok(0) => {}
        Ok(count) => tracing::warn!(count, "killed processes that an earlier agent had left"),
        Err(error) => {
            tracing::warn!(%error, "cannot look for processes that an earlier agent has left");
        }
    }
    let instance = Instance(environment::random()?);
    let inventory = inventory::inventory(&options, data.path())?;
    let about = About {
        name: identity.name.clone(),
        mark: format!("{}-{}", identity.folder, environment::hex(&instance.0)),
    };
    let limits = Limits {
        bytes: usize::try_from(options.backlog_mib.max(1) << 20).unwrap_or(usize::MAX),
        ..Limits::default()
    };
    let tasks =
        Tasks::new(inventory.capacity.clone(), limits, about, data.path(), options.no_exec)?;
    let threads = Threads::start(&tasks)?;
    let scheduler = options.scheduler.clone().unwrap_or_else(|| identity.scheduler.clone());
    let certificate = Some((identity.certificate.as_str(), identity.key.as_str()));
    let link = Link {
        endpoint: endpoint::endpoint(&scheduler, &identity.authority, certificate)?,
        tasks: Arc::clone(&tasks),
        scheduler,
        identity,
        instance,
        inventory,
        leaving: AtomicBool::new(false),
    };
    let result = hold(&link, &tasks, shutdown).await;
    // Also kills what a task that could not be stopped has left.
    drop(threads);
    result
}

async fn hold(link: &Link, tasks: &Tasks, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let mut held = pin!(link.run());
    let mut timers = pin!(keep_time(tasks));
    tokio::select! {
        result = &mut held => return result,
        () = &mut timers => {}
        () = shutdown => {}
    }
    tracing::info!("told to end: stopping tasks");
    tasks.tell([Input::Leave]);
    link.leave();
    tokio::select! {
        result = timeout(PATIENCE, &mut held) => result.unwrap_or_else(|_| {
            tracing::warn!("ending although not all is reported");
            Ok(())
        }),
        () = timers => Ok(()),
    }
}

/// Wakes the session whenever it asked for it.
async fn keep_time(tasks: &Tasks) {
    loop {
        let Some(at) = tasks.ask(|session| session.wake_at()) else {
            tasks.alarm.notified().await;
            continue;
        };
        let now = clock::now().steady;
        if at <= now {
            tasks.tell([Input::Timer]);
            continue;
        }
        let wait = Duration::from_millis(at.since(now).as_millis()).min(LONGEST_SLEEP);
        let until = Instant::from_std(clock::instant()) + wait;
        tokio::select! {
            () = sleep_until(until) => {}
            () = tasks.alarm.notified() => {}
        }
    }
}
