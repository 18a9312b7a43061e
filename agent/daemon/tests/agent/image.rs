//! An image made of one static program, for Podman.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// An image of its own, which is removed when this is dropped.
pub(crate) struct Image {
    tag: String,
    /// By its digest.
    pub(crate) name: String,
    /// By its id.
    pub(crate) id: String,
}

impl Image {
    /// One that has a shell and little else, and that would start something else as somebody else if it were asked.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("bin")).unwrap();
        let shell = Path::new("/bin/busybox");
        assert!(shell.exists(), "the tests of containers need busybox-static");
        std::fs::copy(shell, root.join("bin/busybox")).unwrap();
        for applet in ["sh", "cat", "id", "sleep", "env", "true", "sha256sum", "head", "ls", "grep"]
        {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        std::fs::write(root.join("not-executable"), "#!/bin/sh\n").unwrap();
        let archive = folder.path().join("root.tar");
        run(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg("."));
        let unique = folder.path().file_name().unwrap().to_string_lossy().to_lowercase();
        let name = format!("localhost/repower-test-{}", unique.replace(['.', '_'], ""));
        let tag = format!("{name}:1");
        let mut import = Command::new("podman");
        import.arg("import");
        for change in [
            "ENTRYPOINT [\"/bin/false\"]",
            "CMD [\"nothing\"]",
            "USER 4321",
            "WORKDIR /nowhere",
            "ENV PATH=/image/bin:/bin",
            "ENV ONE=image",
            "ENV TWO=image",
        ] {
            import.args(["--change", change]);
        }
        run(import.arg(&archive).arg(&tag));
        let about = run(Command::new("podman").args([
            "image",
            "inspect",
            "--format",
            "{{.Digest}} {{.Id}}",
            &tag,
        ]));
        let about = String::from_utf8(about.stdout).unwrap();
        let (digest, id) = about.trim().split_once(' ').unwrap();
        Self { name: format!("{name}@{digest}"), id: format!("sha256:{id}"), tag }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // A container that a failed test has left would keep it.
        run(Command::new("podman").args(["image", "rm", "--force", &self.tag]));
    }
}

/// Runs a command that succeeds.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
