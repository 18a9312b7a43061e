//! Landlock: files that a task may touch, held by the kernel whatever is mounted and whoever it is.
//!
//! The rules are made in the box, just before the task starts, because some of the folders that they
//! name exist only there. What is not named is denied.

use std::ffi::{CStr, CString};

use super::raw::{self, Errno};

/// What may be done with files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// List a folder and those in it, but open none of their files.
    List,
    /// Read and execute.
    Read,
    /// Read, execute, and change what is in files, but make and remove none.
    Use,
    /// All of it but device files.
    Change,
}

/// One rule: what may be done at a path and below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) path: CString,
    pub(crate) access: Access,
    pub(crate) is_folder: bool,
}

/// The version of Landlock that this host has, and so what can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Landlock {
    version: usize,
}

mod bit {
    pub(super) const EXECUTE: u64 = 1;
    pub(super) const WRITE_FILE: u64 = 1 << 1;
    pub(super) const READ_FILE: u64 = 1 << 2;
    pub(super) const READ_DIR: u64 = 1 << 3;
    pub(super) const MAKE_CHAR: u64 = 1 << 6;
    pub(super) const MAKE_BLOCK: u64 = 1 << 11;
    pub(super) const TRUNCATE: u64 = 1 << 14;
    pub(super) const IOCTL_DEVICE: u64 = 1 << 15;
    /// What a rule about a single file may name.
    pub(super) const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE;
    /// Connections to sockets without a name in the file system, and signals, to processes outside.
    pub(super) const SCOPES: u64 = 3;
}

impl Landlock {
    /// What this host has; `None` if it has none or it is not switched on.
    pub(crate) fn detect() -> Option<Self> {
        raw::landlock_version().ok().filter(|version| *version > 0).map(|version| Self { version })
    }

    /// Whether it also holds what goes to processes outside by signals and by sockets without a path.
    pub(crate) const fn has_scopes(self) -> bool {
        self.version >= 6
    }

    /// Everything that this version can hold about files.
    const fn handled(self) -> u64 {
        let bits = match self.version {
            0 | 1 => 13,
            2 => 14,
            3 | 4 => 15,
            _ => 16,
        };
        (1 << bits) - 1
    }

    const fn bits(self, rule: &Rule) -> u64 {
        let read = bit::EXECUTE | bit::READ_FILE | bit::READ_DIR;
        let wanted = match rule.access {
            Access::List => bit::READ_DIR,
            Access::Read => read,
            Access::Use => read | bit::WRITE_FILE | bit::TRUNCATE | bit::IOCTL_DEVICE,
            Access::Change => !(bit::MAKE_CHAR | bit::MAKE_BLOCK),
        };
        let wanted = if rule.is_folder { wanted } else { wanted & bit::OF_FILES };
        wanted & self.handled()
    }

    /// A descriptor of these rules. Makes system calls only.
    pub(super) fn rules(self, rules: &[Rule]) -> Result<i32, Errno> {
        let scopes = if self.has_scopes() { bit::SCOPES } else { 0 };
        let attributes = [self.handled(), 0, scopes];
        let size = match self.version {
            0..=3 => 8,
            4 | 5 => 16,
            _ => 24,
        };
        let set = raw::landlock_create(&attributes, size)?;
        for rule in rules {
            let allowed = self.allow(set, rule);
            if let Err(errno) = allowed {
                raw::close(set);
                return Err(errno);
            }
        }
        Ok(set)
    }

    fn allow(self, set: i32, rule: &Rule) -> Result<(), Errno> {
        let path: &CStr = &rule.path;
        let parent = raw::open(path, libc::O_PATH)?;
        let allowed = raw::landlock_allow(set, self.bits(rule), parent);
        raw::close(parent);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_only_what_the_kernel_knows_and_what_fits_a_file() {
        let rule = |access, is_folder| Rule { path: c"/".into(), access, is_folder };
        let old = Landlock { version: 1 };
        let new = Landlock { version: 7 };

        assert_eq!(old.bits(&rule(Access::Change, true)) & !old.handled(), 0);
        assert_eq!(new.bits(&rule(Access::Use, false)) & !bit::OF_FILES, 0);
        assert_eq!(new.bits(&rule(Access::Change, true)) & bit::MAKE_BLOCK, 0);
        assert_eq!(new.bits(&rule(Access::Read, true)) & bit::WRITE_FILE, 0);
        assert_eq!(new.handled(), 0xFFFF);
        assert_eq!(old.handled(), 0x1FFF);
    }
}
