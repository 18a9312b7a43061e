//! The report as a page.

use std::fmt::Write as _;

use repower_agent_core::detect::Tier;

use super::alarms::Row;
use super::bound::{show, upper};
use super::cost::Cost;
use super::flows;
use super::machine;
use super::recall::Try;
use super::scan::Scanned;

/// All that was measured.
#[derive(Debug, Default)]
pub struct Page {
    /// Tries of the recall matrix.
    pub tries: Vec<Try>,
    /// The false-alarm table.
    pub rows: Vec<Row>,
    /// An honest program of the shape that is looked for.
    pub look_alike: Option<Row>,
    /// Conversations, and how many times faster than in real life each was.
    pub flows: Vec<(u32, flows::Row)>,
    /// The scan of this machine.
    pub scanned: Option<Scanned>,
    /// What being looked at costs.
    pub cost: Option<Cost>,
    /// The proof-of-work function was not built.
    pub is_without_proof: bool,
    /// Parts that were not asked for.
    pub left_out: Vec<&'static str>,
}

impl Page {
    /// Whether all goals are met, each with its sentence.
    pub fn goals(&self) -> Vec<(bool, String)> {
        let windows: u64 = self.rows.iter().map(|row| row.windows).sum();
        let run = self.rows.iter().filter(|row| row.windows > 0).count();
        let first: u64 = self.rows.iter().map(|row| row.of_tier(Tier::One)).sum();
        let second: u64 = self.rows.iter().map(|row| row.of_tier(Tier::Two)).sum();
        let mut goals = Vec::new();
        if !self.rows.is_empty() {
            let all = self.rows.iter().filter(|row| !row.is_left_out).count();
            goals.push((
                windows >= 3000 && run >= 15 && run == all,
                format!(
                    "{windows} windows over {run} of {all} honest workloads (goal: 3000, over all and 15)"
                ),
            ));
            goals.push((
                first == 0,
                format!("{first} times tier 1 in honest workloads (goal: none)"),
            ));
            goals.push((
                second * 100 <= windows,
                format!("{second} times tier 2 in {windows} windows (goal: at most 1 %)"),
            ));
        }
        if !self.tries.is_empty() {
            let (found, all) =
                (self.tries.iter().filter(|one| one.is_in_time()).count(), self.tries.len());
            goals.push((
                found == all,
                format!(
                    "{found} of {all} tries recalled by registers within {} windows, those of 10 % within 10 \
                     minutes (goal: all)",
                    Try::WINDOWS
                ),
            ));
            goals.push((
                !self.is_without_proof,
                "with the real proof-of-work function (goal: yes)".to_owned(),
            ));
        }
        if !self.flows.is_empty() {
            let right = |row: &flows::Row| row.windows > 0 && (row.noticed > 0) == row.is_pool;
            let count = self.flows.iter().filter(|(_, row)| right(row)).count();
            let all = self.flows.len();
            goals.push((
                count == all,
                format!("{count} of {all} conversations judged rightly (goal: all)"),
            ));
        }
        if let Some(scanned) = &self.scanned {
            let (count, speed) = (scanned.found.len(), speed(scanned));
            goals.push((
                count == 0,
                format!("{count} hits in {} executables (goal: 0)", scanned.files),
            ));
            goals.push((speed >= 300.0, format!("scan of {speed:.0} MB/s a core (goal: 300)")));
        }
        if let Some(cost) = &self.cost {
            let ratio = median(&cost.ratios());
            goals.push((
                ratio >= 0.99,
                format!("{ratio:.4} of the steps with the detector (goal: 0.99)"),
            ));
            goals.push((
                cost.grown_kib < 5 << 10,
                format!("{} KiB more memory (goal: below 5120)", cost.grown_kib),
            ));
        }
        goals
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "# How well the detector detects\n")?;
        writeln!(text, "Made by `make detector-report` on {}.", machine::machine())?;
        writeln!(
            text,
            "What the rules are and what they do not see: [compliance.md](compliance.md).\n"
        )?;
        for (is_met, sentence) in self.goals() {
            writeln!(text, "- {}: {sentence}", if is_met { "met" } else { "**not met**" })?;
        }
        if !self.left_out.is_empty() {
            writeln!(text, "- not run this time: {}", self.left_out.join(", "))?;
        }
        self.write_recall(text)?;
        self.write_alarms(text)?;
        self.write_flows(text)?;
        self.write_scan(text)?;
        self.write_cost(text)
    }

    fn write_recall(&self, text: &mut String) -> std::fmt::Result {
        if self.tries.is_empty() {
            return Ok(());
        }
        writeln!(text, "\n## Recall\n")?;
        writeln!(
            text,
            "Settings of production: at most one stopped thread a second, 16 samples a window, two\n\
             suspicious windows at least ten seconds apart. RandomX runs in its light mode on random local\n\
             input, without pool, wallet or network. *Windows* are those of the whole task; one thread's or\n\
             process's own may have come first.\n"
        )?;
        if self.is_without_proof {
            writeln!(
                text,
                "RandomX was not built (feature `randomx`): only the stand-in was tried.\n"
            )?;
        }
        writeln!(text, "| load | registers after | constants after | windows | suspicious |")?;
        writeln!(text, "| --- | --- | --- | --- | --- |")?;
        let after = |seconds: Option<u64>| seconds.map_or("-".to_owned(), |one| format!("{one} s"));
        for one in &self.tries {
            writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                one.case.name,
                after(one.registers),
                after(one.content),
                one.windows,
                one.suspicious
            )?;
        }
        writeln!(
            text,
            "\nConstants are looked for every 30 seconds and at once; `-` there means that registers came\n\
             first, or that there are none (the stand-in)."
        )
    }

    fn write_alarms(&self, text: &mut String) -> std::fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        writeln!(text, "\n## False alarms\n")?;
        writeln!(
            text,
            "Honest workloads under dense sampling: windows of 16 samples of running threads as in\n\
             production, a sample every few milliseconds instead of every second, and two suspicious windows\n\
             make a verdict however near they are. So a window spans less of the life of a job than one of\n\
             production does, and samples within it are more alike: a job whose phases change over minutes is\n\
             seen in fewer of them. Thresholds come from an earlier study; *held out* are workloads of kinds\n\
             that it had not seen. Nothing was fitted to this table.\n"
        )?;
        writeln!(
            text,
            "| workload | held out | windows | >= 2 modes | suspicious | looks at memory | tier 1 | tier 2 | tier 3 | s |"
        )?;
        writeln!(text, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")?;
        for row in self.rows.iter().filter(|row| !row.is_left_out) {
            line(text, row)?;
        }
        let absent: Vec<&str> =
            self.rows.iter().filter(|row| row.is_left_out).map(|row| row.workload.name).collect();
        if !absent.is_empty() {
            writeln!(text, "\nNot there on this machine: {}.", absent.join(", "))?;
        }
        writeln!(text)?;
        for (words, wanted) in
            [("all", None), ("held out", Some(true)), ("seen before", Some(false))]
        {
            let of = self
                .rows
                .iter()
                .filter(|row| wanted.is_none_or(|one| row.workload.is_held_out == one));
            let of: Vec<&Row> = of.collect();
            let windows: u64 = of.iter().map(|row| row.windows).sum();
            let looks: u64 = of.iter().map(|row| row.looks).sum();
            let suspicious: u64 = of.iter().map(|row| row.suspicious).sum();
            let first: u64 = of.iter().map(|row| row.of_tier(Tier::One)).sum();
            let second: u64 = of.iter().map(|row| row.of_tier(Tier::Two)).sum();
            writeln!(
                text,
                "- {words}: {suspicious} suspicious of {windows} windows (95 %: at most {}); a rule of tier 1\n  \
                 was broken {first} times (at most {}) and one of tier 2 {second} times (at most {}), in {windows} windows\n  \
                 and {looks} looks at memory",
                show(upper(suspicious, windows)),
                show(upper(first, windows)),
                show(upper(second, windows)),
            )?;
        }
        for row in self.rows.iter().filter(|row| !row.verdicts.is_empty()) {
            let rules: Vec<&str> = row.verdicts.iter().map(|one| one.rule.code()).collect();
            writeln!(text, "- {}: {}", row.workload.name, rules.join(", "))?;
        }
        if let Some(row) = &self.look_alike {
            writeln!(
                text,
                "\nOutside the table, a program of our own that is honest and of the shape that is looked for:\n\
                 interval arithmetic that sets up, down and nearest in MXCSR alone. {} of {} windows were\n\
                 suspicious, and a rule of tier 1 was broken {} times. Such a job is frozen for review, not ended; its class should be\n\
                 one that a person approves.",
                row.suspicious,
                row.windows,
                row.of_tier(Tier::One)
            )?;
        }
        Ok(())
    }

    fn write_flows(&self, text: &mut String) -> std::fmt::Result {
        if self.flows.is_empty() {
            return Ok(());
        }
        writeln!(text, "\n## Connections\n")?;
        writeln!(
            text,
            "Client and server of our own on loopback, seen by their `TCP_INFO` alone. *Pace* is how many times\n\
             faster than in real life both the conversation and the settings were: at 1 a window is 30 minutes.\n"
        )?;
        writeln!(text, "| conversation | pace | windows | pool-like | expected |")?;
        writeln!(text, "| --- | --- | --- | --- | --- |")?;
        for (pace, row) in &self.flows {
            let expected = if row.is_pool { "yes" } else { "no" };
            writeln!(
                text,
                "| {} | {pace} | {} | {} | {expected} |",
                row.name, row.windows, row.noticed
            )?;
        }
        Ok(())
    }

    fn write_scan(&self, text: &mut String) -> std::fmt::Result {
        let Some(scanned) = &self.scanned else { return Ok(()) };
        writeln!(text, "\n## Scan of this machine\n")?;
        writeln!(
            text,
            "{} executables and libraries, {:.2} GB, at {:.0} MB/s on one core (in the scanner, without reading).\n\
             {} files have one or two constants or one word, which is nothing. Hits: {} (95 %: at most {} of files).",
            scanned.files,
            scanned.bytes as f64 / 1e9,
            speed(scanned),
            scanned.near,
            scanned.found.len(),
            show(upper(scanned.found.len() as u64, scanned.files))
        )?;
        for (path, hits) in &scanned.found {
            writeln!(
                text,
                "- {}: {} constants, {} words",
                path.display(),
                hits.constants(),
                hits.words()
            )?;
        }
        Ok(())
    }

    fn write_cost(&self, text: &mut String) -> std::fmt::Result {
        let Some(cost) = &self.cost else { return Ok(()) };
        let ratios = cost.ratios();
        writeln!(text, "\n## Cost\n")?;
        writeln!(
            text,
            "Steps of a matrix product in equal times with the settings of production, over steps without:\n\
             n {}, min {:.4}, median {:.4}, max {:.4}. Other programs ran on this machine (load {}).\n\
             The detector used {:.1} % of a processor meanwhile and {} KiB of memory.",
            ratios.len(),
            ratios.first().unwrap_or(&0.0),
            median(&ratios),
            ratios.last().unwrap_or(&0.0),
            machine::load(),
            cost.own_permille as f64 / 10.0,
            cost.grown_kib
        )
    }
}

fn line(text: &mut String, row: &Row) -> std::fmt::Result {
    writeln!(
        text,
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        row.workload.name,
        if row.workload.is_held_out { "yes" } else { "no" },
        row.windows,
        row.restless,
        row.suspicious,
        row.looks,
        row.of_tier(Tier::One),
        row.of_tier(Tier::Two),
        row.of_tier(Tier::Three),
        row.seconds
    )
}

fn speed(scanned: &Scanned) -> f64 {
    scanned.bytes as f64 / 1e6 / scanned.time.as_secs_f64().max(1e-9)
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (Some(one), 1) => *one,
        (Some(one), _) => f64::midpoint(*one, sorted[middle - 1]),
        (None, _) => 0.0,
    }
}
