//! From what a task needs to see to the steps that make it.

use std::collections::BTreeSet;
use std::ffi::{CString, NulError};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::system::{DEVICES, System};
use super::{How, Step, View};
use crate::sandbox::devices::File;
use crate::sandbox::landlock::{Access, Rule};

/// Builds the view of a task.
#[derive(Debug, Clone)]
pub(crate) struct Builder {
    root: PathBuf,
    steps: Vec<Step>,
    rules: Vec<Rule>,
    /// Folders that are there already.
    made: BTreeSet<PathBuf>,
}

/// Why something cannot be seen from a box.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("{} cannot be seen from a box: a path there begins with / and has no .. in it", path.display())]
    Path { path: PathBuf },
    #[error("a path has a zero byte in it")]
    Zero {
        #[from]
        source: NulError,
    },
}

impl Builder {
    /// A view of the system alone.
    ///
    /// `root` is an empty folder of the host, `hidden` one that is not to be seen wherever it lies.
    pub(crate) fn new(root: &Path, system: &System, hidden: &Path) -> Result<Self, Unusable> {
        let made = BTreeSet::from([PathBuf::from("/")]);
        let mut built = Self { root: root.into(), steps: Vec::new(), rules: Vec::new(), made };
        built.rule(Path::new("/"), Access::List, true)?;
        for folder in &system.folders {
            built.folder(folder)?;
            built.part(folder, folder, built.read_only(system))?;
            built.rule(folder, Access::Read, true)?;
        }
        for (path, target) in &system.links {
            let target = CString::new(target.as_os_str().as_bytes())?;
            let path = built.on_host(path)?;
            built.steps.push(Step::Link { target, path });
        }
        built.sys(system)?;
        built.devices(system)?;
        built.fresh("tmpfs", "/tmp", "mode=1777", libc::MS_NOSUID | libc::MS_NODEV)?;
        built.rule(Path::new("/tmp"), Access::Change, true)?;
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        built.fresh("tmpfs", "/dev/shm", "mode=1777", flags)?;
        built.fresh("proc", "/proc", "", flags)?;
        built.rule(Path::new("/proc"), Access::Read, true)?;
        if system.has(hidden) {
            let path = built.on_host(hidden)?;
            let (kind, options) = (c"tmpfs".into(), c"mode=755".into());
            built.steps.push(Step::Fresh { kind, path, flags, options });
        }
        for file in &system.files {
            built.see(file, Access::Read)?;
        }
        Ok(built)
    }

    /// Lets the task see a folder or file of the host, at the same path.
    ///
    /// # Errors
    ///
    /// If the path is not absolute or not plain.
    pub(crate) fn see(&mut self, path: &Path, access: Access) -> Result<(), Unusable> {
        let is_plain = path.components().all(|part| {
            !matches!(part, std::path::Component::ParentDir | std::path::Component::CurDir)
        });
        if !path.is_absolute() || !is_plain {
            return Err(Unusable::Path { path: path.into() });
        }
        let is_folder = path.is_dir();
        if is_folder {
            self.folder(path)?;
        } else {
            if let Some(parent) = path.parent() {
                self.folder(parent)?;
            }
            let path = self.on_host(path)?;
            self.steps.push(Step::File { path });
        }
        let how = match access {
            Access::List | Access::Read => How::ReadOnly,
            Access::Use | Access::Change => How::Writable,
        };
        self.part(path, path, how)?;
        self.rule(path, access, is_folder)
    }

    /// Lets the task see and use a device of the host.
    ///
    /// # Errors
    ///
    /// If a path has a zero byte in it.
    pub(crate) fn device(&mut self, device: &File, is_privileged: bool) -> Result<(), Unusable> {
        if let Some(parent) = device.shown.parent() {
            self.folder(parent)?;
        }
        let path = self.on_host(&device.shown)?;
        // What is made here may be used by everybody in the box.
        if is_privileged && !device.is_guarded {
            self.steps.push(Step::Device { path, device: device.raw() });
            return Ok(());
        }
        self.steps.push(Step::File { path });
        self.part(&device.path, &device.shown, How::Device)
    }

    /// Lets the task see a file of the host in the place of one of the system's.
    ///
    /// # Errors
    ///
    /// If a path has a zero byte in it.
    pub(crate) fn stand_in(&mut self, from: &Path, path: &Path) -> Result<(), Unusable> {
        self.part(from, path, How::ReadOnly)?;
        self.rule(path, Access::Read, false)
    }

    /// The finished view.
    ///
    /// # Errors
    ///
    /// If the path of its root has a zero byte in it.
    pub(crate) fn finish(self) -> Result<View, Unusable> {
        let root = CString::new(self.root.as_os_str().as_bytes())?;
        Ok(View { root, steps: self.steps, rules: self.rules })
    }

    const fn read_only(&self, system: &System) -> How {
        let _ = self;
        if system.is_privileged { How::ReadOnly } else { How::ReadOnlyBelowToo }
    }

