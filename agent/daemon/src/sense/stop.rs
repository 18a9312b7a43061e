//! Control registers of a thread: it is stopped, read, and let go on.
//!
//! All requests to the kernel come from one thread, because a traced thread obeys only the one that
//! began to trace it. When that ends, for whatever reason, the kernel lets all go on that it traced.
//! A stop is waited for with a limit: if it does not come, the thread that waits goes on waiting, and
//! lets the other go whenever it stops.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use repower_agent_core::Moment;
use repower_agent_core::detect::Mode;
use repower_model::Span;

use super::{Unavailable, proc};

#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod trace;
#[cfg(not(all(target_arch = "x86_64", target_env = "gnu")))]
#[path = "stop/elsewhere.rs"]
mod trace;

/// Whether this build has the sensor.
pub(super) const fn is_available() -> bool {
    trace::IS_AVAILABLE
}

/// How long a stop is waited for. One that comes later is asked for at a later look: a thread stops
/// only when the processor comes to it, which takes seconds where hundreds wait for a turn.
const PATIENCE: Duration = Duration::from_millis(100);

/// The most threads of one task that are waited for at once.
const WAITED_FOR: usize = 2;

/// The most threads of one task that nobody waits for any more, and that stop yet or not at all.
const GIVEN_UP: usize = 14;

/// What a worker needs for its stack.
const STACK: usize = 128 << 10;

/// What came of an attempt to read the registers of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The rounding modes.
    Registers {
        /// In MXCSR.
        sse: Mode,
        /// In the x87 control word.
        x87: Mode,
        /// How long the thread stood still because of it.
        cost: Duration,
    },
    /// The thread has ended.
    Gone,
    /// A debugger holds it; it was left alone.
    Traced {
        /// The debugger's process.
        tracer: u32,
        /// Whether that has the same user.
        is_own: bool,
    },
    /// A child of this process; it was left alone.
    OwnChild,
    /// Its process has made itself unreadable, or waits so that nothing can stop it, though the host allows to look.
    Blocked,
    /// The host does not allow it.
    Denied,
    /// It has not stopped yet: ask [`Stopper::late`], and it goes on as soon as it does.
    Late,
    /// This sensor is not available.
    Unavailable(Unavailable),
}

/// Stops threads, one at a time. What one task makes it wait for keeps no other waiting.
#[derive(Debug, Default)]
pub struct Stopper {
    idle: Option<Worker>,
    waiting: Vec<Waiting>,
}

/// A worker whose thread has not stopped yet.
#[derive(Debug)]
struct Waiting {
    worker: Worker,
    process: u32,
    thread: u32,
    since: Moment,
    /// It takes so long that its place is another's.
    is_given_up: bool,
}

#[derive(Debug)]
struct Worker {
    requests: SyncSender<u32>,
    answers: Receiver<trace::Traced>,
}

impl Stopper {
    /// Ready to stop.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the registers of `thread` of `process`.
    pub fn read(&mut self, process: u32, thread: u32) -> Reading {
        self.read_of(&[process], process, thread, Moment::default())
    }

    /// The same, of a task that has the processes `task`.
    pub(super) fn read_of(
        &mut self,
        task: &[u32],
        process: u32,
        thread: u32,
        now: Moment,
    ) -> Reading {
        if !is_available() {
            return Reading::Unavailable(Unavailable::Processor);
        }
        let Some(status) = Status::of(thread) else { return Reading::Gone };
        if let Some(reading) = status.traced() {
            return reading;
        }
        if status.parent == std::process::id() {
            return Reading::OwnChild;
        }
        match self.trace_of(task, process, thread, now) {
            Ok(traced) => judged(traced, process, thread),
            Err(reading) => reading,
        }
    }

    /// What came of a thread that did not stop in time, if it has now: process, thread and reading. Only of processes
    /// that `is_wanted` wants. What has taken `patience` is waited for no longer: it is blocked if it waits for a
    /// child of its own that has its memory, which nothing interrupts, or if there are many such.
    pub fn late(
        &mut self,
        is_wanted: impl Fn(u32) -> bool,
        now: Moment,
        patience: Span,
    ) -> Option<(u32, u32, Reading)> {
        let given_up = |one: &&Waiting| one.is_given_up && is_wanted(one.process);
        let mut given_up = self.waiting.iter().filter(given_up).count();
        for index in 0..self.waiting.len() {
            let one = &mut self.waiting[index];
            let (process, thread) = (one.process, one.thread);
            if !is_wanted(process) {
                continue;
            }
            match one.worker.answers.try_recv() {
                Ok(traced) => {
                    self.idle = Some(self.waiting.swap_remove(index).worker);
                    return Some((process, thread, judged(traced, process, thread)));
                }
                Err(TryRecvError::Empty) => {
                    if one.is_given_up || now.since(one.since) < patience {
                        continue;
                    }
                    one.is_given_up = true;
                    given_up += 1;
                    if given_up >= GIVEN_UP || trace::waits_for_child(thread) {
                        return Some((process, thread, Reading::Blocked));
                    }
                }
                Err(TryRecvError::Disconnected) => {
                    self.waiting.swap_remove(index);
                    return Some((process, thread, Reading::Gone));
                }
            }
        }
        None
    }

