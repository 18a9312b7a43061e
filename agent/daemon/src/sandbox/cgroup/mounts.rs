//! Where the hierarchies of control groups are mounted, and where in them this process is.

use std::path::{Path, PathBuf};

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// Where it is mounted.
    pub(super) mount: PathBuf,
    /// Where this process is in it, at or below the mount.
    pub(super) own: PathBuf,
}

/// What `/proc` says about control groups.
#[derive(Debug, Clone)]
pub(super) struct Mounts {
    mountinfo: String,
    cgroup: String,
}

impl Mounts {
    /// Of this process.
    pub(super) fn look() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self { mountinfo: read("/proc/self/mountinfo"), cgroup: read("/proc/self/cgroup") }
    }

    /// The hierarchy of a controller of version 1.
    pub(super) fn v1(&self, controller: &str) -> Option<Hierarchy> {
        let own = self.cgroup.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, names, path) = (parts.next()?, parts.next()?, parts.next()?);
            names.split(',').any(|name| name == controller).then_some(path)
        })?;
        let has = |options: &str| options.split(',').any(|option| option == controller);
        self.find(own, |kind, options| kind == "cgroup" && has(options))
    }

    /// The one hierarchy of version 2.
    pub(super) fn v2(&self) -> Option<Hierarchy> {
        let own = self.cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
        self.find(own, |kind, _| kind == "cgroup2")
    }

    /// The groups of another process that are not this one's.
    pub(super) fn beside(pid: i32) -> Vec<PathBuf> {
        let own = Self::look();
        let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let other = Self { cgroup, mountinfo: own.mountinfo.clone() };
        let controllers = other.cgroup.lines().filter_map(|line| line.split(':').nth(1));
        let first = |names: &str| names.split(',').next().unwrap_or_default().to_owned();
        let found = controllers.filter_map(|names| {
            let look = |mounts: &Self| match first(names).as_str() {
                "" => mounts.v2(),
                name => mounts.v1(name),
            };
            let theirs = look(&other)?;
            (look(&own).as_ref() != Some(&theirs)).then_some(theirs.own)
        });
        found.collect()
    }

    /// The same, as if this process were at the top of every hierarchy.
    pub(super) fn at_the_top(self) -> Self {
        let top = |line: &str| {
            let mut parts = line.splitn(3, ':');
            Some(format!("{}:{}:/\n", parts.next()?, parts.next()?))
        };
        let cgroup = self.cgroup.lines().filter_map(top).collect();
        Self { cgroup, ..self }
    }

    /// Where every hierarchy, of whatever version, is mounted.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        let mount = |line: &str| {
            let (mounted, system) = line.split_once(" - ")?;
            let is_one = matches!(system.split(' ').next()?, "cgroup" | "cgroup2");
            let mount = mounted.split(' ').nth(4)?;
            is_one.then(|| PathBuf::from(mount))
        };
        self.mountinfo.lines().filter_map(mount).collect()
    }

    /// The first mount of which the kind and the options of the whole file system are right.
    fn find(&self, own: &str, is_right: impl Fn(&str, &str) -> bool) -> Option<Hierarchy> {
        self.mountinfo.lines().find_map(|line| {
            let (mounted, system) = line.split_once(" - ")?;
            let mut system = system.split(' ');
            let (kind, options) = (system.next()?, system.nth(1)?);
            if !is_right(kind, options) {
                return None;
            }
            let mut mounted = mounted.split(' ').skip(3);
            let (root, mount) = (mounted.next()?, Path::new(mounted.next()?));
            // In a container, what is mounted may be a part of the hierarchy only.
            let below = own.strip_prefix(root.trim_end_matches('/')).unwrap_or("/");
            let own = mount.join(below.trim_start_matches('/'));
            Some(Hierarchy { mount: mount.into(), own })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 24 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 /docker/abc /sys/fs/cgroup/memory rw,nosuid shared:3 - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw";

    fn mounts() -> Mounts {
        let cgroup = "4:memory:/docker/abc/agent\n3:cpu,cpuacct:/\n0::/system.slice/x.service\n";
        Mounts { mountinfo: HYBRID.into(), cgroup: cgroup.into() }
    }

    #[test]
    fn a_controller_is_found_where_it_is_mounted_with_others() {
        let found = mounts().v1("cpuacct").unwrap();

        assert_eq!(found.mount, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(found.own, found.mount.join(""));
        assert_eq!(mounts().v1("pids"), None);
    }

    #[test]
    fn all_hierarchies_are_listed_and_nothing_else() {
        let all: Vec<_> = mounts().all();

        assert_eq!(all.len(), 3);
        assert!(!all.contains(&PathBuf::from("/sys/fs/cgroup")));
    }

    #[test]
    fn a_mounted_part_of_a_hierarchy_is_not_looked_for_twice_in_itself() {
        let found = mounts().v1("memory").unwrap();

        assert_eq!(found.own, Path::new("/sys/fs/cgroup/memory/agent"));
    }

    #[test]
    fn version_2_is_found_beside_version_1() {
        let found = mounts().v2().unwrap();

        assert_eq!(found.own, Path::new("/sys/fs/cgroup/unified/system.slice/x.service"));
    }
}
