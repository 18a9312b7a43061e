//! Processes that are only times: when they start, and when they end.

use repower_agent_core::{Claims, Exit, Input, Moment, Signal, Status, Stream};
use repower_model::{JobSpec, RankId, Span};

use super::{Deed, Ending, Inner, Machine};
use crate::workload::{Fate, Work};

/// A process, from its launch to its end.
#[derive(Debug)]
pub(super) struct Process {
    /// The exit that counts: one that was set earlier is void.
    serial: u64,
    fate: Fate,
    /// Whether it runs.
    pub(super) runs: bool,
    since: Moment,
    /// When it ends.
    end: Moment,
    /// Whether somebody has ended it before its time.
    stopped: bool,
    status: Status,
    /// How it exits when it has saved its work.
    saved: i32,
}

impl Machine {
    pub(super) fn launch(
        &mut self,
        attempt: RankId,
        spec: &JobSpec,
        now: Moment,
        deeds: &mut Vec<Deed>,
    ) {
        let Some(agent) = &mut self.agent else { return };
        agent.launched += 1;
        let serial = agent.launched;
        let work = Work::of(spec).expect("every job of a world says what it does");
        let mut fate = work.fate(attempt, self.ill);
        if spec.checkpoint_exit.is_some() {
            // What attempts before have saved need not be done again; otherwise one whose time limit is
            // too short would save and start anew for ever.
            fate.run =
                Span::from_millis(fate.run.as_millis() / u64::from(attempt.attempt.number.max(1)));
        }
        let process = Process {
            serial,
            fate,
            runs: false,
            since: now,
            end: now,
            stopped: false,
            status: fate.status,
            saved: spec.checkpoint_exit.unwrap_or(0),
        };
        agent.processes.insert(attempt, process);
        deeds.push(Deed::At(now + fate.launch, Inner::Launched(attempt, serial)));
    }

    pub(super) fn launched(
        &mut self,
        attempt: RankId,
        serial: u64,
        now: Moment,
        deeds: &mut Vec<Deed>,
    ) {
        let Some(agent) = &mut self.agent else { return };
        let Some(process) = agent.processes.get_mut(&attempt) else {
            return;
        };
        if process.serial != serial {
            return;
        }
        if !process.fate.starts {
            agent.processes.remove(&attempt);
            let detail = "command not found: work".to_owned();
            return self.tell(Input::NotStarted { attempt, detail }, now, deeds);
        }
        process.runs = true;
        process.since = now;
        process.end = now + process.fate.run;
        let (end, prints) = (process.end, process.fate.prints);
        deeds.push(Deed::Begins(attempt));
        deeds.push(Deed::At(end, Inner::Exits(attempt, serial)));
        self.tell(Input::Started { attempt }, now, deeds);
        let data = vec![b'.'; prints];
        let (stream, data) = (Stream::Stdout, &data[..]);
        self.tell(Input::Output { attempt, stream, data }, now, deeds);
    }

    pub(super) fn exits(
        &mut self,
        attempt: RankId,
        serial: u64,
        now: Moment,
        deeds: &mut Vec<Deed>,
    ) {
        let ended = self.clock.at(now).wall;
        let Some(agent) = &mut self.agent else { return };
        let is_due = agent.processes.get(&attempt).is_some_and(|process| process.serial == serial);
        if !is_due {
            return;
        }
        let Some(process) = agent.processes.remove(&attempt) else {
            return;
        };
        let ending = match (process.stopped, process.status) {
            (true, _) => Ending::Stopped,
            (false, Status::Code(0)) => Ending::Success,
            (false, _) => Ending::Failure,
        };
        deeds.push(Deed::Ends(attempt, ending));
        let exit = Exit {
            status: process.status,
            ended,
            wall_us: now.since(process.since).as_millis() * 1000,
            cpu_us: 0,
            peak_memory_bytes: 0,
            read_bytes: 0,
            written_bytes: 0,
            oom_kills: 0,
        };
        let drained = process.fate.drains;
        if !drained && process.fate.prints % 2 == 0 {
            let later = now + Span::from_millis(40);
            deeds.push(Deed::At(later, Inner::Drained(attempt)));
        }
        if process.fate.prints % 2 == 1 {
            // Whatever it claims, nothing comes of it but a fact.
            let mut claims = Claims::default();
            claims.read(b"0.5 step=1/2\n", ended);
            if let Some(progress) = claims.progress().cloned().map(Box::new) {
                self.tell(Input::Claimed { attempt, progress }, now, deeds);
            }
        }
        self.tell(Input::Exited { attempt, exit, drained }, now, deeds);
    }

    pub(super) fn signal(
        &mut self,
        attempt: RankId,
        signal: Signal,
        now: Moment,
        deeds: &mut Vec<Deed>,
    ) {
        let Some(agent) = &mut self.agent else { return };
        let Some(process) = agent.processes.get_mut(&attempt) else {
            return;
        };
        let (wait, status) = match signal {
            Signal::Terminate | Signal::Checkpoint(_) => {
                let Some(stop) = process.fate.stop else {
                    return;
                };
                let saves = matches!(signal, Signal::Checkpoint(_));
                (stop, if saves { Status::Code(process.saved) } else { Status::Signal(15) })
            }
            Signal::Kill => (Span::ZERO, Status::Signal(9)),
        };
        let end = now + wait;
        if end >= process.end {
            // It ends by itself before it has taken notice.
            return;
        }
        agent.launched += 1;
        process.serial = agent.launched;
        process.end = end;
        process.stopped = true;
        process.status = status;
        deeds.push(Deed::At(end, Inner::Exits(attempt, process.serial)));
    }
}
