//! The sensors on real processes: what they see, and that nobody is hurt by being looked at.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use repower_agent::sense::{
    Admitted, EVIDENCE_BYTES, Files, Members, Reading, Sensors, Stopper, Watch, evidence, freeze,
};
use repower_agent_core::Moment;
use repower_agent_core::detect::{Mode, Response, Rule, Sample, Settings, TracedSettings};
use repower_example_detector::clock;
use repower_example_detector::load::Conversation;
use repower_example_detector::report::family::Family;
use repower_example_detector::report::flows;
use repower_example_detector::report::honest::Bench;
use repower_example_detector::report::observe::{Observed, dense, observe};
use repower_model::Span;
use sha2::{Digest as _, Sha256};

const LIMIT: Duration = Duration::from_mins(2);

fn load() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_load"))
}

fn start(words: &[&str], folder: &Path) -> Family {
    let program = load();
    let mut command = vec![program.to_str().expect("a path of this build")];
    command.extend(words);
    Family::start(&command, folder).expect("a shell can be started")
}

/// The program of a family, as soon as it is there.
fn program(family: &Family) -> u32 {
    loop {
        for process in family.members().processes() {
            let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
            if name.trim() == "load" {
                return process;
            }
        }
        clock::pass(Duration::from_millis(1));
    }
}

fn state(process: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
    rest.chars().next().unwrap_or('-')
}

/// The program of a family that waits for a child, which nothing interrupts, as soon as it does.
fn waits(family: &Family) -> u32 {
    loop {
        let processes = family.members().processes();
        if let Some(process) = processes.into_iter().find(|process| state(*process) == 'D') {
            return process;
        }
        clock::pass(Duration::from_millis(1));
    }
}

fn cpu_ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
    rest.split(' ').skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum()
}

/// Waits until the process has computed a little more.
fn runs_on(process: u32) {
    let before = cpu_ticks(process);
    let begun = clock::instant();
    while cpu_ticks(process) < before + 2 {
        assert!(begun.elapsed() < LIMIT, "{process} stands still in state {}", state(process));
        clock::pass(Duration::from_millis(1));
    }
}

/// A helper that says a line when it is ready.
fn helper(words: &[&str]) -> Child {
    let mut helper = Command::new(load());
    helper.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut helper = helper.spawn().expect("the helper can be started");
    let mut line = String::new();
    let stdout = helper.stdout.as_mut().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).expect("it says when it is ready");
    assert_eq!(line.trim(), "1");
    helper
}

fn end(mut helper: Child) {
    helper.kill().expect("it is ours");
    helper.wait().expect("it is ours");
}

/// Reads a running thread, again if it was missed.
fn read(stopper: &mut Stopper, process: u32) -> Reading {
    loop {
        let reading = stopper.read(process, process);
        if reading != Reading::Late {
            return reading;
        }
    }
}

#[test]
fn a_thread_is_read_and_runs_on() {
    let folder = tempfile::tempdir().unwrap();
    let family = start(&["work", "integers"], folder.path());
    let process = program(&family);
    let mut stopper = Stopper::new();

    for _ in 0..50 {
        let Reading::Registers { sse, x87, .. } = read(&mut stopper, process) else {
            panic!("it can be read");
        };
        assert_eq!((sse, x87), (Mode::Nearest, Mode::Nearest));
    }

    runs_on(process);
}

#[test]
fn a_process_that_is_gone_and_a_child_of_ours_are_left_alone() {
    let mut stopper = Stopper::new();
    let mut child = Command::new("/bin/cat").stdin(Stdio::piped()).spawn().unwrap();

    let own = stopper.read(child.id(), child.id());
    let gone = stopper.read(u32::MAX >> 1, u32::MAX >> 1);
    drop(child.stdin.take());

    assert_eq!(own, Reading::OwnChild);
    assert_eq!(gone, Reading::Gone);
    assert!(child.wait().unwrap().success(), "its end was not taken away");
}

#[test]
fn a_task_under_a_debugger_is_left_alone_and_the_debugger_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let family = start(&["work", "integers"], folder.path());
    let process = program(&family);
    let debugger = helper(&["trace", &process.to_string()]);

    let reading = Stopper::new().read(process, process);

    assert_eq!(reading, Reading::Traced { tracer: debugger.id(), is_own: true });
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    assert!(status.contains(&format!("TracerPid:\t{}", debugger.id())));
    end(debugger);
    runs_on(process);
}

