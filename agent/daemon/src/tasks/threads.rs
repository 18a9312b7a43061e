//! The threads that take events, and what they do about them.

use std::sync::Arc;
use std::thread::JoinHandle;

use repower_agent_core::{Exit, Input, Status, Stream};
use repower_model::Bytes;
use rustix::event::epoll;
use rustix::io::Errno;

use super::crew::{self, Work};
use super::folders::Used;
use super::state::{self, State};
use super::token::Token;
use super::{Tasks, boxes, exit};
use crate::{Error, clock};

/// How much is read of a pipe at once: what a pipe holds.
const CHUNK: usize = 64 << 10;

/// How much is read of a pipe before others get their turn.
const TURN: usize = 1 << 20;

/// The threads. Dropping them kills what still runs and ends them.
#[derive(Debug)]
pub(crate) struct Threads {
    tasks: Arc<Tasks>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts a thread for each core, at least two and at most eight.
    pub(crate) fn start(tasks: &Arc<Tasks>) -> Result<Self, Error> {
        let count = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 8));
        let mut threads = Self { tasks: Arc::clone(tasks), handles: Vec::with_capacity(count) };
        for number in 0..count {
            let tasks = Arc::clone(tasks);
            let handle = std::thread::Builder::new()
                .name(format!("tasks-{number}"))
                .stack_size(512 << 10)
                .spawn(move || tasks.work())
                .map_err(|source| Error::System { what: "a thread", source })?;
            threads.handles.push(handle);
        }
        threads.handles.extend(crew::start(tasks)?);
        Ok(threads)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let mut state = self.tasks.lock();
        state.quit = true;
        state.kill_all();
        drop(state);
        self.tasks.wake();
        self.tasks.crew.quit();
        for handle in self.handles.drain(..) {
            if handle.join().is_err() {
                tracing::error!("a thread that runs tasks had panicked");
            }
        }
        // One of them may have been launching a process just then; now nobody launches any more.
        self.tasks.lock().kill_all();
    }
}

