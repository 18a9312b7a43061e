//! What being looked at costs a job.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use repower_agent::sense::{Admitted, Look, Members, Sensors, Watch};
use repower_agent_core::detect::Settings;

use super::machine;
use crate::clock;

/// Steps of a matrix product with and without the detector, in pairs.
#[derive(Debug, Default)]
pub struct Cost {
    /// Steps in the same time: with, without.
    pub pairs: Vec<(u64, u64)>,
    /// Memory of the sensors and of one watch at its end, in KiB.
    pub grown_kib: u64,
    /// Processor time of the detector in permille of one processor.
    pub own_permille: u64,
}

impl Cost {
    /// Ratios of steps with to steps without, ascending.
    pub fn ratios(&self) -> Vec<f64> {
        let mut ratios: Vec<f64> = self
            .pairs
            .iter()
            .map(|(with, without)| *with as f64 / (*without).max(1) as f64)
            .collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }
}

/// Runs `pairs` pairs of `seconds` each, in turn first with and first without.
///
/// # Errors
///
/// A load that cannot be started or does not answer.
pub fn run(load: &Path, pairs: u32, seconds: u64) -> anyhow::Result<Cost> {
    let before = machine::resident_kib();
    let mut sensors = Sensors::new();
    let mut cost = Cost::default();
    let (mut own, mut all) = (0, 0);
    for pair in 0..pairs {
        let mut steps = [0; 2];
        for turn in 0..2 {
            let is_watched = (pair + turn) % 2 == 0;
            let cpu = own_cpu_ms();
            let begun = clock::instant();
            let watched = is_watched.then_some(&mut sensors);
            steps[usize::from(!is_watched)] = one(load, seconds, watched)?;
            if is_watched {
                own += own_cpu_ms() - cpu;
                all += u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            }
        }
        cost.pairs.push((steps[0], steps[1]));
    }
    cost.own_permille = own * 1000 / all.max(1);
    cost.grown_kib = machine::resident_kib().saturating_sub(before);
    Ok(cost)
}

/// The steps of a matrix product in so many seconds.
fn one(load: &Path, seconds: u64, sensors: Option<&mut Sensors>) -> anyhow::Result<u64> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "\"$0\" work matrix-product --seconds \"$1\" & wait"]).arg(load);
    shell.arg(seconds.to_string()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut shell = shell.spawn().context("cannot start a load")?;
    let is_over = AtomicBool::new(false);
    let members = Members::Family(shell.id());
    let mut answer = String::new();
    std::thread::scope(|scope| {
        if let Some(sensors) = sensors {
            scope.spawn(|| watch(sensors, members, &is_over));
        }
        let stdout = shell.stdout.as_mut();
        let read = stdout.map(|stdout| stdout.read_to_string(&mut answer));
        is_over.store(true, Ordering::Release);
        read
    });
    shell.wait()?;
    answer.trim().parse().context("the load has not said how many steps it did")
}

fn watch(sensors: &mut Sensors, members: Members, is_over: &AtomicBool) {
    let zero = clock::instant();
    let start = clock::now(zero).steady;
    let mut watch = Watch::new(members, Admitted::default(), Settings::default(), start);
    let mut next = start;
    while !is_over.load(Ordering::Acquire) {
        let now = clock::now(zero);
        if next > now.steady {
            let wait = next.since(now.steady).as_millis();
            clock::pass(std::time::Duration::from_millis(wait.min(100)));
            continue;
        }
        let look = Look::begin();
        watch.look(sensors, 0, None, now);
        // As the agent does it.
        next = watch.due().max(clock::now(zero).steady + look.rest(1));
    }
}

/// Processor time of this process in milliseconds.
fn own_cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks = rest.split_ascii_whitespace().skip(11).take(2);
    ticks.filter_map(|word| word.parse::<u64>().ok()).sum::<u64>() * 10
}