#[test]
fn a_task_that_computes_under_a_trace_of_its_own_keeps_the_probe_away() {
    let folder = tempfile::tempdir().unwrap();
    let family = start(&["trace-own"], folder.path());
    let traced = TracedSettings { lasts: Span::from_millis(500), ..TracedSettings::default() };
    let settings = Settings { traced, ..dense() };

    let mut sensors = Sensors::new();
    let seen = observe(&mut sensors, family.members(), settings, LIMIT, |progress| {
        progress.watch.response() != Response::None
    });

    let rules: Vec<Rule> = seen.watch.detector().verdicts().map(|one| one.rule).collect();
    assert_eq!(rules, [Rule::ProbeBlocked]);
}

#[test]
fn tasks_that_nothing_stops_keep_no_other_from_being_read() {
    let folder = tempfile::tempdir().unwrap();
    let waiting: Vec<Family> = (0..3).map(|_| start(&["vfork"], folder.path())).collect();
    let processes: Vec<u32> = waiting.iter().map(waits).collect();
    let family = start(&["work", "integers"], folder.path());
    let honest = program(&family);
    let mut stopper = Stopper::new();

    for process in &processes {
        assert_eq!(stopper.read(*process, *process), Reading::Late);
    }
    assert!(matches!(read(&mut stopper, honest), Reading::Registers { .. }));
    let (minute, now) = (Span::from_secs(60), Moment::from_millis(60_000));
    let soon = stopper.late(|_| true, Moment::from_millis(59_999), minute);
    let blocked = stopper.late(|process| process == processes[1], now, minute);

    assert_eq!(soon, None);
    assert_eq!(blocked, Some((processes[1], processes[1], Reading::Blocked)));
    assert_eq!(
        stopper.late(|process| process == processes[1], now, minute),
        None,
        "it is said once"
    );
}

#[test]
fn work_that_goes_from_thread_to_thread_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    for threads in ["40", "0"] {
        let family = start(&["relay", threads], folder.path());
        let mut sensors = Sensors::new();

        let seen = observe(&mut sensors, family.members(), dense(), LIMIT, |progress| {
            progress.watch.response() == Response::Freeze
        });

        let rules: Vec<Rule> = seen.watch.detector().verdicts().map(|one| one.rule).collect();
        assert_eq!(rules, [Rule::RoundingModes], "{threads}");
    }
}

#[test]
fn a_thread_runs_on_when_the_one_that_stopped_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let family = start(&["work", "integers"], folder.path());
    let process = program(&family);
    let sensor = helper(&["trace", &process.to_string(), "--stop"]);
    assert_eq!(state(process), 't');

    end(sensor);

    runs_on(process);
}

#[test]
fn a_stopped_task_stays_stopped_and_gives_no_samples() {
    let folder = tempfile::tempdir().unwrap();
    let family = start(&["work", "integers"], folder.path());
    let process = program(&family);
    let frozen = freeze(&family.members(), None);
    while state(process) != 'T' {
        clock::pass(Duration::from_millis(1));
    }

    let mut sensors = Sensors::new();
    let limit = Duration::from_millis(300);
    let seen = observe(&mut sensors, family.members(), dense(), limit, |_| false);

    assert_eq!(seen.watch.detector().coverage().windows, 0);
    assert!(seen.lines.is_empty());
    assert_eq!(state(process), 'T');
    frozen.release();
    runs_on(process);
}

#[test]
fn five_hundred_threads_are_looked_at_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let family = start(&["threads", "500"], folder.path());
    let process = program(&family);
    let tasks = format!("/proc/{process}/task");
    while fs::read_dir(&tasks).map_or(0, Iterator::count) < 501 {
        clock::pass(Duration::from_millis(1));
    }

    let seen = until_windows(&family, 4);

    let threads = seen.lines.iter().filter_map(|line| line.split(" thread=").nth(1));
    let threads: std::collections::BTreeSet<&str> =
        threads.filter_map(|rest| rest.split(' ').next()).collect();
    assert_eq!(threads.len(), 4, "those that compute, and each of them");
    assert_eq!(seen.watch.response(), Response::None);
    runs_on(process);
}

