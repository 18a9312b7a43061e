//! What the session knows of one attempt.

use std::sync::Arc;

use repower_model::{Rendezvous, Timestamp, Usage};

use crate::outbox::Place;
use crate::phase::Phase;
use crate::{Definition, Exit, Moment, Stream};

/// What the session knows of one attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) definition: Arc<Definition>,
    pub(crate) rendezvous: Option<Arc<Rendezvous>>,
    pub(crate) phase: Phase,
    /// When its process started.
    pub(crate) started: Option<Timestamp>,
    /// Where the report of its start lies, if it has not been sent.
    pub(crate) start_report: Option<Place>,
    /// When it has to be looked at, if ever.
    pub(crate) due: Option<Moment>,
    stdout: Written,
    stderr: Written,
}

/// How much one stream has carried.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    all: u64,
    kept: u64,
}

impl Attempt {
    pub(crate) fn new(
        definition: Arc<Definition>,
        rendezvous: Option<Arc<Rendezvous>>,
        phase: Phase,
    ) -> Self {
        Self {
            definition,
            rendezvous,
            phase,
            started: None,
            start_report: None,
            due: None,
            stdout: Written::default(),
            stderr: Written::default(),
        }
    }

    /// Counts what was printed; returns the part to keep and where in the stream it begins.
    pub(crate) fn wrote<'a>(
        &mut self,
        stream: Stream,
        data: &'a [u8],
        bound: u64,
    ) -> (u64, &'a [u8]) {
        let written = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let offset = written.kept;
        let room = usize::try_from(bound.saturating_sub(offset)).unwrap_or(usize::MAX);
        let keep = &data[..room.min(data.len())];
        written.all += data.len() as u64;
        written.kept += keep.len() as u64;
        (offset, keep)
    }

    /// What it has used.
    pub(crate) fn usage(&self, exit: Option<Exit>) -> Usage {
        Usage {
            wall_us: exit.map_or(0, |exit| exit.wall_us),
            cpu_us: exit.map_or(0, |exit| exit.cpu_us),
            peak_memory_bytes: exit.map_or(0, |exit| exit.peak_memory_bytes),
            stdout_bytes: self.stdout.all,
            stderr_bytes: self.stderr.all,
            truncated: self.stdout.all > self.stdout.kept || self.stderr.all > self.stderr.kept,
            read_bytes: exit.map_or(0, |exit| exit.read_bytes),
            written_bytes: exit.map_or(0, |exit| exit.written_bytes),
            oom_kills: exit.map_or(0, |exit| exit.oom_kills),
        }
    }
}