    fn sys(&mut self, system: &System) -> Result<(), Unusable> {
        let sys = Path::new("/sys");
        if sys.is_dir() {
            self.folder(sys)?;
            self.part(sys, sys, self.read_only(system))?;
            self.rule(sys, Access::Read, true)?;
        }
        Ok(())
    }

    fn devices(&mut self, system: &System) -> Result<(), Unusable> {
        let dev = Path::new("/dev");
        self.folder(dev)?;
        for name in DEVICES {
            let path = dev.join(name);
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            let inside = self.on_host(&path)?;
            if system.is_privileged {
                let device = std::os::unix::fs::MetadataExt::rdev(&metadata);
                self.steps.push(Step::Device { path: inside, device });
            } else {
                self.steps.push(Step::File { path: inside });
                self.part(&path, &path, How::Device)?;
            }
        }
        let links = [
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
            ("ptmx", "pts/ptmx"),
        ];
        for (name, target) in links {
            let (path, target) = (self.on_host(&dev.join(name))?, CString::new(target)?);
            self.steps.push(Step::Link { target, path });
        }
        let flags = libc::MS_NOSUID | libc::MS_NOEXEC;
        self.fresh("devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=0620", flags)?;
        self.rule(dev, Access::Use, true)?;
        self.folder(Path::new("/dev/shm"))?;
        self.folder(Path::new("/run"))?;
        self.folder(Path::new("/var"))?;
        let (target, path) = (c"/tmp".into(), self.on_host(Path::new("/var/tmp"))?);
        self.steps.push(Step::Link { target, path });
        Ok(())
    }

    /// Makes a folder and those above it.
    fn folder(&mut self, path: &Path) -> Result<(), Unusable> {
        let missing: Vec<&Path> =
            path.ancestors().take_while(|one| !self.made.contains(*one)).collect();
        for folder in missing.into_iter().rev() {
            let path = self.on_host(folder)?;
            self.steps.push(Step::Folder { path });
            self.made.insert(folder.into());
        }
        Ok(())
    }

    fn part(&mut self, from: &Path, path: &Path, how: How) -> Result<(), Unusable> {
        let from = CString::new(from.as_os_str().as_bytes())?;
        let path = self.on_host(path)?;
        self.steps.push(Step::Part { from, path, how });
        Ok(())
    }

    fn fresh(&mut self, kind: &str, path: &str, options: &str, flags: u64) -> Result<(), Unusable> {
        let path = Path::new(path);
        self.folder(path)?;
        // What was made below it before is hidden by it.
        self.made.retain(|made| made == path || !made.starts_with(path));
        let (kind, options) = (CString::new(kind)?, CString::new(options)?);
        let path = self.on_host(path)?;
        self.steps.push(Step::Fresh { kind, path, flags, options });
        Ok(())
    }

    fn rule(&mut self, path: &Path, access: Access, is_folder: bool) -> Result<(), Unusable> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        self.rules.push(Rule { path, access, is_folder });
        Ok(())
    }

    /// Where a path of the view is before the host's root is left.
    fn on_host(&self, path: &Path) -> Result<CString, Unusable> {
        let mut whole = self.root.as_os_str().as_bytes().to_vec();
        whole.extend(path.as_os_str().as_bytes());
        Ok(CString::new(whole)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder(data: &str) -> Builder {
        let system = System { folders: vec!["/usr".into()], ..System::default() };
        Builder::new(Path::new("/box"), &system, Path::new(data)).unwrap()
    }

    #[test]
    fn a_path_that_is_not_plain_is_refused() {
        for path in ["work", "/work/../etc", "/work\0"] {
            assert!(builder("/data").see(Path::new(path), Access::Read).is_err(), "{path}");
        }
    }

    #[test]
    fn the_folders_above_a_part_are_made_after_what_hides_them() {
        let mut builder = builder("/data");

        builder.see(Path::new("/tmp/data/1/none"), Access::Read).unwrap();

        let steps = builder.finish().unwrap().steps;
        let at = |wanted: &dyn Fn(&Step) -> bool| steps.iter().position(wanted).unwrap();
        let fresh =
            at(&|step| matches!(step, Step::Fresh { path, .. } if path.as_c_str() == c"/box/tmp"));
        let folder = at(&|step| *step == Step::Folder { path: c"/box/tmp/data/1".into() });
        let file = at(&|step| *step == Step::File { path: c"/box/tmp/data/1/none".into() });
        assert!(fresh < folder && folder < file);
    }

    #[test]
    fn data_inside_a_system_folder_is_hidden() {
        let hides = |builder: Builder| {
            let steps = builder.finish().unwrap().steps;
            steps.iter().any(|step| matches!(step, Step::Fresh { path, .. } if path.as_c_str() == c"/box/usr/data"))
        };

        assert!(hides(builder("/usr/data")));
        assert!(!hides(builder("/data")));
    }
}