#[test]
fn a_task_that_forks_all_the_time_goes_on_forking() {
    let folder = tempfile::tempdir().unwrap();
    let family = start(&["fork"], folder.path());
    let process = program(&family);

    let mut sensors = Sensors::new();
    let limit = Duration::from_secs(3);
    let seen = observe(&mut sensors, family.members(), dense(), limit, |_| false);

    assert_eq!(seen.watch.response(), Response::None);
    runs_on(process);
}

fn until_windows(family: &Family, windows: u64) -> Observed {
    let mut sensors = Sensors::new();
    observe(&mut sensors, family.members(), dense(), LIMIT, |progress| {
        progress.watch.detector().coverage().windows >= windows
    })
}

#[test]
fn the_stand_in_of_a_miner_is_frozen_and_honest_work_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut sensors = Sensors::new();
    let miner = start(&["work", "stand-in"], folder.path());
    let seen = observe(&mut sensors, miner.members(), dense(), LIMIT, |progress| {
        progress.watch.response() == Response::Freeze
    });
    let verdict = seen.watch.detector().verdicts().next().expect("it was noticed");
    assert_eq!(verdict.rule, Rule::RoundingModes);
    drop(miner);

    for what in ["matrix-product", "intervals", "floor-by-mode", "argon2"] {
        let family = start(&["work", what], folder.path());
        let seen = until_windows(&family, 8);
        assert_eq!(seen.watch.detector().coverage().suspicious, 0, "{what}");
        assert_eq!(seen.watch.response(), Response::None, "{what}");
    }
}

#[test]
fn constants_in_a_mapped_image_are_a_second_witness() {
    // As the specification of the function prints them, section 7.3, each plus one.
    let plus_one =
        [9_298_411_001_130_361_341_u64, 12_065_312_585_734_608_967, 9_306_329_213_124_626_781];
    let folder = tempfile::tempdir().unwrap();
    let mut image = vec![0x90; 300_000];
    for (index, constant) in plus_one.iter().enumerate() {
        let constant = constant - std::hint::black_box(1);
        image[262_140 + index * 900..][..8].copy_from_slice(&constant.to_le_bytes());
    }
    fs::write(folder.path().join("image"), image).unwrap();
    let family = start(&["map", "image"], folder.path());
    let process = program(&family);
    while !fs::read_to_string(format!("/proc/{process}/maps")).unwrap().contains("/image") {
        clock::pass(Duration::from_millis(1));
    }

    let mut sensors = Sensors::new();
    let seen = observe(&mut sensors, family.members(), dense(), LIMIT, |progress| {
        progress.watch.response() != Response::None
    });

    let verdict = seen.watch.detector().verdicts().next().unwrap();
    assert_eq!((verdict.rule, verdict.process), (Rule::KnownConstants, process));
    assert_eq!(seen.watch.response(), Response::Freeze);
}

#[test]
fn a_program_that_was_deleted_holds() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("load");
    fs::copy(load(), &copy).unwrap();
    let family =
        Family::start(&[copy.to_str().unwrap(), "work", "integers"], folder.path()).unwrap();
    program(&family);
    fs::remove_file(&copy).unwrap();

    let mut sensors = Sensors::new();
    let seen = observe(&mut sensors, family.members(), dense(), LIMIT, |progress| {
        progress.watch.response() != Response::None
    });

    assert_eq!(seen.watch.detector().verdicts().next().unwrap().rule, Rule::ExecutableDeleted);
    assert_eq!(seen.watch.response(), Response::Hold);
}

/// Looks at files, mappings and images of a task, which was given this `program`, so many times.
fn look(family: &Family, folder: &Path, program: &[u8], times: usize) -> Watch {
    let digest: [u8; 32] = Sha256::digest(program).into();
    let digests = BTreeMap::from([(PathBuf::from("program"), digest)]);
    let files = Files::new(folder.to_owned(), Arc::new(digests));
    let admitted = Admitted { files, ..Admitted::default() };
    let (zero, mut sensors) = (clock::instant(), Sensors::new());
    let mut watch = Watch::new(family.members(), admitted, dense(), clock::now(zero).steady);
    let mut looks = 0;
    while looks < times {
        let looked = watch.look(&mut sensors, 0, None, clock::now(zero));
        let is_slow = |(_, sample): &(_, Sample)| matches!(sample, Sample::Counters(_));
        looks += usize::from(looked.samples.iter().any(is_slow));
        clock::pass(Duration::from_millis(1));
    }
    watch
}

