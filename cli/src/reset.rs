//! `keepsake reset`: stops, and forgets everything but what was fetched.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::servers::outside_path;
use crate::stop;
use crate::up::RunFolder;

/// Fetched servers and tools cost minutes to get again and hold no data.
const FETCHED: [&str; 3] = ["servers", "tools", "shared"];

/// Stop, and delete all data of this folder
#[derive(clap::Args, Clone, Debug)]
pub struct ResetArgs {
    /// The folder `up` runs in
    #[arg(long, env = "KEEPSAKE_RUN_DIR", default_value = ".run")]
    pub run_dir: PathBuf,
    /// Delete fetched servers and tools too
    #[arg(long)]
    pub all: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

pub async fn run(args: ResetArgs) -> anyhow::Result<()> {
    let Some(folder) = RunFolder::existing(&args.run_dir) else {
        anstream::println!("there is nothing to delete here");
        return Ok(());
    };
    anyhow::ensure!(
        folder.is_of_up(),
        "{} is no folder that `keepsake up` made: nothing was deleted",
        folder.path().display()
    );
    if !args.yes && !confirmed(folder.path())? {
        anstream::println!("nothing was deleted");
        return Ok(());
    }
    stop::stop(&folder).await?;
    // What lies outside is named after the folder, so it goes first.
    let outside = [folder.path().to_owned(), folder.servers()].map(|place| outside_path(&place).ok());
    for place in outside.into_iter().flatten().chain([folder.path().to_owned()]) {
        clear(&place, args.all)?;
    }
    anstream::println!("all data of {} is deleted", folder.path().display());
    Ok(())
}

/// Only a person at a terminal is asked; a script has said what it wants.
fn confirmed(folder: &Path) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(true);
    }
    anstream::print!("delete all data of {}? [y/N] ", folder.display());
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn clear(place: &Path, all: bool) -> anyhow::Result<()> {
    // Not through a link: in /var/tmp anybody could have put one there.
    if !fs::symlink_metadata(place).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    let Ok(entries) = fs::read_dir(place) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let is_fetched = FETCHED.iter().any(|name| entry.file_name() == *name);
        if all || !is_fetched {
            let path = entry.path();
            let removed = if entry.file_type()?.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| format!("{} cannot be deleted", path.display()))?;
        }
    }
    // What was kept keeps the folder too.
    let _not_empty = fs::remove_dir(place);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fetched_things_survive() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join(".run");
        for name in ["servers", "secrets", "nats"] {
            fs::create_dir_all(run.join(name)).unwrap();
        }
        fs::write(run.join("id"), "1").unwrap();
        clear(&run, false).unwrap();
        let left: Vec<_> = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["servers"]);
        clear(&run, true).unwrap();
        assert!(!run.exists());
    }
}
