//! Lines of text in both directions, each side on one thread.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Conversation, Pace};
use crate::clock;

/// A stream on which a read ends when there is nothing for a while.
pub(super) trait Patient: Read + Write {
    /// How long a read waits.
    fn wait(&self, time: Duration) -> io::Result<()>;
}

impl Patient for TcpStream {
    fn wait(&self, time: Duration) -> io::Result<()> {
        self.set_nodelay(true)?;
        self.set_read_timeout(Some(time))
    }
}

/// Who speaks unasked, how often and how much; and how much is answered.
struct Manners {
    /// Bytes said first, once.
    greeting: usize,
    /// Milliseconds between two unasked sayings, in turn; empty: never.
    every: &'static [u64],
    /// Bytes of an unasked saying.
    bytes: usize,
    /// Bytes of an answer to each saying of the other; 0: none.
    answer: usize,
}

/// New work every half a minute, and short answers to shares.
const POOL_SERVER: Manners =
    Manners { greeting: 0, every: &[27_000, 41_000, 12_000, 33_000], bytes: 620, answer: 60 };
/// A share now and then.
const POOL_CLIENT: Manners =
    Manners { greeting: 210, every: &[38_000, 71_000, 22_000, 55_000], bytes: 190, answer: 0 };
const METRICS_SERVER: Manners = Manners { greeting: 0, every: &[], bytes: 0, answer: 120 };
const METRICS_CLIENT: Manners = Manners { greeting: 0, every: &[15_000], bytes: 1900, answer: 0 };
const EVENTS_SERVER: Manners =
    Manners { greeting: 0, every: &[9_000, 31_000], bytes: 340, answer: 0 };
const EVENTS_CLIENT: Manners = Manners { greeting: 240, every: &[], bytes: 0, answer: 0 };

pub(super) fn serve(stream: impl Patient, how: Conversation, pace: Pace) -> anyhow::Result<()> {
    let manners = match how {
        Conversation::Metrics => METRICS_SERVER,
        Conversation::Events => EVENTS_SERVER,
        Conversation::Pool | Conversation::PoolTls | Conversation::Grpc => POOL_SERVER,
    };
    converse(stream, &manners, pace)
}

pub(super) fn talk(stream: impl Patient, how: Conversation, pace: Pace) -> anyhow::Result<()> {
    let manners = match how {
        Conversation::Metrics => METRICS_CLIENT,
        Conversation::Events => EVENTS_CLIENT,
        Conversation::Pool | Conversation::PoolTls | Conversation::Grpc => POOL_CLIENT,
    };
    converse(stream, &manners, pace)
}

/// Until the other side is gone. Only whole lines are answered, and answers are marked as such.
fn converse(mut stream: impl Patient, manners: &Manners, pace: Pace) -> anyhow::Result<()> {
    let mut turns = manners.every.iter().cycle();
    let mut buffer = [0; 4096];
    if manners.greeting > 0 {
        say(&mut stream, "hello", manners.greeting)?;
    }
    let mut next = turns.next().map(|ms| clock::instant() + pace.of(*ms));
    loop {
        stream.wait(left(next).clamp(Duration::from_millis(1), Duration::from_secs(1)))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                let is_whole = buffer[..count].ends_with(b"\n");
                let is_answer = buffer.starts_with(b"{\"answer");
                if manners.answer > 0 && is_whole && !is_answer {
                    say(&mut stream, "answer", manners.answer)?;
                }
            }
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error.into()),
        }
        if next.is_some() && left(next).is_zero() {
            say(&mut stream, "share", manners.bytes)?;
            next = turns.next().map(|ms| clock::instant() + pace.of(*ms));
        }
    }
}

fn left(next: Option<Instant>) -> Duration {
    next.map_or(Duration::MAX, |next| next.saturating_duration_since(clock::instant()))
}

fn is_timeout(error: &io::Error) -> bool {
    // A thread that is stopped while it reads finds its read interrupted.
    let kinds = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut, io::ErrorKind::Interrupted];
    kinds.contains(&error.kind())
}

fn say(stream: &mut impl Patient, what: &str, bytes: usize) -> io::Result<()> {
    let fill = "0".repeat(bytes.saturating_sub(what.len() + 8));
    stream.write_all(format!("{{\"{what}\":\"{fill}\"}}\n").as_bytes())?;
    stream.flush()
}
