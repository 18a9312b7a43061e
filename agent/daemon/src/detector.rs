//! The detector at work: what the tasks of this node do is looked at, and what is noticed is told.
//!
//! One thread owns the sensors and looks at one task after another, so that one thread of the node stands still at a
//! time, at most once a second, and so that looking takes half a hundredth of one processor. It belongs to the agent
//! and not to the executor: that is the parent of all tasks, which sensors must not be. What runs it hears from the
//! executor, whichever agent has started that, and what it notices goes there: the executor lets a task stand
//! still, and tells the scheduler until that has heard it.
//!
//! A thread that stands still when this process is killed goes on: the kernel sees to it.

mod jobs;
mod known;
mod round;
mod serve;
mod settings;
mod task;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use repower_proto::v1::{Forbidden, Noticed};
use tokio::sync::{Mutex, mpsc};

use crate::{Error, Options, sense};

use known::Running;
pub(crate) use serve::serve;

/// Messages to the thread that may wait.
const WAITING: usize = 8;

/// What was noticed and has not been handed on.
const NOTICED: usize = 64;

/// How often the executor is asked what runs.
const EVERY: Duration = Duration::from_secs(2);

/// The shortest time between two such questions, however fast the detector is.
const LEAST: Duration = Duration::from_millis(200);

/// The way to the thread that looks.
#[derive(Debug)]
pub(crate) struct Detector {
    /// `None`: it is off.
    to: Option<SyncSender<Told>>,
    /// How often the executor is asked what runs.
    every: Duration,
    noticed: Mutex<mpsc::Receiver<Noticed>>,
}

/// What the thread is told.
#[derive(Debug)]
enum Told {
    /// There is another executor, which may not have heard what was noticed.
    Attached,
    /// What runs now.
    Tasks(Vec<Running>),
    /// SHA-256 of programs that must not run: all of them.
    Forbidden(Arc<BTreeSet<[u8; 32]>>),
}

/// What the sensors of this host are, for the inventory.
#[derive(Debug, Default)]
pub(crate) struct Sensors {
    /// Those that work, ascending.
    pub(crate) has: Vec<String>,
    /// Those that do not, and why; by name.
    pub(crate) lacks: Vec<(String, String)>,
}

impl Detector {
    /// Tries the sensors, and starts to look unless it is switched off.
    pub(crate) fn start(options: &Options) -> Result<(Self, Sensors), Error> {
        let (to_agent, noticed) = mpsc::channel(NOTICED);
        let noticed = Mutex::new(noticed);
        let every = (EVERY / options.detector_pace).max(LEAST);
        let off = if options.no_exec {
            Some("the agent starts no processes")
        } else {
            (!options.detector).then_some("the agent was started with --detector off")
        };
        if let Some(why) = off {
            let lacks = sense::SENSORS.map(|sensor| (named(sensor), why.to_owned())).to_vec();
            return Ok((Self { to: None, every, noticed }, Sensors { has: Vec::new(), lacks }));
        }
        let sensors = sense::Sensors::new();
        let told = abilities(&sensors, options.detector_pace);
        let (to, messages) = sync_channel(WAITING);
        let pace = u64::from(options.detector_pace);
        thread::Builder::new()
            .name("detector".to_owned())
            .spawn(move || round::Rounds::new(sensors, pace, to_agent).run(&messages))
            .map_err(|source| Error::System { what: "the detector's thread", source })?;
        Ok((Self { to: Some(to), every, noticed }, told))
    }

    /// Programs that must not run: all of them.
    pub(crate) fn forbid(&self, forbidden: &Forbidden) {
        let digests = forbidden.digests.iter().filter_map(|one| one.as_slice().try_into().ok());
        self.tell(Told::Forbidden(Arc::new(digests.collect())));
    }

    /// Whether anybody looks.
    fn is_on(&self) -> bool {
        self.to.is_some()
    }

    /// What finds no room is told again: tasks every few seconds, programs on the next link.
    fn tell(&self, told: Told) {
        if let Some(to) = &self.to
            && to.try_send(told).is_err()
        {
            tracing::warn!("the detector does not keep up, or has ended");
        }
    }
}

/// What a sensor is called in the inventory.
fn named(sensor: &str) -> String {
    format!("sensor.{sensor}")
}

/// What of the sensors works here.
fn abilities(sensors: &sense::Sensors, pace: u32) -> Sensors {
    let lacks = sensors.unavailable().map(|why| (named(why.sensor()), why.to_string()));
    let lacks: std::collections::BTreeMap<String, String> = lacks.collect();
    for (sensor, why) in &lacks {
        tracing::warn!(sensor, why, "a sensor of the detector is not available");
    }
    let has = sense::SENSORS.map(named).into_iter().filter(|sensor| !lacks.contains_key(sensor));
    let mut has: Vec<String> = has.collect();
    if pace > 1 {
        tracing::warn!(
            times = pace,
            "the detector looks faster than in production, and costs more"
        );
        has.push(format!("sensor.pace-{pace}"));
    }
    Sensors { has, lacks: lacks.into_iter().collect() }
}
