//! Finds the SQL beside this file, so that no list of it has to be kept: `checkpoint/` holds the append-only migrations, every
//! other folder with SQL in it is a read model.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

type Fault = Box<dyn std::error::Error>;

const MIGRATIONS: &str = "checkpoint";

fn main() -> Result<(), Fault> {
    println!("cargo:rerun-if-changed=.");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut code =
        format!("pub(crate) static MIGRATIONS: &[SqlFile] = &[{}];\n", sql_files(&root.join(MIGRATIONS))?.concat());
    writeln!(code, "pub(crate) static READ_MODELS: &[ReadModel] = &[")?;
    for folder in entries(&root)?.iter().filter(|path| path.is_dir() && !path.ends_with(MIGRATIONS)) {
        let files = sql_files(folder)?;
        if !files.is_empty() {
            writeln!(code, "ReadModel {{ name: {:?}, files: &[{}] }},", name(folder)?, files.concat())?;
        }
    }
    writeln!(code, "];")?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("sources.rs"), code)?;
    Ok(())
}

fn sql_files(folder: &Path) -> Result<Vec<String>, Fault> {
    let files = entries(folder)?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "sql"));
    let entry =
        |path: &Path| Ok(format!("SqlFile {{ name: {:?}, sql: include_str!({:?}) }},", name(path)?, text(path)?));
    files.map(|path| entry(&path)).collect()
}

/// In the order of their names: it is the order they are applied in.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Fault>>()?;
    entries.sort();
    Ok(entries)
}

fn name(path: &Path) -> Result<&str, Fault> {
    text(Path::new(path.file_name().ok_or("a path without a name")?))
}

fn text(path: &Path) -> Result<&str, Fault> {
    path.to_str().ok_or_else(|| "a name is not UTF-8".into())
}
