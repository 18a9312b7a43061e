//! How a world is made from its seed.

use std::collections::BTreeMap;

use repower_agent_core::Moment;
use repower_core::check::Violation;
use repower_core::effect::Answer;
use repower_core::input::Input;
use repower_core::policy::{DEFAULT, hash_of};
use repower_model::{Bytes, Cpus, NodeId, Resources, Span, TokenKind};

use super::{Event, World};
use crate::clock::Clock;
use crate::dice::Dice;
use crate::fault::{Fault, Faults};
use crate::heap::{Class, Heap};
use crate::machine::{Habits, Machine};
use crate::network::Network;
use crate::people::People;
use crate::scheduler::Scheduler;
use crate::transcript::Transcript;
use crate::workload::random;

/// When the trouble is over.
pub(super) const HORIZON: Moment = Moment::from_millis(90_000);

/// What the machines of a world are like.
#[derive(Debug)]
struct Traits {
    lease: Span,
    unnoticed: Span,
    habits: Habits,
    latency: Span,
    held_up: Span,
    commit: Span,
}

/// Why no task runs twice at once: an agent has ended its tasks within 7/8 of a lease from when it
/// sent the last message that it knows to have been heard, and the scheduler waits a whole one from
/// when it heard the last one, which is later. That leaves 1/8 of a lease for clocks that drift,
/// and asks nothing of heartbeats, of delays, or of what gets through in which direction.
fn traits(dice: &mut Dice, faults: &Faults) -> Traits {
    let lease = Span::from_millis(*dice.pick(&[2_400, 8_000, 15_000]));
    let part = |n| Span::from_millis(lease.as_millis() / n);
    Traits {
        lease,
        unnoticed: part(3),
        habits: Habits {
            heartbeat: part(3),
            batch: usize::try_from(*dice.pick(&[2, 50, 4096])).unwrap_or(50),
            longest_pause: part(3),
        },
        latency: Span::from_millis(dice.within(0, 20)),
        held_up: if faults.has(Fault::Delays) { part(6) } else { Span::ZERO },
        commit: Span::from_millis(dice.within(0, 12)),
    }
}

impl<'a> World<'a> {
    pub(super) fn new(seed: u64, faults: &Faults, transcript: &'a mut Transcript) -> Self {
        let mut dice = Dice::new(seed, "traits");
        let traits = traits(&mut dice, faults);
        let network = Dice::new(seed, "network");
        let mut world = Self {
            now: Moment::default(),
            heap: Heap::default(),
            scheduler: Scheduler::new(traits.lease),
            epoch: 1,
            is_up: true,
            clock: Clock::new(1_000_000, 0),
            pass_due: false,
            wake: None,
            machines: BTreeMap::new(),
            network: Network::new(network, traits.latency, traits.held_up),
            people: People::new(Dice::new(seed, "people")),
            faults: faults.clone(),
            lease: traits.lease,
            unnoticed: traits.unnoticed,
            commit: traits.commit,
            calm: false,
            dice: BTreeMap::new(),
            seed,
            late: BTreeMap::new(),
            running: BTreeMap::new(),
            runs: BTreeMap::new(),
            transcript,
        };
        let count = u32::try_from(dice.within(1, 5)).unwrap_or(1);
        for node in (1..=count).map(NodeId) {
            let capacity = capacity(&mut dice, node);
            let drift = if faults.has(Fault::Drift) {
                i64::try_from(dice.below(20_001)).unwrap_or(0) - 10_000
            } else {
                0
            };
            let clock = Clock::new(dice.below(1 << 30), drift);
            let own = Dice::new(seed.wrapping_add(u64::from(node.0) << 48), "machine");
            let machine = Machine::new(node, capacity, traits.habits, clock, own);
            world.machines.insert(node, machine);
            let late = if dice.chance(700) { 0 } else { dice.below(30_000) };
            world.push(
                Moment::from_millis(late),
                Class::Signal,
                node.0.into(),
                Event::Boot(node, 0),
            );
        }
        world
    }

    /// Founds the cell, enrols the machines, and lays out what will happen.
    pub(super) fn found(&mut self) -> Result<(), Violation> {
        let now = self.time().wall;
        let (cell, version) = ("sim".to_owned(), "sim".to_owned());
        self.scheduler.found(&Input::Found { cell, version }, now)?;
        let text = DEFAULT.to_owned();
        self.scheduler.found(&Input::Adopt { text, by: "op".into(), replaces: None }, now)?;
        for node in self.machines.keys().copied().collect::<Vec<_>>() {
            self.enrol(node)?;
        }
        for step in random::plan(self.seed, &self.faults, HORIZON).steps {
            let event = Event::Wish(Box::new(step.wish));
            self.push(step.at, Class::Arrival, 0, event);
        }
        self.push(HORIZON, Class::Signal, 0, Event::Calm);
        self.start_ticking();
        self.brew_trouble();
        Ok(())
    }

    fn enrol(&mut self, node: NodeId) -> Result<(), Violation> {
        let now = self.time().wall;
        let name = format!("n{node}");
        let secret = hash_of(name.as_bytes());
        let issue = Input::Issue {
            kind: TokenKind::Join,
            role: None,
            name: String::new(),
            hash: secret,
            expires: None,
            by: "op".into(),
        };
        self.scheduler.found(&issue, now)?;
        let fingerprint = hash_of(format!("certificate of {name}").as_bytes());
        let enrol = Input::Enrol { secret, name, fingerprint };
        let answer = self.scheduler.found(&enrol, now)?;
        assert_eq!(answer, Answer::Node(node), "nodes are counted from 1");
        Ok(())
    }
}

/// The first machine can hold every task; the others are of all sizes.
fn capacity(dice: &mut Dice, node: NodeId) -> Resources {
    let (cpus, gib, licences) = if node.0 == 1 {
        (dice.within(4, 6), 8, 2)
    } else {
        (dice.within(1, 6), *dice.pick(&[1, 4, 64]), *dice.pick(&[0, 0, 1, 4]))
    };
    Resources {
        cpus: Cpus::from_whole(cpus),
        memory: Bytes::from_gib(gib),
        disk: Bytes::from_gib(10),
        extras: if licences > 0 { vec![("licence".to_owned(), licences)] } else { Vec::new() },
    }
}
