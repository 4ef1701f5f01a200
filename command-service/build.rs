//! Gives the fold a fingerprint: it changes with every file that says what an owner's state is, or how a snapshot holds it.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use sha2::{Digest as _, Sha256};

/// The facets' messages, the rules that fold them, and what a load keeps beside the state.
const SOURCES: [&str; 6] = [
    "../proto",
    "../domain/src",
    "src/event_store/loaded.rs",
    "src/event_store/commands.rs",
    "src/event_store/snapshot.rs",
    // What the filter holds.
    "../schema/src/command_hash.rs",
];
const FINGERPRINT_BYTES: usize = 16;

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        collect(Path::new(source), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let content = fs::read(&file)?;
        hash.update(file.to_string_lossy().as_bytes());
        hash.update(content.len().to_be_bytes());
        hash.update(content);
    }
    let fingerprint = &hash.finalize()[..FINGERPRINT_BYTES];
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("fingerprint.bin"), fingerprint)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() && !path.ends_with("tests") {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "proto") {
        files.push(path.to_owned());
    }
    Ok(())
}
