//! A world that lives by dice: what it is made of.

use std::collections::BTreeMap;

use repower_core::input::Input;
use repower_core::plan::Discipline;
use repower_core::policy::DEFAULT;
use repower_core::state::State;
use repower_model::{Instance, Inventory, JobId, NodeId, Outcome, RankId, Span, TaskId, Timestamp};

use crate::places::Places;
use crate::world::{World, cpus};

/// How wild a world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// One project, one priority; all that runs has a limit, keeps it and succeeds; nodes stay.
    Calm,
    /// Anything may happen.
    Wild,
}

/// A world that lives by dice.
pub(crate) struct Seeded {
    pub(crate) world: World,
    pub(crate) discipline: Discipline,
    pub(crate) weather: Weather,
    dice: u64,
    pub(crate) sizes: Vec<u64>,
    /// When what runs will end, and how.
    pub(crate) ends: BTreeMap<RankId, (Timestamp, Outcome)>,
    /// When the first in order was to start at the latest.
    pub(crate) promise: Option<(TaskId, Timestamp)>,
    pub(crate) waits: BTreeMap<JobId, Wait>,
    pub(crate) places: Places,
}

/// What a job may wait for.
pub(crate) struct Wait {
    /// So many tasks went before it when it came, or came later and went before it.
    pub(crate) ahead: u64,
    /// From when on nothing that comes goes before it.
    pub(crate) settled: Timestamp,
}

/// The longest limit of a calm world.
pub(crate) const LONGEST: Span = Span::from_secs(3600);

/// Who may push whom aside in a wild world.
pub(crate) const URGENT: i32 = 10;
pub(crate) const BELOW: i32 = 5;

/// What tasks of project c may hold at once.
pub(crate) const QUOTA: u64 = 3;

impl Seeded {
    pub(crate) fn new(seed: u64, discipline: Discipline, weather: Weather) -> Self {
        let mut seeded = Self {
            world: World::with_nodes(&[]),
            discipline,
            weather,
            dice: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d,
            sizes: Vec::new(),
            ends: BTreeMap::new(),
            promise: None,
            waits: BTreeMap::new(),
            places: Places::default(),
        };
        let preempt = if weather == Weather::Wild && seeded.one_in(2) {
            format!("preempt-from = {URGENT}\npreempt-below = {BELOW}\n")
        } else {
            String::new()
        };
        let projects = match weather {
            Weather::Calm => String::new(),
            Weather::Wild => {
                format!("[project.b]\nshare = 3.0\n[project.c]\nquota-cpus = {QUOTA}\n")
            }
        };
        let order = format!("[scheduling]\npolicy = \"{discipline}\"\n");
        let text = format!("{DEFAULT}\n{order}{preempt}{projects}");
        seeded.world.turn(&Input::Adopt { text, by: "op".into(), replaces: None }).unwrap();
        for at in 0..2 + seeded.below(7) {
            let size = seeded.one_of(&[1, 2, 4, 8, 16]);
            seeded.world.join(&format!("n{at}"), size);
            seeded.sizes.push(size);
            seeded.hello(NodeId(u32::try_from(at).unwrap() + 1), 2);
        }
        seeded
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % bound
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()].clone()
    }

    pub(crate) fn state(&self) -> &State {
        self.world.engine.state()
    }

    /// The agent of a node comes, with the labels that the node has in this world.
    pub(crate) fn hello(&mut self, node: NodeId, instance: u8) {
        let at = usize::try_from(node.0).unwrap() - 1;
        let (kind, level) = (["a", "b"][at % 2], ["v2", "v3"][at / 2 % 2]);
        let inventory = Inventory {
            capacity: cpus(self.sizes[at]),
            isa_level: format!("x86-64-{level}"),
            labels: vec![("kind".to_owned(), kind.to_owned())],
            address: format!("10.0.0.{}", node.0),
            ..Inventory::default()
        };
        let held = self.running().into_iter().filter(|(_, on)| *on == node);
        let held: Vec<RankId> = held.map(|(rank, _)| rank).collect();
        let held = if self.one_in(2) { held } else { Vec::new() };
        let (instance, inventory) = (Instance([instance; 16]), Box::new(inventory));
        self.world
            .turn(&Input::Hello { node, instance, inventory, held, saved: Vec::new() })
            .unwrap();
    }
}
