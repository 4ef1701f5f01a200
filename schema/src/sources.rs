//! The SQL files of this crate, as the build found them.

use crate::version::hash;

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

fn version(files: &[SqlFile]) -> String {
    hash(files.iter().flat_map(|file| [file.name, file.sql]))
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
}
