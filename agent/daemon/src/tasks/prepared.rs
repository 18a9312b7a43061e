//! What all launches of a job share, made once: arguments, environment, the script's file.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repower_agent_core::Definition;
use repower_model::{JobId, RankId};

use super::failure::Failure;
use super::ownfile::OwnFile;
use super::{About, boxes, folders, gpus};

/// What tasks may take of the node: these say the first choice of their job, and are told anew to those that were placed
/// by another.
pub(super) const CPUS: &str = "REPOWER_CPUS";
pub(super) const MEMORY: &str = "REPOWER_MEMORY";

/// The jobs of which tasks are launched here.
#[derive(Debug)]
pub(super) struct Jobs {
    /// Where the files of scripts are.
    folder: PathBuf,
    /// Makes the mark of this executor, behind that of its data folder.
    own: String,
    setting: Mutex<Option<Setting>>,
    known: Mutex<BTreeMap<JobId, Arc<Prepared>>>,
}

/// What an agent says of how tasks are to run.
#[derive(Debug)]
struct Setting {
    about: About,
    /// The variables that every task has.
    inherited: Vec<(OsString, OsString)>,
}

/// What all launches of a job share.
#[derive(Debug)]
pub(super) struct Prepared {
    /// What the kernel is to run: a path.
    pub(super) program: PathBuf,
    /// What the program is told that its name is.
    pub(super) name: OsString,
    pub(super) arguments: Vec<OsString>,
    /// By which its processes are known as those of this executor.
    pub(super) mark: String,
    /// Ascending by name.
    pub(super) environment: Vec<(OsString, OsString)>,
    /// `None`: a fresh one for each attempt.
    pub(super) working_folder: Option<PathBuf>,
    /// Its file is removed with this.
    script: Option<OwnFile>,
}

impl Prepared {
    /// The file of its script, if it has one.
    pub(super) fn script(&self) -> Option<&Path> {
        self.script.as_ref().map(OwnFile::path)
    }
}

impl Jobs {
    /// Clears the folder of scripts of what an earlier executor has left. `own` is this one's name.
    pub(super) fn new(folder: &Path, own: String) -> io::Result<Self> {
        crate::folder::clear(folder)?;
        folders::make(folder)?;
        Ok(Self { folder: folder.into(), own, setting: Mutex::default(), known: Mutex::default() })
    }

    /// How the tasks of jobs that are not known yet run.
    pub(super) fn configure(&self, about: About, inherited: Vec<(OsString, OsString)>) {
        *self.setting() = Some(Setting { about, inherited });
    }

    /// By which processes are known as those of this executor; `None`: there has been no agent, nor
    /// any task.
    pub(super) fn mark(&self) -> Option<String> {
        let setting = self.setting();
        Some(format!("{}-{}", setting.as_ref()?.about.folder, self.own))
    }

    fn setting(&self) -> MutexGuard<'_, Option<Setting>> {
        self.setting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all launches of this job share. Made at the first one; a failure is tried again at the next.
    pub(super) fn prepare(&self, definition: &Definition) -> Result<Arc<Prepared>, Failure> {
        let mut known = self.lock();
        if let Some(prepared) = known.get(&definition.job) {
            return Ok(Arc::clone(prepared));
        }
        let prepared = Arc::new(self.make(definition)?);
        known.insert(definition.job, Arc::clone(&prepared));
        Ok(prepared)
    }

    /// Writes the list of hosts that a rank of a gang is given.
    pub(super) fn list_hosts(&self, rank: RankId, text: &str) -> io::Result<OwnFile> {
        OwnFile::write(self.folder.join(file_name(rank, "hosts")), text.as_bytes())
    }

    /// Where the list of the places goes that a process reaches.
    pub(super) fn names(&self, rank: RankId) -> PathBuf {
        self.folder.join(file_name(rank, "names"))
    }

