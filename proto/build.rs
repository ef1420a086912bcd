//! Compiles the .proto files without an installed protoc.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let names = ["agent_link", "audit", "backups", "enrolment", "estate", "fleet", "rescue", "runs", "types"];
    let files: Vec<String> = names.iter().map(|name| format!("lifeboat/v1/{name}.proto")).collect();
    println!("cargo:rerun-if-changed=lifeboat");
    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("descriptors.bin");
    std::fs::write(out, protox::prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
