//! Stopping what is less urgent, so that what is more urgent can start.
//!
//! Only where the policy says who may push whom aside. A task that is stopped saves its work within
//! its grace and goes back to pending; that counts against nothing. A gang stops whole, and others
//! stop for a gang only if all of it gets its place by that. Whatever stops, stops for a task to which
//! the place is promised.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use repower_model::{
    AttemptId, Gang, JobId, JobSpec, Layout, NodeId, Part, Resources, Span, StopReason, TaskId,
};

use super::room::{Room, held, unpromised, whole};
use super::{avoided, quota, respite};
use crate::fact::Fact;
use crate::life::attempt::{self, Event};
use crate::policy::Preemption;
use crate::state::{Job, Node, Shape, State, Token};

/// For how many tasks a pass makes room at most.
const MOST: usize = 1024;

/// How long after what stops should be over a promised place is given up: a node that is that late is
/// not well, and another may have room.
const LATE: Span = Span::from_secs(60);

/// What places a plain task as if it were a gang.
const ALONE: Gang = Gang { nodes: 1, ranks_per_node: 1, layout: Layout::Spread };

/// What must stop so that the urgent tasks that wait can start, and which place is promised to each
/// for that. Asked when all of them have been tried, and before anything less urgent is.
///
/// Nothing stops on a node that the pass keeps for a job that goes before; and where nothing may
/// overtake, only for what is first.
pub(super) fn preempt(state: &State, rule: Preemption, claims: &[Claim]) -> VecDeque<Fact> {
    let mut making = Making::new(state, rule);
    let urgent = state.queue.lines().flat_map(|(_, line)| {
        line.urgent(rule.from).take(MOST).map(|(turn, _)| (turn, &line.shape))
    });
    let mut waiting: Vec<_> = urgent.collect();
    waiting.sort_unstable_by_key(|(turn, _)| *turn);
    let strict = state.scheduling().discipline.lets_none_overtake();
    let mut left = MOST.saturating_sub(state.promises.len());
    for (turn, shape) in waiting {
        let own = claims.iter().position(|claim| claim.job == turn.job);
        if own.is_none() && strict {
            continue;
        }
        let before = &claims[..own.unwrap_or(claims.len())];
        let barred = before.iter().flat_map(|claim| claim.nodes.iter().copied()).collect();
        let job = &state.jobs[&turn.job];
        let most = job.limit().map_or(u64::MAX, |limit| u64::from(limit) - job.taken());
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(left);
        for place in job.ready_places(state.now).take(most) {
            left -= 1;
            if !making.room_for(shape, job, place, &barred) {
                break;
            }
        }
    }
    making.facts
}

/// A job that cannot start now and for which a pass keeps nodes, as far as it knows which.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) job: JobId,
    pub(super) nodes: Vec<NodeId>,
}

struct Making<'a> {
    state: &'a State,
    rule: Preemption,
    /// What is free or about to be, less what has been promised.
    spare: BTreeMap<NodeId, Resources>,
    /// What projects have been promised beside what they hold.
    promised: BTreeMap<&'a str, Resources>,
    stopped: BTreeSet<TaskId>,
    facts: VecDeque<Fact>,
}

/// Processes of a task that would go to a node, and the tasks that would have to stop for them there.
#[derive(Clone)]
struct Site {
    node: NodeId,
    processes: u32,
    tasks: Vec<TaskId>,
    /// The highest priority among the tasks, and how many processes stop: less is better.
    cost: (i32, usize),
}

impl<'a> Making<'a> {
    fn new(state: &'a State, rule: Preemption) -> Self {
        Self {
            state,
            rule,
            spare: BTreeMap::new(),
            promised: BTreeMap::new(),
            stopped: BTreeSet::new(),
            facts: VecDeque::new(),
        }
    }

    /// Promises a place to a task, and stops what must stop for it; false if nothing helps.
    fn room_for(
        &mut self,
        shape: &'a Shape,
        job: &Job,
        place: u32,
        barred: &BTreeSet<NodeId>,
    ) -> bool {
        let state = self.state;
        let promised = self.promised.get(shape.project.as_str());
        if quota::passed(state, shape, promised).is_some() {
            return false;
        }
        let avoid = avoided(state, job, place);
        let able = Room::able(state, shape)
            .filter(|node| !avoid.contains(&node.id) && !barred.contains(&node.id));
        let able: Vec<&Node> = able.collect();
        let gang = shape.gang.unwrap_or(ALONE);
        let sites = match gang.layout {
            Layout::Spread => self.spread(shape, job, &able, gang),
            Layout::Pack => self.packed(shape, job, &able, gang.ranks()),
        };
        let Some(sites) = sites else {
            return false;
        };
        self.clear(shape, job, &sites);
        self.promise(job.task(place), &sites);
        let promised = self.promised.entry(&shape.project).or_default();
        *promised = promised.plus(&shape.whole());
        true
    }

