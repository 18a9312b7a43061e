//! Work that goes from thread to thread, so that no thread has much of it.

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use super::{Work, clock, work};

/// How long each thread works.
const TURN: Duration = Duration::from_millis(30);

/// On a new thread each time.
pub(super) fn fresh(what: Work) -> ! {
    loop {
        // One that panics is followed by another.
        let _ = thread::spawn(move || work(&|| what.step(), 100, Some(TURN))).join();
    }
}

/// On so many threads in turn, for ever.
pub(super) fn turns(what: Work, threads: u32) -> anyhow::Result<()> {
    let (first, mut before) = sync_channel(1);
    let mut last = None;
    for number in 0..threads {
        let (next, after) = sync_channel(1);
        let next = if number + 1 == threads { first.clone() } else { next };
        let turn = std::mem::replace(&mut before, after);
        last = Some(thread::Builder::new().spawn(move || {
            let mut step = what.step();
            while turn.recv().is_ok() {
                let begun = clock::instant();
                while begun.elapsed() < TURN {
                    std::hint::black_box(step());
                }
                if next.send(()).is_err() {
                    return;
                }
            }
        })?);
    }
    first.send(())?;
    let _ = last.map(thread::JoinHandle::join);
    Ok(())
}
