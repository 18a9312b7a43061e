//! Why a process could not be started, told to the person who wanted it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use repower_model::{Bytes, Hash};
use rustix::fs::OFlags;

use super::prepared::Prepared;

/// Why a process could not be started. The text says what to do, too: it travels as one sentence.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("there is no command: give the program after `--`, or a script")]
    NoCommand,
    #[error(
        "there is no program {name:?} in PATH ({path:?}): give its full path, or install it on this node"
    )]
    NotInPath { name: OsString, path: OsString },
    #[error("there is no program {}: check the path, or install it on this node", program.display())]
    NotFound { program: PathBuf },
    #[error(
        "there is no program {} in the box, or not the interpreter that its #! line names: check both, or install them on this node",
        program.display()
    )]
    NotInBox { program: PathBuf },
    #[error("{} may not be executed: set its execute bit (chmod +x) and check who may enter its folders", program.display())]
    NotExecutable { program: PathBuf },
    #[error("{} is a folder, not a program: give the program's own path", program.display())]
    IsFolder { program: PathBuf },
    #[error(
        "{} is neither a program for this machine nor a script with a #! line: add #!/bin/sh as its first line, or build it for this machine",
        program.display()
    )]
    NotAProgram { program: PathBuf },
    #[error("the interpreter {} that {} names is not there: correct its #! line, or install the interpreter on this node", interpreter.display(), program.display())]
    NoInterpreterOf { interpreter: PathBuf, program: PathBuf },
    #[error("the interpreter {} of the script is not there: correct the #! line, or install it on this node", interpreter.display())]
    NoInterpreter { interpreter: PathBuf },
    #[error("the #! line of the script names no interpreter: write for example #!/bin/sh")]
    EmptyInterpreter,
    #[error("the working folder {} cannot be entered ({source}): make it on this node, or leave it out", folder.display())]
    WorkingFolder { folder: PathBuf, source: io::Error },
    #[error(
        "the working folder {} is on this node, but the user of the task, {user}, may not enter it: let that user into it and into the folders above it, or leave it out",
        folder.display()
    )]
    ClosedFolder { folder: PathBuf, user: String },
    #[error(
        "the arguments and the environment take {bytes} bytes, more than the kernel accepts: put them into a file or a script"
    )]
    TooLong { bytes: usize },
    #[error(
        "the script cannot be written to the agent's data folder ({source}): make room or check the folder on this node"
    )]
    Script { source: io::Error },
    #[error(
        "the list of hosts cannot be written to the agent's data folder ({source}): make room or check the folder on this node"
    )]
    Hosts { source: io::Error },
    #[error(
        "a folder for the attempt cannot be made ({source}): make room or check the agent's data folder on this node"
    )]
    Folder { source: io::Error },
    #[error(
        "the folder for what the task saves cannot be given to it ({source}): make room or check the agent's data folder on this node"
    )]
    Saved { source: io::Error },
    #[error("cannot put the input {} into the task's folder: {source}", path.display())]
    Input { path: PathBuf, source: io::Error },
    #[error(
        "the node has no room for one more process ({source}): raise the limits of the agent, or ask for more per task"
    )]
    NoRoom { source: io::Error },
    #[error(
        "its limit of {limit} of memory is less than {} needs to be loaded: ask for more memory",
        program.display()
    )]
    LittleMemory { limit: Bytes, program: PathBuf },
    #[error(
        "the task asks for {asked} GPUs, but {free} of the {all} that this node has files of are free: let its agent offer no more (--extra gpu={all})"
    )]
    FewGpus { asked: u64, free: usize, all: usize },
    #[error(
        "the working folder {} is not seen from a box: leave it out, or ask for isolation `bare`",
        folder.display()
    )]
    Unseen { folder: PathBuf },
    #[error(
        "{what} must not run: {digest} is in quarantine ({reason}); an operator can release it with `repower quarantine --release`"
    )]
    Forbidden { what: String, digest: Hash, reason: String },
    #[error(
        "a task that may do less than its agent has its inputs and outputs in a fresh folder, not in {}: leave the working folder out",
        folder.display()
    )]
    FilesElsewhere { folder: PathBuf },
    #[error("an argument or a variable has a zero byte in it: no program can be told that")]
    Zero,
    #[error("{}", told(source))]
    Held { source: crate::sandbox::Error },
    #[error("{}", told(source))]
    Group { source: crate::sandbox::GroupError },
    #[error("{source}")]
    Container { source: crate::container::EngineError },
    #[error("the task cannot {what} ({source}): this is a fault of the node, see its log")]
    Step { what: String, source: io::Error },
    #[error("{} cannot be started: {source}", program.display())]
    Other { program: PathBuf, source: io::Error },
}

