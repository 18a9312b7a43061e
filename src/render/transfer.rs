//! How far a transfer of bytes is: a bar, on a terminal only.

use std::cell::Cell;
use std::fmt;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{time, words};

/// Transfers of fewer bytes are over before anybody has read a line.
const SMALL: u64 = 4 << 20;

/// How far a transfer is.
#[derive(Debug)]
pub struct Bar {
    shown: Option<ProgressBar>,
    at: Cell<u64>,
    /// Where it was when it began: what had come earlier was not moved now.
    base: Arc<AtomicU64>,
}

/// There was no word yet of where it began.
const UNKNOWN: u64 = u64::MAX;

/// Bytes in a second since this transfer began.
fn speed_of(state: &ProgressState, base: &AtomicU64) -> Option<u64> {
    rate(base.load(Ordering::Relaxed), state.pos(), state.elapsed())
}

fn rate(base: u64, at: u64, elapsed: Duration) -> Option<u64> {
    let ms = u64::try_from(elapsed.as_millis()).ok().filter(|ms| *ms > 0)?;
    let moved = at.checked_sub(base)?;
    Some(moved.saturating_mul(1000) / ms)
}

impl Bar {
    /// Shows nothing.
    pub fn none() -> Self {
        Self { shown: None, at: Cell::new(0), base: Arc::default() }
    }

    /// Of a file on its way there.
    pub fn upload(path: &Path, bytes: u64) -> Self {
        Self::of("sending", &path.display().to_string(), bytes)
    }

    /// Of a file on its way here.
    pub fn download(path: &str, bytes: u64) -> Self {
        Self::of("fetching", path, bytes)
    }

    fn of(verb: &str, name: &str, bytes: u64) -> Self {
        if bytes < SMALL || !std::io::stderr().is_terminal() {
            return Self::none();
        }
        // The name has what the rest leaves of the line, so that nothing is ever wrapped.
        let style = "{wide_msg} {bar:12.cyan/blue} {bytes}/{total_bytes}, {speed}/s, {left} left";
        let base = Arc::new(AtomicU64::new(UNKNOWN));
        let (of_speed, of_left) = (Arc::clone(&base), Arc::clone(&base));
        let speed = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let known = speed_of(state, &of_speed).map(|rate| HumanBytes(rate).to_string());
            write!(out, "{}", known.as_deref().unwrap_or("-")).expect("a String takes all");
        };
        let left = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let rest = state.len().unwrap_or(0).saturating_sub(state.pos());
            let rate = speed_of(state, &of_left).filter(|rate| *rate > 0);
            let known = rate.map(|rate| time::span(rest.saturating_mul(1000) / rate));
            write!(out, "{}", known.as_deref().unwrap_or("-")).expect("a String takes all");
        };
        let bar =
            ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(10))
                .with_style(
                    ProgressStyle::with_template(style)
                        .expect("a constant that is well formed")
                        .with_key("speed", speed)
                        .with_key("left", left),
                )
                .with_message(format!("{verb} {}", words::tame(name)));
        Self { shown: Some(bar), at: Cell::new(0), base }
    }

    /// So many bytes are there.
    pub fn at(&self, bytes: u64) {
        self.at.set(bytes);
        let first =
            self.base.compare_exchange(UNKNOWN, bytes, Ordering::Relaxed, Ordering::Relaxed);
        if let (Ok(_), Some(bar)) = (first, &self.shown) {
            bar.reset_elapsed();
        }
        if let Some(bar) = &self.shown {
            bar.set_position(bytes);
        }
    }

    /// How many bytes are there.
    pub fn position(&self) -> u64 {
        self.at.get()
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_had_come_before_is_no_speed_of_this_transfer() {
        let second = Duration::from_secs(1);

        assert_eq!(rate(900, 1000, second), Some(100));
        assert_eq!(rate(900, 900, second), Some(0));
        assert_eq!(rate(UNKNOWN, 1000, second), None);
        assert_eq!(rate(0, 1000, Duration::ZERO), None);
    }
}
