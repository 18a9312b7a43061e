//! One screen of `repower top`.

use std::collections::BTreeMap;

use repower_proto::v1::{ListNodesReply, NodePhase, Resources, RunningReply, RunningTask};

use super::Sort;
use crate::render::quantity::{bytes, cpus};
use crate::render::{Cell, Column, Table, claims, table, time, words};

/// What there is to draw.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) nodes: &'a ListNodesReply,
    pub(super) running: &'a RunningReply,
    pub(super) now_ms: i64,
    /// Why nothing newer is known.
    pub(super) lost: Option<&'a str>,
}

/// What of it the person looks at.
#[derive(Debug)]
pub(super) struct View {
    pub(super) sort: Sort,
    /// How many tasks are above the screen.
    above: usize,
    /// How many fit on it.
    page: usize,
}

impl View {
    pub(super) fn new(sort: Sort) -> Self {
        Self { sort, above: 0, page: 10 }
    }

    /// Does what keys say; returns whether they say that it is enough.
    pub(super) fn typed(&mut self, keys: &[u8]) -> bool {
        let mut rest = keys;
        while let Some((key, after)) = rest.split_first() {
            rest = after;
            match key {
                // Ctrl-C and Ctrl-D come as they are.
                b'q' | b'Q' | 3 | 4 => return true,
                b'c' => self.sort = Sort::Cpu,
                b'm' => self.sort = Sort::Memory,
                b't' => self.sort = Sort::Time,
                b'j' => self.above += 1,
                b'k' => self.above = self.above.saturating_sub(1),
                0x1b => rest = self.escaped(rest),
                _ => {}
            }
        }
        false
    }

    /// Arrows and page keys come as sequences; returns what follows one.
    fn escaped<'a>(&mut self, keys: &'a [u8]) -> &'a [u8] {
        let Some(keys) = keys.strip_prefix(b"[").or_else(|| keys.strip_prefix(b"O")) else {
            return keys;
        };
        let length = keys.iter().position(|key| (0x40..=0x7e).contains(key));
        let (sequence, rest) = keys.split_at(length.map_or(keys.len(), |length| length + 1));
        match sequence {
            b"A" => self.above = self.above.saturating_sub(1),
            b"B" => self.above += 1,
            b"5~" => self.above = self.above.saturating_sub(self.page),
            b"6~" => self.above += self.page,
            b"H" | b"1~" => self.above = 0,
            _ => {}
        }
        rest
    }
}