/// An error with what caused it: this one travels as one sentence.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text} ({cause})"))
}

impl Failure {
    /// What the system's refusal to launch means. Of a boxed task nothing is looked at to find that out: what has the name
    /// on this node may be something else than in the box, and not for the task to read.
    pub(super) fn of(error: io::Error, prepared: &Prepared, is_boxed: bool) -> Self {
        let program = prepared.program.clone();
        if let Some(folder) = &prepared.working_folder
            && !is_boxed
            && let Err(source) = enter(folder)
        {
            return Self::WorkingFolder { folder: folder.clone(), source };
        }
        let found = prepared
            .working_folder
            .as_deref()
            .map_or_else(|| program.clone(), |folder| folder.join(&program));
        match error.raw_os_error() {
            Some(libc::ENOENT) if is_boxed => Self::NotInBox { program },
            Some(libc::ENOENT) => match interpreter(&found) {
                Some(interpreter) => Self::NoInterpreterOf { interpreter, program },
                None => Self::NotFound { program },
            },
            Some(libc::ENOTDIR) => Self::NotFound { program },
            Some(libc::EACCES) if !is_boxed && found.is_dir() => Self::IsFolder { program },
            Some(libc::EACCES | libc::EPERM) => Self::NotExecutable { program },
            Some(libc::ENOEXEC) => Self::NotAProgram { program },
            Some(libc::E2BIG) => Self::TooLong { bytes: length(prepared) },
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN) => {
                Self::NoRoom { source: error }
            }
            _ => Self::Other { program, source: error },
        }
    }
}

/// Whether a folder can be entered.
fn enter(folder: &Path) -> io::Result<()> {
    if !std::fs::metadata(folder)?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    Ok(rustix::fs::access(folder, rustix::fs::Access::EXEC_OK)?)
}

/// The interpreter that a file names in its `#!` line, if the file is there and has one.
fn interpreter(program: &Path) -> Option<PathBuf> {
    // To open a device may be to wait for ever, or worse.
    if !std::fs::metadata(program).ok()?.is_file() {
        return None;
    }
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = File::options();
    options.read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    let mut head = Vec::new();
    options.open(program).ok()?.take(256).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let name = line.split(u8::is_ascii_whitespace).next()?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
}

/// What the arguments and the environment take, as the kernel counts them.
fn length(prepared: &Prepared) -> usize {
    let arguments = prepared.arguments.iter().map(|one| one.len() + 1 + size_of::<usize>());
    let environment = prepared
        .environment
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2 + size_of::<usize>());
    arguments.chain(environment).sum()
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_of_a_plain_file_the_interpreter_is_looked_for() {
        let folder = tempfile::TempDir::new().unwrap();
        let (script, pipe) = (folder.path().join("script"), folder.path().join("pipe"));
        std::fs::write(&script, "#!/no/such/interpreter -x\necho\n").unwrap();
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();

        assert_eq!(interpreter(&script), Some(PathBuf::from("/no/such/interpreter")));
        assert_eq!(interpreter(&pipe), None, "nobody waits for who writes into it");
        assert_eq!(interpreter(Path::new("/dev/zero")), None);
    }
}
