//! What the processes of a task have used.

use repower_agent_core::detect::Counters;

use super::proc;

/// The sum over `processes`; those that have ended are not in it, so it may fall.
pub(super) fn usage(processes: &[u32], output: u64, progress: Option<u64>) -> Counters {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let mut counters = Counters { output, progress, ..Counters::default() };
    for process in processes {
        let stat = proc::read(*process, "stat", 4096).unwrap_or_default();
        let fields = proc::stat_fields(&stat).unwrap_or_default();
        // utime and stime are the 14th and 15th field, the state is the 3rd.
        let ticks = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok());
        counters.cpu_ms += ticks.sum::<u64>().saturating_mul(1000) / per_second;
        let io = proc::read(*process, "io", 4096).unwrap_or_default();
        let io = String::from_utf8_lossy(&io);
        let bytes =
            ["rchar", "wchar"].iter().filter_map(|key| proc::value(&io, key)?.parse::<u64>().ok());
        counters.moved = counters.moved.saturating_add(bytes.sum::<u64>());
    }
    counters
}
