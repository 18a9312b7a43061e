//! A random workload: small jobs of every kind, with what people do to them.

use repower_agent_core::Moment;
use repower_model::{
    Array, Bytes, Cpus, DependencyKind, Gang, IndexRange, JobSpec, Layout, OnDisconnect, Resources,
    Retries, Span,
};

use super::{After, Plan, Step, Wish, Work};
use crate::dice::Dice;
use crate::fault::{Fault, Faults};

/// What people do in the world of a seed until `horizon`.
pub(crate) fn plan(seed: u64, faults: &Faults, horizon: Moment) -> Plan {
    let mut dice = Dice::new(seed, "workload");
    let jobs = usize::try_from(dice.within(3, 24)).unwrap_or(3);
    let pace = dice.below(3);
    let mut plan = Plan::default();
    let mut arrays = Vec::new();
    for _ in 0..jobs {
        let at = moment(&mut dice, horizon.as_millis() * 7 / 10);
        let wish = submission(&mut dice, &mut arrays, pace, faults);
        plan.steps.push(Step { at, wish });
        if faults.has(Fault::Cancels) && dice.chance(250) {
            let at = moment(&mut dice, horizon.as_millis());
            plan.steps.push(Step { at, wish: cancel(&mut dice, jobs) });
        }
    }
    plan
}

fn moment(dice: &mut Dice, most_ms: u64) -> Moment {
    // Some things happen at the same instant.
    let grain = *dice.pick(&[1, 1, 500]);
    Moment::from_millis(dice.below(most_ms) / grain * grain)
}

fn cancel(dice: &mut Dice, jobs: usize) -> Wish {
    let job = usize::try_from(dice.below(jobs as u64)).unwrap_or(0);
    let tasks = dice.chance(400).then(|| {
        let first = dice.small(0, 10);
        let last = first + dice.small(0, 10);
        let step = dice.small(1, 2);
        vec![IndexRange { first, last, step }]
    });
    Wish::Cancel { job, tasks }
}

/// A submission that comes after those with some arrays, to which its own is added.
fn submission(dice: &mut Dice, arrays: &mut Vec<Array>, pace: u64, faults: &Faults) -> Wish {
    let slot = arrays.len();
    let mut after = Vec::new();
    while slot > 0 && after.len() < 3 && dice.chance(150) {
        let on = usize::try_from(dice.below(slot as u64)).unwrap_or(0);
        let kinds = [DependencyKind::Ok, DependencyKind::NotOk, DependencyKind::Any];
        let (kind, per_task) = (*dice.pick(&kinds), dice.chance(500));
        after.push(After { slot: on, kind, per_task });
    }
    let again_in = (faults.has(Fault::Duplicates) && dice.chance(400))
        .then(|| dice.span(Span::ZERO, Span::from_secs(20)));
    let start_in = dice.chance(150).then(|| dice.span(Span::ZERO, Span::from_secs(40)));
    let mut spec = Box::new(spec(dice, pace));
    // Task by task, arrays must match; where they do not, it is refused.
    if let Some(each) = after.iter().find(|one| one.per_task).filter(|_| dice.chance(900)) {
        spec.array = arrays[each.slot].clone();
    }
    arrays.push(spec.array.clone());
    Wish::Submit { spec, after, start_in, again_in }
}

fn spec(dice: &mut Dice, pace: u64) -> JobSpec {
    let work = work(dice, pace);
    let limit = work.most.as_millis();
    JobSpec {
        name: "a-job".into(),
        class: class(dice).into(),
        project: JobSpec::PROJECT.into(),
        command: if dice.chance(15) { Vec::new() } else { work.command() },
        script: Vec::new(),
        environment: Vec::new(),
        working_folder: String::new(),
        array: array(dice),
        resources: resources(dice),
        time_limit: dice
            .chance(150)
            .then(|| Span::from_millis(dice.within(limit / 2, limit * 2) + 1)),
        grace: dice.span(Span::from_millis(1), Span::from_secs(2)),
        priority: i32::try_from(dice.below(5)).unwrap_or(0) - 2,
        start_after: None,
        retries: Retries {
            user: dice.small(0, 2),
            system: if dice.chance(200) { dice.small(0, 2) } else { Retries::SYSTEM },
        },
        gang: dice.chance(200).then(|| gang(dice)),
        ..saving(dice)
    }
}

/// What a job says of its stops.
fn saving(dice: &mut Dice) -> JobSpec {
    let signal = dice.chance(400).then_some(10);
    JobSpec {
        checkpoint_signal: signal,
        checkpoint_grace: signal
            .filter(|_| dice.chance(500))
            .map(|_| dice.span(Span::from_millis(1), Span::from_secs(2))),
        checkpoint_exit: signal.filter(|_| dice.chance(500)).map(|_| 85),
        on_disconnect: OnDisconnect::ALL[usize::from(dice.chance(300))],
        ..JobSpec::default()
    }
}

/// Small gangs; some that no cluster here can hold, or that are none.
fn gang(dice: &mut Dice) -> Gang {
    Gang {
        nodes: if dice.chance(30) { 0 } else { dice.small(1, 4) },
        ranks_per_node: if dice.chance(30) { 9 } else { dice.small(1, 3) },
        layout: *dice.pick(&[Layout::Spread, Layout::Pack]),
    }
}

fn class(dice: &mut Dice) -> &'static str {
    match dice.below(100) {
        0..70 => "sci-simulation",
        70..80 => "render-transcode",
        80..92 => "hash-heavy",
        92..96 => "pow-mining",
        96..98 => "",
        _ => "sci-simulatoin",
    }
}

/// Tasks of a few milliseconds, of about a second, or of up to half a minute.
fn work(dice: &mut Dice, pace: u64) -> Work {
    let kind = if dice.chance(600) { pace } else { dice.below(3) };
    let (least, most) = match kind {
        0 => (0, dice.within(1, 40)),
        1 => (dice.within(20, 200), dice.within(200, 2_000)),
        _ => (dice.within(500, 3_000), dice.within(3_000, 30_000)),
    };
    Work {
        seed: dice.below(1 << 40),
        least: Span::from_millis(least),
        most: Span::from_millis(most),
        fails: *dice.pick(&[0, 0, 100, 400]),
        doomed: *dice.pick(&[0, 0, 0, 100, 1000]),
        deaf: *dice.pick(&[0, 100, 1000]),
    }
}

fn array(dice: &mut Dice) -> Array {
    if dice.chance(350) {
        return Array::single();
    }
    let mut ranges = Vec::new();
    let mut next = dice.small(0, 3);
    for _ in 0..dice.within(1, 3) {
        let (first, step) = (next, *dice.pick(&[1, 1, 2, 3]));
        let last = first + dice.small(0, 14);
        ranges.push(IndexRange { first, last, step });
        next = last + 1 + dice.small(0, 2);
    }
    let limit = dice.chance(300).then(|| dice.small(1, 4));
    Array::new(ranges, limit).expect("ascending ranges that do not overlap are an array")
}

fn resources(dice: &mut Dice) -> Resources {
    let cpus = match dice.below(40) {
        0 => 0,
        1 => 1_000_000_000_000,
        2..24 => 1_000,
        24..30 => 500,
        30..36 => 2_000,
        _ => 4_000,
    };
    let licences = if dice.chance(100) { dice.within(1, 2) } else { 0 };
    Resources {
        cpus: Cpus::from_milli(cpus),
        memory: Bytes::from_mib(*dice.pick(&[0, 0, 512, 3_000])),
        disk: Bytes::default(),
        extras: if licences > 0 { vec![("licence".to_owned(), licences)] } else { Vec::new() },
    }
}