    /// No more tasks of this job are launched; what still runs keeps what it needs.
    pub(super) fn forget(&self, job: JobId) {
        self.lock().remove(&job);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, Arc<Prepared>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, definition: &Definition) -> Result<Prepared, Failure> {
        let spec = &definition.spec;
        let mark = self.mark().expect("an agent attaches before it gives orders");
        let environment = self.environment(definition);
        let working_folder =
            Some(PathBuf::from(&spec.working_folder)).filter(|path| !path.as_os_str().is_empty());
        let mut arguments: Vec<OsString> = spec.command.iter().map(OsString::from).collect();
        if spec.script.is_empty() {
            if arguments.is_empty() {
                return Err(Failure::NoCommand);
            }
            let name = arguments.remove(0);
            // What is in an image is found out there.
            let program = if spec.image.is_empty() {
                find(&name, &environment, working_folder.as_deref(), boxes::is_other(spec))?
            } else {
                PathBuf::from(&name)
            };
            return Ok(Prepared {
                program,
                name,
                arguments,
                mark,
                environment,
                working_folder,
                script: None,
            });
        }
        let script = OwnFile::write(self.folder.join(definition.job.to_string()), &spec.script)
            .map_err(|source| Failure::Script { source })?;
        let (interpreter, option) = interpreter(&spec.script)?;
        if spec.image.is_empty() && !interpreter.exists() {
            return Err(Failure::NoInterpreter { interpreter });
        }
        let before = option.into_iter().chain([script.path().as_os_str().to_owned()]);
        let arguments = before.chain(arguments).collect();
        Ok(Prepared {
            name: interpreter.clone().into_os_string(),
            program: interpreter,
            arguments,
            mark,
            environment,
            working_folder,
            script: Some(script),
        })
    }

    /// The variables that are the same for all tasks of a job; those of the system come last and win.
    fn environment(&self, definition: &Definition) -> Vec<(OsString, OsString)> {
        let setting = self.setting();
        let setting = setting.as_ref().expect("an agent attaches before it gives orders");
        let spec = &definition.spec;
        let own = spec
            .environment
            .iter()
            .map(|one| (one.name.as_str().into(), one.value.as_str().into()));
        let asked = &spec.resources;
        let system = [
            ("REPOWER_JOB_ID", definition.job.to_string()),
            ("REPOWER_JOB_NAME", spec.name.clone()),
            ("REPOWER_TASK_COUNT", definition.tasks.to_string()),
            ("REPOWER_NODE", setting.about.name.clone()),
            (CPUS, asked.cpus.to_string()),
            (MEMORY, asked.memory.as_u64().to_string()),
            ("REPOWER_CLASS", spec.class.clone()),
            ("REPOWER_PROJECT", spec.project.clone()),
        ];
        let system = system.map(|(name, value)| (name.into(), value.into()));
        // Those that have any are told so at their launch.
        let system = system.into_iter().chain(gpus::VARIABLES.map(|name| (name.into(), "".into())));
        // An image brings its own.
        let inherited = setting.inherited.iter().filter(|_| spec.image.is_empty()).cloned();
        let all: BTreeMap<OsString, OsString> = inherited.chain(own).chain(system).collect();
        all.into_iter().collect()
    }
}

/// The name of a file that a process alone has.
fn file_name(rank: RankId, kind: &str) -> String {
    let RankId { attempt, rank } = rank;
    let (job, index, number) = (attempt.task.job, attempt.task.index, attempt.number);
    format!("{job}.{index}.{number}.{rank}.{kind}")
}

/// What runs a script: the program and at most one argument of its `#!` line, as the kernel reads it.
///
/// The interpreter is started directly with the script's file as its argument, which is what the
/// kernel would do, but also works where files cannot be executed, and tells which of the two is missing.
fn interpreter(script: &[u8]) -> Result<(PathBuf, Option<OsString>), Failure> {
    let Some(rest) = script.strip_prefix(b"#!") else {
        return Ok((PathBuf::from("/bin/sh"), None));
    };
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.trim_ascii();
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (program, option) = line.split_at(end);
    if program.is_empty() {
        return Err(Failure::EmptyInterpreter);
    }
    let program = PathBuf::from(OsStr::from_bytes(program));
    let option = Some(option.trim_ascii()).filter(|option| !option.is_empty());
    Ok((program, option.map(|option| OsString::from_vec(option.to_vec()))))
}

