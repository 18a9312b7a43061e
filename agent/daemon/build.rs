//! Compiles the first processes of boxed tasks and of containers, static programs of a page that the agent
//! carries in itself: they have no standard library, so Cargo cannot build them as more binaries.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=init/system.rs");
    for name in ["init", "front"] {
        compile(name);
    }
}

fn compile(name: &str) {
    let source = format!("init/{name}.rs");
    println!("cargo:rerun-if-changed={source}");
    let variable = |name: &str| env::var_os(name);
    let out = PathBuf::from(variable("OUT_DIR").expect("Cargo gives a folder")).join(name);
    let mut rustc = Command::new(variable("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc
        .args(["--edition", "2024", "--crate-type", "bin", "--crate-name", name, "--cfg", name])
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
        .arg(&source);
    if let Some(linker) = variable("RUSTC_LINKER") {
        let mut argument = std::ffi::OsString::from("linker=");
        argument.push(linker);
        rustc.arg("-C").arg(argument);
    }
    let status = rustc.status().expect("the compiler can be started");
    assert!(status.success(), "{source} does not compile: {status}");
}
