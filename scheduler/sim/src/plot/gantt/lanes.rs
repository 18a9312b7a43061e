//! Which processors of its node each job of a window is drawn on.

use std::ops::Range;

use super::super::{Scene, Series, origin};

/// The most processors that can be told apart in a picture.
const MOST_LANES: usize = 4096;

/// The most pieces of jobs: a picture with more is a wall.
const MOST_PIECES: usize = 20_000;

/// A piece of a job: lanes that lie side by side.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
    pub(super) lane: usize,
    pub(super) lanes: usize,
    /// Its place in the workload.
    pub(super) job: usize,
}

/// A chart that only has to be drawn.
#[derive(Debug)]
pub(in super::super) struct Chart {
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    /// The lanes of each node.
    pub(super) floors: Vec<Range<usize>>,
    pub(super) lanes: usize,
    pub(super) pieces: Vec<Piece>,
}

/// Lays the jobs of the window out, each on the lowest free lanes of its nodes; or says why not.
pub(in super::super) fn lay_out(scene: &Scene<'_>, series: &Series<'_>) -> Result<Chart, String> {
    let start_ms = origin(scene.workload).as_millis() + scene.window.from.as_millis();
    let last = series.replay.runs.iter().map(|run| run.end.as_millis()).max().unwrap_or(0);
    let end_ms = (start_ms + scene.window.length.as_millis()).min(last);
    if end_ms <= start_ms {
        return Err("nothing runs in the window".into());
    }
    let (floors, lanes) = floors(scene);
    if lanes > MOST_LANES {
        return Err(format!("{lanes} processors, but a picture shows at most {MOST_LANES}"));
    }
    let mut order: Vec<usize> = (0..series.replay.runs.len())
        .filter(|at| {
            let run = &series.replay.runs[*at];
            run.end.as_millis() > start_ms && run.start.as_millis() < end_ms
        })
        .collect();
    order.sort_by_key(|at| (series.replay.runs[*at].start, *at));
    let mut free_from = vec![0; lanes];
    let mut chart = Chart { start_ms, end_ms, floors, lanes, pieces: Vec::new() };
    for at in order {
        let (job, run) = (&scene.workload.jobs[at], &series.replay.runs[at]);
        let (from_ms, to_ms) = (run.start.as_millis(), run.end.as_millis());
        for (node, cpu_milli) in series.replay.shares(at, job.cpus.as_milli()) {
            let wanted = lanes_of(cpu_milli);
            let floor = chart.floors[node as usize].clone();
            let free = floor.filter(|lane| free_from[*lane] <= from_ms).take(wanted);
            let taken: Vec<usize> = free.collect();
            for lane in taken {
                free_from[lane] = to_ms;
                match chart.pieces.last_mut() {
                    Some(Piece { lane: first, lanes, job, .. })
                        if *job == at && *first + *lanes == lane =>
                    {
                        *lanes += 1;
                    }
                    _ => chart.pieces.push(Piece { from_ms, to_ms, lane, lanes: 1, job: at }),
                }
            }
        }
        if chart.pieces.len() > MOST_PIECES {
            return Err(format!("more than {MOST_PIECES} pieces of jobs in the window"));
        }
    }
    Ok(chart)
}

/// The lanes of each node, and how many there are in all.
fn floors(scene: &Scene<'_>) -> (Vec<Range<usize>>, usize) {
    let mut lanes = 0;
    let nodes = scene.machine.nodes.iter().map(|node| {
        let first = lanes;
        lanes += lanes_of(node.capacity.cpus.as_milli());
        first..lanes
    });
    (nodes.collect(), lanes)
}

fn lanes_of(cpu_milli: u64) -> usize {
    usize::try_from(cpu_milli.div_ceil(1000)).unwrap_or(usize::MAX)
}