/// The path of a program: looked for in the `PATH` of the task if it is a bare name. A task that is run by another
/// user gets the first that everybody may run, if there is one.
fn find(
    name: &OsStr,
    environment: &[(OsString, OsString)],
    working_folder: Option<&Path>,
    is_other: bool,
) -> Result<PathBuf, Failure> {
    if name.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let path =
        environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
    let path = path.unwrap_or_default();
    let (mut refused, mut own) = (None, None);
    for folder in std::env::split_paths(path) {
        let place = working_folder.map_or_else(|| folder.clone(), |working| working.join(&folder));
        let candidate = place.join(name);
        let Ok(metadata) = fs::metadata(&candidate) else {
            continue;
        };
        if !metadata.is_file() {
            continue;
        }
        if rustix::fs::access(&candidate, rustix::fs::Access::EXEC_OK).is_err() {
            refused.get_or_insert(candidate);
        } else if is_other && !is_for_all(&candidate) {
            own.get_or_insert(candidate);
        } else {
            return Ok(candidate);
        }
    }
    if let Some(candidate) = own {
        return Ok(candidate);
    }
    Err(match refused {
        Some(program) => Failure::NotExecutable { program },
        None => Failure::NotInPath { name: name.into(), path: path.into() },
    })
}

/// Whether everybody may run a file, and enter the folders above it.
fn is_for_all(program: &Path) -> bool {
    let Ok(program) = program.canonicalize() else { return false };
    let mut parts = program.ancestors().map(fs::metadata);
    parts.all(|part| part.is_ok_and(|part| part.permissions().mode() & 0o001 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_line(line: &str) -> Option<(String, Option<String>)> {
        let (program, option) = interpreter(line.as_bytes()).ok()?;
        let text = |text: OsString| text.into_string().expect("the line was text");
        Some((text(program.into()), option.map(text)))
    }

    #[test]
    fn the_first_line_of_a_script_names_a_program_and_at_most_one_argument() {
        let sh = |option: Option<&str>| Some(("/bin/sh".to_owned(), option.map(str::to_owned)));

        assert_eq!(first_line("echo hello"), sh(None));
        assert_eq!(first_line("#!/bin/sh"), sh(None));
        assert_eq!(first_line("#! /bin/sh \t\necho"), sh(None));
        assert_eq!(first_line("#!/bin/sh -e -u \necho"), sh(Some("-e -u")));
        assert_eq!(first_line("#!\n/bin/sh"), None);
        assert_eq!(first_line("#!/no/such/program\n"), Some(("/no/such/program".into(), None)));
    }

    #[test]
    fn a_bare_name_is_looked_for_in_the_path_of_the_task() {
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(folder.path().join("plain"), "no execute bit").unwrap();
        let path = std::env::join_paths([folder.path(), Path::new("/bin")]).unwrap();
        let environment = [(OsString::from("PATH"), path)];
        let find = |name: &str| find(OsStr::new(name), &environment, None, false);

        assert_eq!(find("sh").unwrap(), Path::new("/bin/sh"));
        assert_eq!(find("./sh").unwrap(), Path::new("./sh"));
        assert!(matches!(find("plain"), Err(Failure::NotExecutable { .. })));
        assert!(matches!(find("no-such-program"), Err(Failure::NotInPath { .. })));
    }

    #[test]
    fn another_user_gets_the_first_program_that_everybody_may_run() {
        let closed = tempfile::TempDir::new().unwrap();
        fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
        for name in ["sh", "mine"] {
            let program = closed.path().join(name);
            fs::write(&program, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = std::env::join_paths([closed.path(), Path::new("/bin")]).unwrap();
        let environment = [(OsString::from("PATH"), path)];
        let find = |name: &str, other| find(OsStr::new(name), &environment, None, other).unwrap();

        assert_eq!(find("sh", false), closed.path().join("sh"));
        assert_eq!(find("sh", true), Path::new("/bin/sh"));
        assert_eq!(
            find("mine", true),
            closed.path().join("mine"),
            "what keeps it from running is told"
        );
    }
}
