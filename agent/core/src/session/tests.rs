//! The rules of the agent, one a test.

mod attach;
mod files;
mod findings;
mod gang;
mod life;
mod link;
mod output;
mod queue;
mod reports;
mod seeds;
mod stop;

use repower_model::{
    Array, AttemptId, Cpus, JobId, JobSpec, Outcome, RankId, Resources, Response, Retries, Span,
    StopReason, TaskId, Timestamp,
};

use super::Session;
use crate::{
    Action, BatchLimits, Exit, Input, Limits, Moment, Now, Report, Signal, Status, Stream, Terms,
};

/// A session on a clock that only moves when told, and everything that it asked for.
struct World {
    session: Session,
    now: Now,
    actions: Vec<Action>,
}

/// Later than anything here.
const NEVER: Moment = Moment::from_millis(1 << 50);

/// An attempt of job 1.
fn attempt(index: u32) -> RankId {
    AttemptId { task: TaskId { job: JobId(1), index }, number: 1 }.rank(0)
}

/// An order to start a plain attempt.
fn start(plain: RankId) -> Input<'static> {
    Input::Start { attempt: plain.attempt, alternative: None, rendezvous: None, checkpoint: None }
}

fn spec() -> JobSpec {
    JobSpec {
        name: "test".into(),
        class: "science".into(),
        project: "default".into(),
        command: vec!["true".into()],
        script: Vec::new(),
        environment: Vec::new(),
        working_folder: String::new(),
        array: Array::single(),
        resources: Resources { cpus: Cpus::from_whole(1), ..Resources::default() },
        time_limit: None,
        grace: Span::from_secs(10),
        priority: 0,
        start_after: None,
        retries: Retries { user: 0, system: 20 },
        ..JobSpec::default()
    }
}

fn terms() -> Terms {
    Terms { lease: Span::from_secs(40), output_bytes: 1000 }
}

impl World {
    /// Two cpus, linked, and job 1 defined as `spec`.
    fn with(spec: JobSpec) -> Self {
        Self::limited(spec, Limits::default())
    }

    fn new() -> Self {
        Self::with(spec())
    }

    fn limited(spec: JobSpec, limits: Limits) -> Self {
        let capacity = Resources {
            cpus: Cpus::from_whole(2),
            extras: vec![("licence".into(), 1)],
            ..Resources::default()
        };
        let now =
            Now { wall: Timestamp::from_millis(1_000_000), steady: Moment::from_millis(5_000) };
        let mut world = Self { session: Session::new(capacity, limits), now, actions: Vec::new() };
        world.tell(Input::LinkUp(terms()));
        world.define(1, spec);
        world
    }

    /// Tells the session; a scheduler that has said welcome is then heard for ever.
    fn tell(&mut self, input: Input<'_>) {
        let is_welcome = matches!(input, Input::LinkUp(_));
        self.session.handle(input, self.now, &mut self.actions);
        if is_welcome {
            self.session.handle(Input::Heard(NEVER), self.now, &mut self.actions);
        }
    }

    /// When the session wants to be woken, if ever.
    fn wake_at(&self) -> Option<Moment> {
        self.session.wake_at().filter(|at| *at < NEVER)
    }

    fn define(&mut self, job: u64, spec: JobSpec) {
        self.tell(Input::Define {
            job: JobId(job),
            spec: Box::new(spec),
            tasks: 100,
            watch: Vec::new(),
            hardest: Response::Kill,
        });
    }

    /// Lets time pass without waking the session.
    fn pass(&mut self, ms: u64) {
        let span = Span::from_millis(ms);
        self.now = Now { wall: self.now.wall + span, steady: self.now.steady + span };
    }

    /// Lets time pass up to the next moment that the session asked for, and wakes it; returns how long that was.
    fn wake(&mut self) -> u64 {
        let at = self.wake_at().expect("the session waits for some moment");
        let ms = at.since(self.now.steady).as_millis();
        self.pass(ms);
        self.tell(Input::Timer);
        ms
    }

    fn start(&mut self, index: u32) -> RankId {
        self.tell(start(attempt(index)));
        attempt(index)
    }

    fn start_all(&mut self, indices: std::ops::Range<u32>) {
        for index in indices {
            self.start(index);
        }
    }

    /// Starts an attempt whose turn comes at once, and its process.
    fn run(&mut self, index: u32) -> RankId {
        let attempt = self.start(index);
        assert_eq!(self.launched(), [attempt]);
        self.tell(Input::Started { attempt });
        attempt
    }

    fn stop(&mut self, attempt: RankId, reason: StopReason) {
        self.tell(Input::Stop(attempt, reason));
    }

    fn exit(&mut self, attempt: RankId, status: Status, drained: bool) {
        let exit = Exit {
            status,
            ended: self.now.wall,
            wall_us: 7,
            cpu_us: 5,
            peak_memory_bytes: 3,
            read_bytes: 2,
            written_bytes: 1,
            oom_kills: 0,
        };
        self.tell(Input::Exited { attempt, exit, drained });
    }

    fn print(&mut self, attempt: RankId, data: &[u8]) {
        self.tell(Input::Output { attempt, stream: Stream::Stdout, data });
    }

    /// Takes the attempts that were launched since the last look; there must be no other actions.
    fn launched(&mut self) -> Vec<RankId> {
        let launched = |action| match action {
            Action::Launch { attempt, .. } => attempt,
            other @ (Action::Signal { .. }
            | Action::Stage(_)
            | Action::Collect { .. }
            | Action::Discard(_)
            | Action::Restore { .. }
            | Action::Save(_)
            | Action::Release(_)
            | Action::DropCheckpoint(_)
            | Action::Freeze(_)
            | Action::Thaw(_)
            | Action::CutEgress(_)
            | Action::MendEgress(_)
            | Action::CloseOutput { .. }
            | Action::ResumeReading
            | Action::ForgetJob(_)) => panic!("{other:?}"),
        };
        std::mem::take(&mut self.actions).into_iter().map(launched).collect()
    }

    fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The next message, with the sequence of its first report.
    fn sent(&mut self) -> Option<(u64, Vec<Report>)> {
        let batch = self.session.next_batch(&BatchLimits::default())?;
        Some((batch.first, batch.reports.into_iter().cloned().collect()))
    }

    /// The outcomes of the attempts whose ends are in the next message.
    fn outcomes(&mut self) -> Vec<(RankId, Outcome)> {
        let reports = self.sent().map(|(_, reports)| reports).unwrap_or_default();
        let ended = |report| match report {
            Report::Ended { attempt, outcome, .. } => Some((attempt, outcome)),
            Report::Started { .. }
            | Report::Output { .. }
            | Report::Kept { .. }
            | Report::Saved { .. }
            | Report::Noticed(_)
            | Report::Claimed { .. }
            | Report::Stopping { .. } => None,
        };
        reports.into_iter().filter_map(ended).collect()
    }
}

fn terminate(attempt: RankId) -> Action {
    Action::Signal { attempt, signal: Signal::Terminate }
}

fn kill(attempt: RankId) -> Action {
    Action::Signal { attempt, signal: Signal::Kill }
}