impl Frame<'_> {
    /// All lines, for a page without end.
    pub(super) fn whole(&self) -> Vec<String> {
        let mut lines = vec![self.summary(), String::new()];
        lines.extend(self.node_table().lines(None, false));
        lines.push(String::new());
        lines.extend(self.task_table(0, usize::MAX).lines(None, false));
        lines
    }

    /// What to write so that a terminal of so many columns and rows shows it.
    pub(super) fn drawn(&self, view: &mut View, (columns, rows): (usize, usize)) -> String {
        let mut text = String::from("\x1b[H");
        let lines = self.lines(view, columns, rows);
        for (at, line) in lines.iter().enumerate() {
            if at > 0 {
                text.push_str("\r\n");
            }
            text.push_str(line);
            text.push_str("\x1b[K");
        }
        text.push_str("\x1b[J");
        text
    }

    /// The lines of a screen: never more than `rows`, none wider than `columns`.
    fn lines(&self, view: &mut View, columns: usize, rows: usize) -> Vec<String> {
        let nodes = self.node_table().lines(Some(columns), false);
        // A third of the screen for nodes, and the rest for tasks.
        let most = (rows / 3).max(2);
        let mut lines = vec![self.summary(), String::new()];
        let hidden = nodes.len().saturating_sub(most);
        let shown = if hidden > 0 { most - 1 } else { nodes.len() };
        lines.extend(nodes.into_iter().take(shown));
        if hidden > 0 {
            lines.push(format!("and {} more nodes", hidden + 1));
        }
        lines.push(String::new());
        // The titles of the tasks, and the keys.
        view.page = rows.saturating_sub(lines.len() + 2).max(1);
        view.above = view.above.min(self.running.tasks.len().saturating_sub(view.page));
        lines.extend(self.task_table(view.above, view.page).lines(Some(columns), false));
        lines.resize(rows.saturating_sub(1).max(1), String::new());
        lines.push(self.keys(view));
        lines.truncate(rows.max(1));
        lines.iter().map(|line| table::cut(line, columns)).collect()
    }

    fn summary(&self) -> String {
        let nodes = &self.nodes.nodes;
        let up = nodes.iter().filter(|node| node.phase() == NodePhase::Up && node.connected);
        let side = |side: &Option<Resources>| side.clone().unwrap_or_default();
        let (mut used, mut capacity) = (Resources::default(), Resources::default());
        let mut waiting = 0;
        for node in up.clone() {
            let (more_used, more) = (side(&node.used), side(&node.capacity));
            used.cpu_milli += more_used.cpu_milli;
            used.memory_bytes += more_used.memory_bytes;
            capacity.cpu_milli += more.cpu_milli;
            capacity.memory_bytes += more.memory_bytes;
            waiting += node.waiting;
        }
        format!(
            "nodes {}/{}  cpus {}/{}  memory {} of {}  tasks {}, {waiting} next",
            up.count(),
            nodes.len(),
            cpus(used.cpu_milli),
            cpus(capacity.cpu_milli),
            bytes(used.memory_bytes),
            bytes(capacity.memory_bytes),
            self.running.total,
        )
    }

    fn keys(&self, view: &View) -> String {
        if let Some(lost) = self.lost {
            return format!("the scheduler is not there: {}", words::tame(lost));
        }
        let (first, count) = (view.above + 1, self.running.tasks.len());
        let last = count.min(view.above + view.page);
        let place = if count > view.page {
            format!("   {first}-{last} of {}", self.running.total)
        } else {
            String::new()
        };
        format!("q quit   sort: c cpu, m memory, t time   arrows move{place}")
    }

    fn node_table(&self) -> Table {
        let mut table = Table::new(&[
            Column::cut("NODE", 8),
            Column::whole("STATE"),
            Column::number("CPUS"),
            Column::number("IN USE"),
            Column::number("MEMORY"),
            Column::number("HELD"),
            Column::number("TASKS"),
        ]);
        let mut held: BTreeMap<&str, (Option<u64>, Option<u64>)> = BTreeMap::new();
        for task in &self.running.tasks {
            let sum = held.entry(&task.node).or_default();
            sum.0 = add(sum.0, task.cpu_milli);
            sum.1 = add(sum.1, task.memory_bytes);
        }
        for node in &self.nodes.nodes {
            let side = |side: &Option<Resources>| side.clone().unwrap_or_default();
            let (capacity, used) = (side(&node.capacity), side(&node.used));
            let (cpu, memory) = held.get(&*node.name).copied().unwrap_or_default();
            table.row([
                node.name.as_str().into(),
                Cell::tinted(words::node_state(node), words::node_tint(node)),
                format!("{}/{}", cpus(used.cpu_milli), cpus(capacity.cpu_milli)).into(),
                cpu.map_or("-".to_owned(), decimal).into(),
                bytes(capacity.memory_bytes).into(),
                memory.map_or("-".to_owned(), bytes).into(),
                node.running.to_string().into(),
            ]);
        }
        table
    }

    fn task_table(&self, above: usize, most: usize) -> Table {
        let of = |task: &RunningTask| task.progress.as_ref().and_then(claims::brief);
        // Room is scarce: where nobody claims anything, nothing is said of it.
        let claimed = self.running.tasks.iter().any(|task| of(task).is_some());
        let mut columns = vec![
            Column::whole("TASK"),
            Column::cut("NODE", 8),
            Column::whole("STATE"),
            Column::number("CPU"),
            Column::number("MEMORY"),
            Column::number("TIME"),
        ];
        columns.extend(claimed.then_some(Column::number("CLAIMS")));
        columns.extend([Column::cut("PROJECT", 7), Column::cut("NAME", 8)]);
        let mut table = Table::new(&columns);
        for task in self.running.tasks.iter().skip(above).take(most) {
            let started = task.started_ms;
            let ran =
                if started == 0 { "-".to_owned() } else { time::between(started, self.now_ms) };
            let mut cells = vec![
                id(task).into(),
                task.node.as_str().into(),
                Cell::tinted(words::task_state(task.state()), words::task_tint(task.state())),
                task.cpu_milli.map_or("-".to_owned(), decimal).into(),
                task.memory_bytes.map_or("-".to_owned(), bytes).into(),
                ran.into(),
            ];
            let said = of(task).unwrap_or_else(|| "-".to_owned());
            cells.extend(claimed.then_some(said.into()));
            cells.extend([task.project.as_str().into(), task.name.as_str().into()]);
            table.row(cells);
        }
        table
    }
}

fn add(sum: Option<u64>, more: Option<u64>) -> Option<u64> {
    match (sum, more) {
        (Some(sum), Some(more)) => Some(sum + more),
        (sum, more) => sum.or(more),
    }
}

fn id(task: &RunningTask) -> String {
    let rank = task.rank.map(|rank| format!("/{rank}")).unwrap_or_default();
    format!("{}.{}{rank}", task.job, task.index)
}

