//! Gives each fold a fingerprint: it changes with the code that says what a commit makes of a read model's rows. Comments and
//! specs do not count, since a read model whose fingerprint changed is folded anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest as _, Sha256};

type Fault = Box<dyn std::error::Error>;

const FOLDS: &str = "src/projections";
/// What folds use besides: nothing of one another, or a change would go unnoticed.
const SHARED: [&str; 5] = [
    "../proto/src/upcast.rs",
    "../schema/src/command_hash.rs",
    "../schema/src/topic_key.rs",
    "src/open.rs",
    "src/projection.rs",
];

fn main() -> Result<(), Fault> {
    for source in SHARED.iter().chain(&[FOLDS]) {
        println!("cargo::rerun-if-changed={source}");
    }
    let mut code = "pub(crate) static FOLDS: &[(&str, &str)] = &[\n".to_owned();
    for file in entries(Path::new(FOLDS))?.iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs")) {
        let mut hash = Sha256::new();
        let beside = file.with_extension("");
        let own = if beside.is_dir() { entries(&beside)? } else { Vec::new() };
        for source in SHARED.iter().map(PathBuf::from).chain([file.clone()]).chain(own) {
            let code = code_of(&fs::read_to_string(&source)?);
            if source == *file && code.lines().any(|line| line.starts_with("use super::")) {
                return Err(format!("{} uses another projection", source.display()).into());
            }
            hash.update((code.len() as u64).to_be_bytes());
            hash.update(code);
        }
        let name = file.file_stem().and_then(|name| name.to_str()).ok_or("a name is not UTF-8")?;
        let digest = hash.finalize();
        let digest = u128::from_be_bytes(digest[..16].try_into()?);
        writeln!(code, "({name:?}, \"{digest:032x}\"),")?;
    }
    writeln!(code, "];")?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("folds.rs"), code)?;
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Fault>>()?;
    entries.sort();
    Ok(entries)
}

/// Its lines without indentation, up to the specs.
fn code_of(source: &str) -> String {
    let lines = source.lines().take_while(|line| *line != "#[cfg(test)]").map(str::trim);
    let code: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with("//")).collect();
    code.join("\n")
}