    /// The nodes on which the fewest and least urgent stop for an equal share of a gang on each.
    fn spread(&self, shape: &Shape, job: &Job, able: &[&Node], gang: Gang) -> Option<Vec<Site>> {
        let wanted = usize::try_from(gang.nodes).ok()?;
        let ranks = gang.ranks_per_node;
        let spare = able.iter().filter_map(|node| self.spared(node, shape, ranks));
        let mut sites: Vec<Site> = spare.take(wanted).collect();
        if sites.len() < wanted {
            sites = able.iter().filter_map(|node| self.site(node, shape, job, ranks)).collect();
            sites.sort_unstable_by_key(|site| (site.cost, site.node));
        }
        sites.truncate(wanted);
        (sites.len() == wanted).then_some(sites)
    }

    /// Nodes that hold all ranks together: what they have to spare first, then as few as will do of
    /// those on which the least urgent stops.
    fn packed(&self, shape: &Shape, job: &Job, able: &[&Node], ranks: u32) -> Option<Vec<Site>> {
        let mut left = ranks;
        let mut sites: BTreeMap<NodeId, Site> = BTreeMap::new();
        for node in able {
            let ranks = seats(node, shape, &self.spare_of(node), left);
            if let Some(site) = self.spared(node, shape, ranks).filter(|_| ranks > 0) {
                left -= ranks;
                sites.insert(node.id, site);
            }
        }
        if left == 0 {
            return Some(sites.into_values().collect());
        }
        let had = |sites: &BTreeMap<NodeId, Site>, node: NodeId| {
            sites.get(&node).map_or(0, |site| site.processes)
        };
        let cleared = able.iter().filter_map(|node| {
            let before = had(&sites, node.id);
            let all = self.below(node, job).into_iter();
            let free = all
                .fold(self.spare_of(node), |sum, task| sum.plus(&held(self.state, task, node.id)));
            let more = seats(node, shape, &free, before.saturating_add(left));
            let site = self.site(node, shape, job, more).filter(|_| more > before)?;
            Some((*node, site))
        });
        let mut cleared: Vec<(&Node, Site)> = cleared.collect();
        cleared.sort_unstable_by_key(|(_, site)| (site.cost.0, Reverse(site.processes), site.node));
        for (node, site) in cleared {
            let before = had(&sites, node.id);
            let more = left.min(site.processes - before);
            let site = self.site(node, shape, job, before + more).unwrap_or(site);
            sites.insert(node.id, site);
            left -= more;
            if left == 0 {
                return Some(sites.into_values().collect());
            }
        }
        None
    }

    /// A node that has room for so many processes without stopping anything.
    fn spared(&self, node: &Node, shape: &Shape, processes: u32) -> Option<Site> {
        let room = could_hold(node, shape, processes)
            && self.spare_of(node).holds(&whole(node, shape, 0, processes));
        let cost = (i32::MIN, 0);
        room.then(|| Site { node: node.id, processes, tasks: Vec::new(), cost })
    }

    /// What of a node is free or will be when what is stopping has ended, less what is promised.
    fn spare_of(&self, node: &Node) -> Resources {
        let spare = self.spare.get(&node.id).cloned();
        spare.unwrap_or_else(|| unpromised(self.state, node))
    }

    /// The tasks of a node that may be stopped for a job, the least urgent and youngest first. None
    /// that would go before it again by its deadline, and none that has its respite.
    fn below(&self, node: &Node, job: &Job) -> Vec<TaskId> {
        let state = self.state;
        let most = self.rule.below.min(job.spec.priority);
        let priority = |task: &TaskId| state.jobs[&task.job].spec.priority;
        let guarded = |spec: &JobSpec| spec.latest_safe_start().is_some_and(|at| at <= state.now);
        // What goes first and waits for the quota would take a place instead, and not start there.
        let turn = state.queue.place(job.id).map(|(_, turn)| turn);
        let frees_quota = |project: &str| {
            let head = state.queue.next_head(project, None).map(|(head, _)| head);
            quota::bounds(state, project) && head.is_some_and(|head| Some(head) < turn)
        };
        let may = |task: &&TaskId| {
            priority(task) < most
                && (guarded(&job.spec) || !guarded(&state.jobs[&task.job].spec))
                && !frees_quota(&state.jobs[&task.job].spec.project)
                && attempt::after(state.attempts[task].phase, Event::Preempt).is_some()
                // What is kept on a lost node does not end because somebody here wants it to.
                && state.attempts[task].out_of_touch(state).is_none()
                && !self.stopped.contains(task)
                && !respite::holds(&state.attempts[task], job, state.now)
        };
        let mut below: Vec<TaskId> = node.holding.iter().filter(may).copied().collect();
        below.sort_unstable_by_key(|task| {
            (priority(task), Reverse(state.attempts[task].placed), *task)
        });
        below
    }

