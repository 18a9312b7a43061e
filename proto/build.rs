//! Compiles the `.proto` files with protox, so that no protoc has to be installed.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names = [
        "job", "node", "agent", "artefact", "ledger", "policy", "fact", "executor", "finding",
        "progress",
    ];
    let files: Vec<String> = names.iter().map(|name| format!("repower/v1/{name}.proto")).collect();
    println!("cargo:rerun-if-changed=repower");
    let described = protox::compile(&files, ["."])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("repower.v1.bin"), prost::Message::encode_to_vec(&described))?;
    // Pieces of files are large and many: they are passed on as they have come, not copied.
    tonic_prost_build::configure()
        .bytes(".repower.v1.PutArtefactRequest.piece")
        .bytes(".repower.v1.ArtefactPiece.piece")
        .compile_fds(described)?;
    Ok(())
}
