//! Compiles the first process of boxed tasks, a static program of a few hundred bytes that the agent
//! carries in itself: it has no standard library, so Cargo cannot build it as one more binary.

use std::env;
use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = "init/init.rs";

fn main() {
    println!("cargo:rerun-if-changed={SOURCE}");
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name: &str| env::var_os(name);
    let out = PathBuf::from(variable("OUT_DIR").expect("Cargo gives a folder")).join("init");
    let mut rustc = Command::new(variable("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc
        .args(["--edition", "2024", "--crate-type", "bin", "--crate-name", "init"])
        .args(["-C", "opt-level=s", "-C", "panic=abort", "-C", "strip=symbols"])
        .args(["-C", "relocation-model=static"])
        .args([
            "-C",
            "link-args=-nostartfiles -nostdlib -static -Wl,--build-id=none -Wl,-z,noseparate-code",
        ])
        .arg("--target")
        .arg(variable("TARGET").expect("Cargo gives a target"))
        .arg("-o")
        .arg(&out)
        .arg(SOURCE);
    if let Some(linker) = variable("RUSTC_LINKER") {
        let mut argument = std::ffi::OsString::from("linker=");
        argument.push(linker);
        rustc.arg("-C").arg(argument);
    }
    let status = rustc.status().expect("the compiler can be started");
    assert!(status.success(), "{SOURCE} does not compile: {status}");
}