impl Tasks {
    /// Launches what can be launched, takes one event, and so on.
    fn work(&self) {
        let mut buffer = vec![0; CHUNK];
        let mut events = Vec::with_capacity(1);
        loop {
            self.clean_up();
            if self.launch_all() {
                // The next thread must hear of it, too.
                return self.wake();
            }
            self.report();
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => {
                    let error = std::io::Error::from(errno);
                    tracing::error!(%error, "cannot wait for tasks");
                    return;
                }
            }
            for event in &events {
                match Token::unpack(event.data.u64()) {
                    Token::Exit(serial) => self.exited(serial, &mut buffer),
                    Token::Output(serial, stream) => self.readable(serial, stream, &mut buffer),
                    Token::Incoming(number) => self.hear(number, &mut buffer),
                    Token::Timer => self.wake_up(),
                    Token::Door => self.open_door(),
                    Token::Folder => self.look_at_folder(),
                    Token::Signal => self.take_signal(),
                    // What there is to write is written before the next wait.
                    Token::Wake | Token::Outgoing(_) => {}
                }
            }
        }
    }

    /// Launches until there is nothing to launch; returns whether this thread has to end.
    fn launch_all(&self) -> bool {
        loop {
            let mut state = self.lock();
            if state.quit {
                return true;
            }
            let Some(launch) = state.next_launch() else {
                return false;
            };
            let more = state.has_launches();
            drop(state);
            let is_slow = || crew::is_slow(&launch.definition.spec) || self.must_read(&launch);
            if !self.no_exec() && is_slow() {
                self.crew.add(Work::Launch(launch));
                continue;
            }
            if more && !self.no_exec() {
                self.wake();
            }
            self.launch(&launch);
        }
    }

    /// A process has ended: kills what is left of its group, reaps it, and reads what it has left.
    fn exited(&self, serial: u64, buffer: &mut [u8]) {
        let claimed = self.last_claim(serial);
        let mut state = self.lock();
        let Some(child) = state.children.get_mut(&serial) else {
            return;
        };
        let Some(pid) = child.pid.take() else {
            return;
        };
        // As long as it is not reaped its pid, and so the number of its group, is nobody else's.
        state::send(pid, repower_agent_core::Signal::Kill);
        let mut reaped = match exit::reap(pid) {
            Ok(Some(reaped)) => reaped,
            // Somebody traces it, and has not let go of it: then its end is told again.
            Ok(None) => {
                child.pid = Some(pid);
                return;
            }
            Err(_) => exit::Reaped::UNKNOWN,
        };
        child.writers = None;
        if let Some(status) = &child.status {
            reaped.status = boxes::status_of_task(status);
        }
        let figures = match &child.contained {
            Some(contained) => {
                // What the engine's client has used is not the task's.
                let status = contained.end(reaped.status);
                reaped = exit::Reaped { status, ..exit::Reaped::UNKNOWN };
                contained.last_figures()
            }
            None => child.held.as_ref().map(boxes::last_figures).unwrap_or_default(),
        };
        // Whoever comes next may need them.
        child.unpin();
        let (attempt, killed, kills) = (child.attempt, child.killed, child.kills);
        let wall = clock::uptime().saturating_sub(child.since);
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.drain(&mut state, serial, stream, buffer);
        }
        let drained = state.children.get(&serial).is_none_or(super::child::Child::is_drained);
        if drained {
            state.remove(serial);
        }
        if figures.memory_kills > 0 {
            state.shortage.tell(kills, figures.memory_kills);
        }
        let is_short = if figures.counts_kills {
            // Half of a task may be killed, and the other half then says why it cannot go on.
            figures.memory_kills > 0 && reaped.status != Status::Code(0)
        } else {
            let is_killed = reaped.status == Status::Signal(libc::SIGKILL) && !killed;
            is_killed && state.shortage.explains_a_kill(kills)
        };
        if is_short && !killed {
            reaped.status = Status::OutOfMemory;
        }
        let exit = Exit {
            status: reaped.status,
            ended: clock::now().wall,
            wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
            cpu_us: figures.cpu_us.unwrap_or(reaped.cpu_us),
            peak_memory_bytes: figures
                .peak_memory
                .map_or_else(|| self.inherited.beyond(reaped.peak_memory), Bytes::as_u64),
            read_bytes: figures.read.map_or(reaped.read, Bytes::as_u64),
            written_bytes: figures.written.map_or(reaped.written, Bytes::as_u64),
            oom_kills: figures.memory_kills,
        };
        if let Some(claimed) = claimed {
            self.apply(&mut state, claimed);
        }
        self.apply(&mut state, Input::Exited { attempt, exit, drained });
        drop(state);
        self.orphans.look();
    }

    /// A pipe has something to read, or is at its end.
    fn readable(&self, serial: u64, stream: Stream, buffer: &mut [u8]) {
        let mut state = self.lock();
        let Some(child) = state.children.get(&serial) else {
            return;
        };
        let (attempt, runs) = (child.attempt, child.pid.is_some());
        if runs && !state.session().may_read(attempt) {
            return state.pause(serial, stream);
        }
        self.drain(&mut state, serial, stream, buffer);
        let drained = state.children.get(&serial).is_some_and(super::child::Child::is_drained);
        if drained && !runs {
            state.remove(serial);
            self.apply(&mut state, Input::Drained { attempt });
        }
    }

    /// Reads what there is, up to a turn; closes the pipe at its end, else waits for more.
    fn drain(&self, state: &mut State, serial: u64, stream: Stream, buffer: &mut [u8]) {
        let mut read = 0;
        while read < TURN {
            let Some(child) = state.children.get_mut(&serial) else {
                return;
            };
            let attempt = child.attempt;
            let pipe = child.pipe(stream);
            let Some(reader) = pipe else { return };
            match rustix::io::read(&*reader, &mut *buffer) {
                Ok(0) => {
                    *pipe = None;
                    return;
                }
                Ok(count) => {
                    read += count;
                    let data = &buffer[..count];
                    self.apply(state, Input::Output { attempt, stream, data });
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(errno) => {
                    let error = std::io::Error::from(errno);
                    tracing::error!(%attempt, %error, "cannot read a task's output");
                    *pipe = None;
                    return;
                }
            }
            if !state.session().may_read(attempt) {
                break;
            }
        }
        if let Some(child) = state.children.get(&serial) {
            child.rearm(&self.epoll, serial, stream);
        }
    }

    /// Makes the folders of ended tasks fresh again.
    fn clean_up(&self) {
        let (used, freed, needless, over) = {
            let mut state = self.lock();
            let state = &mut *state;
            (
                std::mem::take(&mut state.used),
                std::mem::take(&mut state.freed),
                std::mem::take(&mut state.needless),
                std::mem::take(&mut state.over),
            )
        };
        for path in needless {
            self.crew.add(Work::Clear(path));
        }
        for (serial, contained) in over {
            self.crew.add(Work::Remove(serial, Box::new(contained)));
        }
        for held in freed {
            if let Err(error) = self.host.give_back(held) {
                tracing::error!(%error, "what a task was held by cannot be used again");
            }
        }
        for folder in used {
            match folder.recycle() {
                Used::Fresh(fresh) => self.lock().folders.keep(fresh),
                Used::Gone => {}
                Used::Full(path) => self.crew.add(Work::Clear(path)),
            }
        }
    }
}
