//! The projections there are, one line each.

mod command_log;
mod identity;
mod interaction;
mod profile;
mod tenant;
mod timeline;
mod topic_summary;

use std::sync::LazyLock;

use schema::Version;

use crate::projection::Kind;

include!(concat!(env!("OUT_DIR"), "/folds.rs"));

pub(crate) const ALL: &[Kind] = &[
    Kind::of::<tenant::Tenant>(),
    Kind::of::<identity::Identity>(),
    Kind::of::<profile::Profile>(),
    Kind::of::<interaction::Interaction>(),
    Kind::of::<timeline::Timeline>(),
    Kind::of::<topic_summary::TopicSummary>(),
    Kind::of::<command_log::CommandLog>(),
];

/// What each of them makes, in the order of the list: a generation of the same version may be folded into.
pub(crate) static VERSIONS: LazyLock<Vec<Version>> = LazyLock::new(|| {
    let fold = |name: &str| FOLDS.iter().find(|(of, _)| *of == name).map_or("", |(_, fold)| *fold);
    ALL.iter().map(|kind| Version::of(kind.name, fold(kind.name))).collect()
});

/// Where the projection of that name stands in the list.
pub(crate) fn index_of(name: &str) -> Option<usize> {
    ALL.iter().position(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::{ALL, FOLDS, VERSIONS};

    #[test]
    fn every_read_model_has_its_projection() {
        let mut projections: Vec<_> = ALL.iter().map(|kind| kind.name).collect();
        projections.sort_unstable();
        assert_eq!(projections, schema::read_models().collect::<Vec<_>>());
    }

    #[test]
    fn every_fold_has_a_fingerprint_of_its_own() {
        assert!(ALL.iter().all(|kind| FOLDS.iter().any(|(name, _)| *name == kind.name)));
        for (index, version) in VERSIONS.iter().enumerate() {
            assert!(VERSIONS[..index].iter().all(|other| other.fingerprint != version.fingerprint));
        }
    }
}