/// Waits until so many processes of a task run programs with these names.
fn running(family: &Family, names: &[&str]) {
    let exe = |process| fs::read_link(format!("/proc/{process}/exe")).unwrap_or_default();
    loop {
        let programs: Vec<PathBuf> = family.members().processes().into_iter().map(exe).collect();
        if names.iter().all(|name| programs.iter().any(|program| program.ends_with(name))) {
            return;
        }
        clock::pass(Duration::from_millis(1));
    }
}

#[test]
fn another_program_in_the_place_of_one_that_was_given_freezes_and_honest_work_with_it_does_not() {
    let nothing: [&str; 0] = [];
    let sleep = fs::read("/bin/sleep").unwrap();
    let honest = "cp /bin/sleep program; ./program 3600 & \
                  cp program built; printf x >> built; ./built 3600 & \
                  (exec ./program 3600) & wait";
    let folder = tempfile::tempdir().unwrap();
    let family = Family::script(honest, &nothing, folder.path()).unwrap();
    running(&family, &["program", "built"]);
    let watch = look(&family, folder.path(), &sleep, 3);
    assert_eq!(watch.response(), Response::None);
    drop(family);

    let changed = "cp /bin/sleep program; cp program fresh; printf x >> fresh; \
                   mv fresh program; ./program 3600 & wait";
    let folder = tempfile::tempdir().unwrap();
    let family = Family::script(changed, &nothing, folder.path()).unwrap();
    running(&family, &["program"]);
    let watch = look(&family, folder.path(), &sleep, 1);
    let rules: Vec<Rule> = watch.detector().verdicts().map(|one| one.rule).collect();
    assert_eq!(rules, [Rule::ExecutableChanged]);
    assert_eq!(watch.response(), Response::Freeze);
}

#[test]
fn a_frozen_task_runs_on_when_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let family = start(&["work", "integers", "--threads", "2"], folder.path());
    let process = program(&family);

    let frozen = freeze(&family.members(), None);

    while state(process) != 'T' {
        clock::pass(Duration::from_millis(1));
    }
    let before = cpu_ticks(process);
    clock::pass(Duration::from_millis(50));
    assert_eq!(cpu_ticks(process), before);
    frozen.release();
    runs_on(process);
}

#[test]
fn evidence_names_the_program_by_its_digest_and_keeps_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let family = start(&["threads", "400"], folder.path());
    let process = program(&family);
    let tasks = format!("/proc/{process}/task");
    while fs::read_dir(&tasks).map_or(0, Iterator::count) < 401 {
        clock::pass(Duration::from_millis(1));
    }

    let now = clock::now(clock::instant());
    let text = evidence(&mut Sensors::new(), &family.members(), &[], "", now).text;

    assert!(text.len() <= EVIDENCE_BYTES);
    let line = text.lines().find(|line| line.starts_with(&format!("process {process} "))).unwrap();
    let digest = line.rsplit(' ').next().unwrap();
    assert_eq!(digest.len(), 64, "{line}");
    assert!(text.contains("map "));
}

#[test]
fn evidence_that_is_larger_than_its_bound_is_cut_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let script = "for n in $(seq 60); do sleep 3600 & done; wait";
    let nothing: [&str; 0] = [];
    let family = Family::script(script, &nothing, folder.path()).unwrap();
    while family.members().processes().len() < 60 {
        clock::pass(Duration::from_millis(1));
    }

    let now = clock::now(clock::instant());
    let bundle = evidence(&mut Sensors::new(), &family.members(), &[], "", now);

    assert!(bundle.cut && bundle.text.len() <= EVIDENCE_BYTES, "{}", bundle.text.len());
    assert!(bundle.text.ends_with("cut here: the bundle has reached its bound\n"));
}

