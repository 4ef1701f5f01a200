//! The SQL files of this crate, as the build found them.

use sha2::{Digest as _, Sha256};

include!(concat!(env!("OUT_DIR"), "/sources.rs"));

pub(crate) struct SqlFile {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

impl SqlFile {
    pub(crate) fn version(&self) -> String {
        version(std::slice::from_ref(self))
    }
}

/// A folder of SQL.
pub(crate) struct ReadModel {
    pub(crate) name: &'static str,
    pub(crate) files: &'static [SqlFile],
}

impl ReadModel {
    pub(crate) fn version(&self) -> String {
        version(self.files)
    }
}

/// Changes with any name, any byte, and the order of the files.
fn version(files: &[SqlFile]) -> String {
    let mut hash = Sha256::new();
    for text in files.iter().flat_map(|file| [file.name, file.sql]) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_with_sql_is_a_read_model() {
        let names: Vec<_> = READ_MODELS.iter().map(|model| model.name).collect();
        assert!(names.contains(&"profile") && names.contains(&"topic_summary"), "{names:?}");
        assert!(!names.contains(&"checkpoint") && !names.contains(&"src"), "{names:?}");
    }

    #[test]
    fn migrations_are_numbered_without_gaps() {
        for (index, file) in MIGRATIONS.iter().enumerate() {
            assert!(file.name.starts_with(&format!("{:04}_", index + 1)), "{}", file.name);
        }
    }

    #[test]
    fn any_change_makes_another_version() {
        let file = |name, sql| SqlFile { name, sql };
        let versions = [
            version(&[file("a", "bc")]),
            version(&[file("ab", "c")]),
            version(&[file("a", "bd")]),
            version(&[file("a", "b"), file("c", "")]),
        ];
        for (index, version) in versions.iter().enumerate() {
            assert!(!versions[..index].contains(version));
        }
    }
}