/// Processors, to a hundredth.
fn decimal(milli: u64) -> String {
    format!("{}.{:02}", milli / 1000, milli % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use repower_proto::v1::{Claim, ClaimedProgress, NodeSummary, Progress, TaskState};
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    fn node(name: &str) -> NodeSummary {
        let resources = |cpu_milli, memory_bytes| {
            Some(Resources { cpu_milli, memory_bytes, ..Resources::default() })
        };
        NodeSummary {
            name: name.into(),
            phase: NodePhase::Up.into(),
            connected: true,
            capacity: resources(16_000, 16 << 30),
            used: resources(3000, 5 << 30),
            running: 2,
            waiting: 1,
            ..NodeSummary::default()
        }
    }

    fn task(index: u32) -> RunningTask {
        RunningTask {
            job: 12,
            index,
            attempt: 1,
            state: TaskState::Running.into(),
            name: "a long name of a job that trains".into(),
            project: "materials".into(),
            node: "rig-00".into(),
            started_ms: 1000,
            cpu_milli: Some(1504),
            memory_bytes: Some(300 << 20),
            ..RunningTask::default()
        }
    }

    fn world(nodes: usize, tasks: u32) -> (ListNodesReply, RunningReply) {
        let nodes = (0..nodes).map(|at| node(&format!("rig-{at:02}"))).collect();
        let running =
            RunningReply { tasks: (0..tasks).map(task).collect(), total: u64::from(tasks) };
        (ListNodesReply { nodes, ..ListNodesReply::default() }, running)
    }

    fn lines(
        world: &(ListNodesReply, RunningReply),
        view: &mut View,
        size: (usize, usize),
    ) -> Vec<String> {
        let frame = Frame { nodes: &world.0, running: &world.1, now_ms: 61_000, lost: None };
        frame.lines(view, size.0, size.1)
    }

    #[test]
    fn a_screen_is_filled_and_never_overfilled() {
        for size in [(80, 24), (120, 40), (20, 5), (1, 1)] {
            for (nodes, tasks) in [(0, 0), (1, 1), (40, 200)] {
                let mut view = View::new(Sort::Cpu);
                let lines = lines(&world(nodes, tasks), &mut view, size);

                assert_eq!(lines.len(), size.1, "{size:?}, {nodes} nodes, {tasks} tasks");
                assert!(lines.iter().all(|line| line.width() <= size.0), "{lines:#?}");
            }
        }
    }

    #[test]
    fn eighty_columns_show_nodes_and_tasks_with_what_they_use() {
        let lines = lines(&world(2, 2), &mut View::new(Sort::Cpu), (80, 12));

        assert_eq!(
            lines.join("\n"),
            "\
nodes 2/2  cpus 6/32  memory 10 GiB of 32 GiB  tasks 2, 2 next

NODE    STATE  CPUS  IN USE  MEMORY     HELD  TASKS
rig-00  up     3/16    3.00  16 GiB  600 MiB      2
rig-01  up     3/16       -  16 GiB        -      2

TASK  NODE    STATE     CPU   MEMORY   TIME  PROJECT    NAME
12.0  rig-00  running  1.50  300 MiB  1m00s  materials  a long name of a job th…
12.1  rig-00  running  1.50  300 MiB  1m00s  materials  a long name of a job th…


q quit   sort: c cpu, m memory, t time   arrows move"
        );
    }

    #[test]
    fn what_tasks_claim_has_a_column_where_any_does_and_fits_eighty_columns() {
        let mut world = world(1, 2);
        let claim = Claim { done_ppm: Some(421_000), count: None };
        let progress = Some(Progress { claim: Some(claim), ..Progress::default() });
        world.1.tasks[1].progress =
            Some(ClaimedProgress { progress, ..ClaimedProgress::default() });

        let lines = lines(&world, &mut View::new(Sort::Cpu), (80, 12));

        let table: Vec<&str> = lines[5..8].iter().map(|line| line.trim_end()).collect();
        assert_eq!(
            table,
            [
                "TASK  NODE    STATE     CPU   MEMORY   TIME  CLAIMS  PROJECT    NAME",
                "12.0  rig-00  running  1.50  300 MiB  1m00s       -  materials  a long name of …",
                "12.1  rig-00  running  1.50  300 MiB  1m00s   42.1%  materials  a long name of …",
            ]
        );
    }

    #[test]
    fn keys_sort_move_and_end() {
        let mut view = View::new(Sort::Cpu);
        let many = world(1, 100);

        assert!(!view.typed(b"m\x1b[B\x1b[B\x1b[A"));
        assert_eq!((view.sort, view.above), (Sort::Memory, 1));
        assert!(lines(&many, &mut view, (80, 24)).iter().any(|line| line.starts_with("12.1 ")));
        view.typed(b"\x1b[6~\x1b[6~\x1b[6~\x1b[6~\x1b[6~\x1b[6~\x1b[6~\x1b[6~");
        let end = lines(&many, &mut view, (80, 24));
        assert!(end.iter().any(|line| line.starts_with("12.99 ")), "not past the end: {end:#?}");
        view.typed(b"\x1b[H");
        assert_eq!(view.above, 0);
        assert!(view.typed(b"q") && View::new(Sort::Cpu).typed(&[3]));
    }

    #[test]
    fn a_lost_scheduler_is_told_below_what_was_known() {
        let (nodes, running) = world(1, 1);
        let frame =
            Frame { nodes: &nodes, running: &running, now_ms: 61_000, lost: Some("no route") };

        let lines = frame.lines(&mut View::new(Sort::Cpu), 80, 24);

        assert_eq!(lines[23], "the scheduler is not there: no route");
        assert!(lines.iter().any(|line| line.starts_with("12.0 ")));
    }
}
