//! What the kernel says of a process in one line of `/proc`.

use std::fs;

/// The line of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Its parent; 0: one that this pid namespace does not show.
    pub(crate) parent: i32,
    /// When it was started, in ticks since the machine was: with its number it names one process for ever.
    pub(crate) start_ticks: u64,
}

impl Stat {
    /// That of a process; `None`: there is none of this number.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let line = fs::read(format!("/proc/{pid}/stat")).ok()?;
        // The name is whatever bytes the process likes.
        Self::read(&String::from_utf8_lossy(&line))
    }

    /// Of every process that is shown, with its number.
    pub(crate) fn all() -> Vec<(i32, Self)> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| Some((pid, Self::of(pid)?))).collect()
    }

    fn read(line: &str) -> Option<Self> {
        // After the name in parentheses comes field 3. The parent is field 4, the start field 22. See proc(5).
        let mut fields = line.rsplit(')').next()?.split_whitespace().skip(1);
        let parent = fields.next()?.parse().ok()?;
        Some(Self { parent, start_ticks: fields.nth(17)?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_read_whatever_the_name_is() {
        let line = "7 (a) b) (c) S 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 250 9 9";

        assert_eq!(Stat::read(line), Some(Stat { parent: 1, start_ticks: 250 }));
        assert_eq!(Stat::read("7 (a) S 1"), None);
    }

    #[test]
    fn every_process_is_shown_and_this_one_is_a_child_of_its_parent() {
        let own = i32::try_from(std::process::id()).unwrap();
        let parent = i32::try_from(std::os::unix::process::parent_id()).unwrap();

        assert_eq!(Stat::of(own).unwrap().parent, parent);
        assert!(Stat::all().iter().any(|(pid, stat)| *pid == own && Stat::of(own) == Some(*stat)));
    }
}
