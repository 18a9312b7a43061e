//! A look at the files of a host.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::{File, Number};

/// What every task with a GPU of NVIDIA needs besides: how all are asked, shared memory, and settings of the display.
const COMMON: [&str; 4] = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset"];

/// Where NVIDIA has a file for each right to a part of a card, open to those only whom the driver's settings name.
const RIGHTS: &str = "nvidia-caps";

/// The same for all cards of AMD.
const KFD: &str = "kfd";

/// The driver of AMD's cards.
const AMD: &str = "amdgpu";

/// By whose rules GPUs are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    Nvidia,
    /// AMD, or another that has render nodes.
    Amd,
}

/// The GPUs that a host had when it was looked at: one at least.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) maker: Maker,
    /// The files of each, by its number.
    pub(super) gpus: BTreeMap<u64, Vec<File>>,
    /// What each task with a GPU needs besides.
    pub(super) common: Vec<File>,
    /// What is given to nobody.
    pub(super) others: Vec<Number>,
    stamp: Stamp,
}

/// When the folders of devices have changed last.
type Stamp = [Option<(i64, i64)>; 3];

impl Found {
    /// `None`: there are no GPUs.
    pub(super) fn look(root: &Path) -> Option<Self> {
        let stamp = stamp(root);
        let (own, render) = (numbered(root, "", "nvidia"), numbered(root, "dri", "renderD"));
        let mut found = match (own.is_empty(), render.is_empty()) {
            (true, true) => return None,
            (false, _) => Self::of_nvidia(root, own, render),
            (true, false) => Self::of_amd(root, render),
        };
        // By which screens are driven.
        found.others.extend(numbered(root, "dri", "card").into_values().map(|file| file.number));
        Some(Self { stamp, ..found })
    }

    /// Whether no device file has come or gone since.
    pub(super) fn is_current(&self, root: &Path) -> bool {
        self.stamp == stamp(root)
    }

    fn of_nvidia(root: &Path, own: Files, mut render: Files) -> Self {
        let slots = slots_of_nvidia(root);
        let mut gpus: BTreeMap<u64, Vec<File>> =
            own.into_iter().map(|(number, file)| (number, vec![file])).collect();
        for (number, files) in &mut gpus {
            let Some(slot) = slots.get(number) else { continue };
            let is_its = |render: &u64| said(root, *render, "PCI_SLOT_NAME").as_ref() == Some(slot);
            files.extend(render.extract_if(.., |number, _| is_its(number)).map(|(_, file)| file));
        }
        let common = COMMON.iter().filter_map(|name| file(root, Path::new(name)));
        let rights = names(root, RIGHTS).into_iter();
        let rights = rights.filter_map(|name| file(root, &Path::new(RIGHTS).join(name)));
        let common = common.chain(rights.map(|file| File { is_guarded: true, ..file })).collect();
        let others = render.into_values().chain(file(root, Path::new(KFD)));
        let others = others.map(|file| file.number).collect();
        Self { maker: Maker::Nvidia, gpus, common, others, stamp: Stamp::default() }
    }

    fn of_amd(root: &Path, mut render: Files) -> Self {
        let is_amd = |number: &u64| said(root, *number, "DRIVER").is_some_and(|it| it == AMD);
        let has_amd = render.keys().any(is_amd);
        let others = render.extract_if(.., |number, _| has_amd && !is_amd(number));
        let others = others.map(|(_, file)| file.number).collect();
        let gpus = (0..).zip(render.into_values().map(|file| vec![file])).collect();
        let common = file(root, Path::new(KFD)).into_iter().collect();
        Self { maker: Maker::Amd, gpus, common, others, stamp: Stamp::default() }
    }
}

/// Device files of one kind, by their numbers.
type Files = BTreeMap<u64, File>;

/// The names in a folder of `dev`.
fn names(root: &Path, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root.join("dev").join(folder)).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The device files in a folder of `dev` whose names are this word and a number.
fn numbered(root: &Path, folder: &str, word: &str) -> Files {
    let found = names(root, folder).into_iter().filter_map(|name| {
        let number = name.strip_prefix(word)?;
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| is_plain)?;
        Some((number, file(root, &Path::new(folder).join(&name))?))
    });
    found.collect()
}

/// A device file, by its path below `dev`; `None`: there is none.
fn file(root: &Path, below: &Path) -> Option<File> {
    let path = root.join("dev").join(below);
    // Links are not followed: what is elsewhere has another name here.
    let metadata = fs::symlink_metadata(&path).ok()?;
    if !metadata.file_type().is_char_device() {
        return None;
    }
    let device = metadata.rdev();
    Some(File {
        path,
        shown: Path::new("/dev").join(below),
        number: Number { major: rustix::fs::major(device), minor: rustix::fs::minor(device) },
        is_guarded: false,
        mode: metadata.permissions().mode(),
        gid: metadata.gid(),
    })
}

/// Where in the machine the cards of NVIDIA are, by their numbers, as their driver says it.
fn slots_of_nvidia(root: &Path) -> BTreeMap<u64, String> {
    let folder = root.join("proc/driver/nvidia/gpus");
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let text = fs::read_to_string(entry.path().join("information")).ok()?;
        let number = text.lines().find_map(|line| line.strip_prefix("Device Minor:"))?;
        Some((number.trim().parse().ok()?, entry.file_name().into_string().ok()?))
    });
    found.collect()
}

/// What the kernel says of the device behind a render node, by a word.
fn said(root: &Path, render: u64, word: &str) -> Option<String> {
    let path = root.join(format!("sys/class/drm/renderD{render}/device/uevent"));
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    lines.find(|(name, _)| *name == word).map(|(_, value)| value.to_owned())
}

fn stamp(root: &Path) -> Stamp {
    ["dev", "dev/dri", "dev/nvidia-caps"].map(|folder| {
        let metadata = fs::metadata(root.join(folder)).ok()?;
        Some((metadata.mtime(), metadata.mtime_nsec()))
    })
}
