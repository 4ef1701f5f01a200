//! Passwords and the key-encryption key: made once, at the first start, and readable by their owner alone.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use data_encoding::HEXLOWER;

const PASSWORD_BYTES: usize = 24;
const KEK_BYTES: usize = 32;

/// The password of this name: 48 hexadecimal digits, safe in any URL.
pub fn password(folder: &Path, name: &str) -> anyhow::Result<String> {
    let path = folder.join(format!("{name}.password"));
    if !path.exists() {
        write(&path, random::<PASSWORD_BYTES>()?.as_bytes())?;
    }
    fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
}

/// The file with the key-encryption key, 64 hexadecimal digits.
pub fn kek_file(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("kek");
    if !path.exists() {
        write(&path, random::<KEK_BYTES>()?.as_bytes())?;
    }
    Ok(path)
}

fn random<const BYTES: usize>() -> anyhow::Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).context("the operating system gives no random numbers")?;
    Ok(HEXLOWER.encode(&bytes))
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let message = || format!("{} cannot be written", path.display());
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(message)?;
    }
    let partial = path.with_added_extension("partial");
    let _leftover = fs::remove_file(&partial);
    let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(&partial).with_context(message)?;
    file.write_all(content).and_then(|()| file.sync_all()).with_context(message)?;
    fs::rename(&partial, path).with_context(message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = folder.path().join("secrets");
        let first = password(&secrets, "writer").unwrap();
        assert_eq!(first, password(&secrets, "writer").unwrap());
        assert_ne!(first, password(&secrets, "reader").unwrap());
        let kek = kek_file(&secrets).unwrap();
        assert_eq!(fs::read(&kek).unwrap().len(), 64);
        assert_eq!(kek.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