    /// What would have to stop on a node for so many processes; `None` if that would not be enough.
    fn site(&self, node: &Node, shape: &Shape, job: &Job, processes: u32) -> Option<Site> {
        if let Some(site) = self.spared(node, shape, processes) {
            return Some(site);
        }
        if !could_hold(node, shape, processes) {
            return None;
        }
        let need = whole(node, shape, 0, processes);
        let mut spare = self.spare_of(node);
        let mut tasks = Vec::new();
        for task in self.below(node, job) {
            spare = spare.plus(&held(self.state, task, node.id));
            tasks.push(task);
            if spare.holds(&need) {
                break;
            }
        }
        if !spare.holds(&need) {
            return None;
        }
        self.keep_spared(&mut tasks, &mut BTreeMap::from([(node.id, (spare, need))]));
        let highest = tasks.iter().map(|task| self.state.jobs[&task.job].spec.priority).max()?;
        let stops = tasks.iter().map(|task| self.state.attempts[task].left().len()).sum();
        Some(Site { node: node.id, processes, tasks, cost: (highest, stops) })
    }

    /// Leaves out the tasks that need not stop, the most urgent first, as far as each node keeps what
    /// it needs of what it would have to spare.
    fn keep_spared(
        &self,
        tasks: &mut Vec<TaskId>,
        nodes: &mut BTreeMap<NodeId, (Resources, Resources)>,
    ) {
        let state = self.state;
        tasks.reverse();
        tasks.retain(|task| {
            let on = state.attempts[task].nodes();
            let needed = on.iter().any(|node| {
                nodes.get(node).is_some_and(|(spare, need)| {
                    !spare.less(&held(state, *task, *node)).holds(need)
                })
            });
            if !needed {
                for node in on {
                    if let Some((spare, _)) = nodes.get_mut(&node) {
                        *spare = spare.less(&held(state, *task, node));
                    }
                }
            }
            needed
        });
        tasks.reverse();
    }

    /// A task gets its place when what is stopping there has ended, if anything is.
    fn promise(&mut self, task: TaskId, sites: &[Site]) {
        let state = self.state;
        let on = sites.iter().flat_map(|site| state.nodes[&site.node].holding.iter());
        let stopping = on.filter_map(|task| {
            let attempt = &state.attempts[task];
            if self.stopped.contains(task) {
                let spec = &state.jobs[&task.job].spec;
                Some(state.now + spec.saving() + spec.grace)
            } else {
                attempt.phase.is_stopping().then(|| attempt.until.unwrap_or(state.now))
            }
        });
        let Some(last) = stopping.max() else { return };
        let part = |site: &Site| Part { node: site.node, ranks: site.processes };
        let mut parts: Vec<Part> = sites.iter().map(part).collect();
        parts.sort_unstable();
        let until = last.max(state.now) + LATE;
        self.facts.push_back(Fact::PlacePromised { task, parts, until });
    }

    /// Stops what must stop for a task, and leaves its room to it.
    fn clear(&mut self, shape: &Shape, job: &Job, sites: &[Site]) {
        let state = self.state;
        let mut tasks: Vec<TaskId> = Vec::new();
        for task in sites.iter().flat_map(|site| &site.tasks) {
            if !tasks.contains(task) {
                tasks.push(*task);
            }
        }
        let mut spare: BTreeMap<NodeId, (Resources, Resources)> = BTreeMap::new();
        for site in sites {
            let node = &state.nodes[&site.node];
            let freed = tasks.iter().filter(|task| node.holding.contains(task));
            let free =
                freed.fold(self.spare_of(node), |sum, task| sum.plus(&held(state, *task, node.id)));
            spare.insert(site.node, (free, whole(node, shape, 0, site.processes)));
        }
        // What stops on one node with a gang may be enough for what would have had to on another.
        tasks.sort_unstable_by_key(|task| {
            (state.jobs[&task.job].spec.priority, Reverse(state.attempts[task].placed), *task)
        });
        self.keep_spared(&mut tasks, &mut spare);
        for task in &tasks {
            for id in state.attempts[task].nodes().into_iter().filter(|id| !spare.contains_key(id))
            {
                let free = self.spare_of(&state.nodes[&id]).plus(&held(state, *task, id));
                self.spare.insert(id, free);
            }
            let number = state.attempts[task].number;
            self.facts.push_back(Fact::AttemptStopping {
                attempt: AttemptId { task: *task, number },
                why: StopReason::Preempted,
                by: Token::SCHEDULER.into(),
                reason: format!("job {} of priority {} needs its place", job.id, job.spec.priority),
            });
        }
        self.stopped.extend(tasks);
        for (node, (free, need)) in spare {
            self.spare.insert(node, free.less(&need));
        }
    }
}

/// Whether so many processes fit on a node that is empty, also where they would have all of it.
fn could_hold(node: &Node, shape: &Shape, processes: u32) -> bool {
    node.capacity().holds(&shape.resources.times(processes.into()))
}

/// How many ranks of a gang go to a node with this much free, at most so many.
fn seats(node: &Node, shape: &Shape, free: &Resources, most: u32) -> u32 {
    if shape.constraints.exclusive && !free.holds(node.capacity()) {
        return 0;
    }
    free.fits(&shape.resources, most)
}