#[test]
fn a_conversation_with_a_pool_is_known_by_its_shape_and_a_quiet_channel_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(load(), None, None, folder.path()).unwrap();
    let all = [
        ("in the clear", Conversation::Pool, true),
        ("within TLS", Conversation::PoolTls, true),
        ("gRPC", Conversation::Grpc, false),
        ("metrics", Conversation::Metrics, false),
    ];

    std::thread::scope(|scope| {
        for one in all {
            let bench = &bench;
            scope.spawn(move || {
                let row = flows::run(bench, &mut Sensors::new(), one, 60, 1).unwrap();
                assert!(row.windows >= 1, "{}", row.name);
                assert_eq!(row.noticed > 0, row.is_pool, "{}: {:?}", row.name, row.lines);
            });
        }
    });
}

#[test]
fn what_the_host_allows_is_known_before_the_first_task() {
    let sensors = Sensors::new();

    let reasons: Vec<String> = sensors.unavailable().map(|one| one.to_string()).collect();

    let is_here = cfg!(all(target_arch = "x86_64", target_env = "gnu"));
    assert_eq!(sensors.reads_registers(), is_here, "{reasons:?}");
}

#[test]
fn a_task_that_hides_from_its_own_user_is_blocked_and_one_of_another_user_is_denied() {
    if !rustix::process::geteuid().is_root() {
        return as_another_user();
    }
    let folder = tempfile::tempdir().unwrap();
    let of_root = start(&["work", "integers"], folder.path());
    let process = program(&of_root);
    // A program in a folder that only root may enter cannot be started by anybody else.
    let copy = tempfile::tempdir().unwrap();
    let test = copy.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &test).unwrap();
    fs::copy(load(), copy.path().join("load")).unwrap();
    open_to_all(copy.path());

    let mut again = Command::new(&test);
    again.args(["--ignored", "--exact", "as_another_user", "--nocapture"]);
    again.env("SENSE_OF_ROOT", process.to_string()).env("SENSE_LOAD", copy.path().join("load"));
    again.uid(65534).gid(65534).current_dir("/tmp").env("TMPDIR", "/tmp");
    let output = again.output().unwrap();

    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
}

/// The other half of the test above, as a user without rights.
#[test]
#[ignore = "started by the test above, as another user"]
fn as_another_user() {
    let folder = tempfile::tempdir().unwrap();
    let program_path = environment("SENSE_LOAD").map_or_else(load, PathBuf::from);
    let words = [program_path.to_str().unwrap(), "work", "integers", "--hide"];
    let family = Family::start(&words, folder.path()).unwrap();
    let process = program(&family);
    let mut stopper = Stopper::new();
    let hidden = |process: u32| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(format!("/proc/{process}/stat")).unwrap().uid() == 0
    };
    while !hidden(process) {
        clock::pass(Duration::from_millis(1));
    }

    assert_eq!(stopper.read(process, process), Reading::Blocked);
    if let Some(other) = environment("SENSE_OF_ROOT") {
        let other = other.parse().unwrap();
        assert_eq!(stopper.read(other, other), Reading::Denied);
    }

    let mut sensors = Sensors::new();
    let seen = observe(&mut sensors, family.members(), dense(), LIMIT, |progress| {
        progress.watch.response() != Response::None
    });
    let rules: Vec<Rule> = seen.watch.detector().verdicts().map(|one| one.rule).collect();
    assert_eq!(rules, [Rule::ProbeBlocked]);
}

#[expect(clippy::disallowed_methods, reason = "two halves of one test in two processes")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn a_group_of_the_kernel_names_its_processes_and_those_below() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("below")).unwrap();
    fs::write(folder.path().join("cgroup.procs"), "7\n3\n").unwrap();
    fs::write(folder.path().join("below/cgroup.procs"), "11\n0\n").unwrap();

    let members = Members::Group(folder.path().to_owned());

    assert_eq!(members.processes(), [3, 7, 11]);
    assert_eq!(members.leader(), Some(3));
}

#[test]
fn production_settings_stop_a_thread_at_most_once_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let family = start(&["work", "integers", "--threads", "2"], folder.path());
    program(&family);
    let mut sensors = Sensors::new();

    let seen = observe(&mut sensors, family.members(), Settings::default(), LIMIT, |progress| {
        progress.samples >= 4
    });

    let samples = seen.lines.iter().filter(|line| line.contains("registers"));
    let at = |line: &String| line.split(' ').next().unwrap().parse::<u64>().unwrap();
    let times: Vec<u64> = samples.map(at).collect();
    assert_eq!(times.len(), 4);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1000), "{times:?}");
}
