//! How far a transfer of bytes is: a bar, on a terminal only.

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::words;

/// Transfers of fewer bytes are over before anybody has read a line.
const SMALL: u64 = 4 << 20;

/// How far a transfer is.
#[derive(Debug)]
pub struct Bar {
    bar: Option<ProgressBar>,
    at: Cell<u64>,
}

impl Bar {
    /// Shows nothing.
    pub fn none() -> Self {
        Self { bar: None, at: Cell::new(0) }
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
        let style = "{msg} {bar:24.cyan/blue} {bytes}/{total_bytes}, {bytes_per_sec}, ETA {eta}";
        let bar =
            ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(10))
                .with_style(
                    ProgressStyle::with_template(style).expect("a constant that is well formed"),
                )
                .with_message(format!("{verb} {}", words::tame(name)));
        Self { bar: Some(bar), at: Cell::new(0) }
    }

    /// So many bytes are there.
    pub fn at(&self, bytes: u64) {
        self.at.set(bytes);
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
    }

    /// How many bytes are there.
    pub fn position(&self) -> u64 {
        self.at.get()
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
