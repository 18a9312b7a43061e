//! Pictures of replays, as SVG: what waited and what was used over time, how long jobs waited, and who
//! ran where.
//!
//! Sizes are bounded whatever the trace is: curves have `BINS` points at most, and a Gantt chart
//! shows a window.

mod gantt;
mod style;
mod time;
mod timeline;
mod waits;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use repower_model::Span;

use crate::file;
use crate::replay::Replay;
use crate::trace::{Machine, Workload};

/// The most points of a curve.
const BINS: usize = 700;

/// A replay under a name.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// The policy.
    pub name: &'a str,
    /// How it went; with samples.
    pub replay: &'a Replay,
}

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The jobs.
    pub workload: &'a Workload,
    /// Where they ran.
    pub machine: &'a Machine,
    /// The policies.
    pub series: &'a [Series<'a>],
    /// What the Gantt charts show, from the first submission on.
    pub window: Window,
}

/// A part of a trace.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// So long after the first submission.
    pub from: Span,
    /// So long.
    pub length: Span,
}

/// A picture that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The folder cannot be made.
    #[error("cannot make the folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be drawn.
    #[error("cannot draw {picture}")]
    Drawing {
        /// Which.
        picture: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What came of drawing.
#[derive(Debug, Clone, Default)]
pub struct Gallery {
    /// The pictures that were written.
    pub pictures: Vec<PathBuf>,
    /// Those that were left out, and why.
    pub left_out: Vec<String>,
}

type Drawn = Result<(), Box<dyn Error + Send + Sync>>;

/// Makes the folder, and tries whether files can be made in it: that is better known before a long
/// replay than after it.
///
/// # Errors
///
/// [`PlotError`] if it cannot be.
pub fn prepare(folder: &Path) -> Result<(), PlotError> {
    std::fs::create_dir_all(folder)
        .map_err(|source| PlotError::Folder { path: folder.to_owned(), source })?;
    let path = folder.join("timeline.svg");
    file::probe(&path).map_err(|source| PlotError::File { path, source })
}

/// Draws all pictures into a folder: `timeline.svg`, `waits.svg`, and `gantt-<policy>.svg` for each.
///
/// # Errors
///
/// [`PlotError`] if the folder or a file cannot be written.
pub fn draw(folder: &Path, scene: &Scene<'_>) -> Result<Gallery, PlotError> {
    std::fs::create_dir_all(folder)
        .map_err(|source| PlotError::Folder { path: folder.to_owned(), source })?;
    let mut gallery = Gallery::default();
    let mut picture = |name: String, paint: &dyn Fn(&mut String) -> Drawn| {
        let mut text = String::new();
        paint(&mut text).map_err(|source| PlotError::Drawing { picture: name.clone(), source })?;
        let path = folder.join(name);
        let text = style::plain_families(&text);
        file::replace(&path, |out| out.write_all(text.as_bytes()))
            .map_err(|source| PlotError::File { path: path.clone(), source })?;
        gallery.pictures.push(path);
        Ok(())
    };
    picture("timeline.svg".into(), &|text| timeline::paint(text, scene))?;
    picture("waits.svg".into(), &|text| waits::paint(text, scene))?;
    let mut left_out = Vec::new();
    for series in scene.series {
        match gantt::lay_out(scene, series) {
            Ok(chart) => {
                let name = format!("gantt-{}.svg", series.name);
                picture(name, &|text| gantt::paint(text, scene, series, &chart))?;
            }
            Err(why) => left_out.push(format!("gantt-{}.svg: {why}", series.name)),
        }
    }
    gallery.left_out = left_out;
    Ok(gallery)
}

/// The first submission: where the pictures begin.
fn origin(workload: &Workload) -> Span {
    workload.jobs.first().map(|job| job.submit).unwrap_or_default()
}