    /// Reads a thread whatever it is.
    pub(super) fn trace(&mut self, process: u32, thread: u32) -> Result<trace::Traced, Reading> {
        self.trace_of(&[process], process, thread, Moment::default())
    }

    fn trace_of(
        &mut self,
        task: &[u32],
        process: u32,
        thread: u32,
        since: Moment,
    ) -> Result<trace::Traced, Reading> {
        // Answers that nobody asks for any more: their tasks have ended.
        self.waiting.retain(|one| {
            let is_over = || Status::of(one.process).is_none();
            !(is_over() && one.worker.answers.try_recv() != Err(TryRecvError::Empty))
        });
        let of_task = || self.waiting.iter().filter(|one| task.contains(&one.process));
        let waited_for = of_task().filter(|one| !one.is_given_up).count();
        let is_full = waited_for >= WAITED_FOR || of_task().count() >= WAITED_FOR + GIVEN_UP;
        if is_full || self.waiting.iter().any(|one| one.thread == thread) {
            return Err(Reading::Late);
        }
        let worker = match self.idle.take() {
            Some(worker) => worker,
            None => Worker::start().map_err(|_| Reading::Unavailable(Unavailable::Threads))?,
        };
        // A worker that panicked closes its channel: the next look starts another.
        if worker.requests.send(thread).is_err() {
            return Err(Reading::Gone);
        }
        match worker.answers.recv_timeout(PATIENCE) {
            Ok(answer) => {
                self.idle = Some(worker);
                Ok(answer)
            }
            Err(RecvTimeoutError::Disconnected) => Err(Reading::Gone),
            Err(RecvTimeoutError::Timeout) => {
                self.waiting.push(Waiting { worker, process, thread, since, is_given_up: false });
                Err(Reading::Late)
            }
        }
    }
}

impl Worker {
    fn start() -> std::io::Result<Self> {
        let (requests, asked) = sync_channel::<u32>(1);
        let (given, answers) = sync_channel(1);
        let builder = thread::Builder::new().name("sense-stop".to_owned()).stack_size(STACK);
        builder.spawn(move || {
            while let Ok(thread) = asked.recv() {
                if given.send(trace::read(thread)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { requests, answers })
    }
}

fn judged(traced: trace::Traced, process: u32, thread: u32) -> Reading {
    match traced {
        trace::Traced::Registers { sse, x87, cost } => Reading::Registers { sse, x87, cost },
        trace::Traced::Gone => Reading::Gone,
        trace::Traced::Refused => refused(process, thread),
    }
}

/// Why the kernel has refused.
fn refused(process: u32, thread: u32) -> Reading {
    let Some(status) = Status::of(thread) else { return Reading::Gone };
    if let Some(reading) = status.traced() {
        return reading;
    }
    let own = rustix::process::geteuid().as_raw();
    // The files of a process belong to its user, unless it must not be looked at.
    let owner = std::fs::metadata(proc::path(process, "stat")).map(|data| {
        use std::os::unix::fs::MetadataExt as _;
        data.uid()
    });
    let is_same_user = status.users.iter().all(|user| *user == own);
    match owner {
        Err(_) => Reading::Gone,
        Ok(owner) if is_same_user && owner != own => Reading::Blocked,
        Ok(_) => Reading::Denied,
    }
}

/// What `/proc/<pid>/status` says.
struct Status {
    /// The process of a thread.
    process: u32,
    parent: u32,
    tracer: u32,
    users: Vec<u32>,
}

impl Status {
    fn of(process: u32) -> Option<Self> {
        let bytes = proc::read(process, "status", 16 << 10).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let number = |key| proc::value(&text, key)?.parse().ok();
        let users = proc::value(&text, "Uid")?;
        Some(Self {
            process: number("Tgid")?,
            parent: number("PPid")?,
            tracer: number("TracerPid")?,
            users: users.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect(),
        })
    }

    /// Who traces it, if somebody does. What this process waits for itself is late.
    fn traced(&self) -> Option<Reading> {
        if self.tracer == 0 {
            return None;
        }
        // It may have ended meanwhile, and others may stop the thread then.
        let Some(tracer) = Self::of(self.tracer) else { return Some(Reading::Late) };
        if tracer.process == std::process::id() {
            return Some(Reading::Late);
        }
        let is_own = tracer.users.first() == self.users.first();
        Some(Reading::Traced { tracer: tracer.process, is_own })
    }
}
