//! The projections there are, one line each.

mod command_log;
mod identity;
mod interaction;
mod profile;
mod tenant;
mod timeline;
mod topic_summary;

use crate::projection::Kind;

pub(crate) const ALL: &[Kind] = &[
    Kind::of::<tenant::Tenant>(),
    Kind::of::<identity::Identity>(),
    Kind::of::<profile::Profile>(),
    Kind::of::<interaction::Interaction>(),
    Kind::of::<timeline::Timeline>(),
    Kind::of::<topic_summary::TopicSummary>(),
    Kind::of::<command_log::CommandLog>(),
];

/// Where the projection of that name stands in the list.
pub(crate) fn index_of(name: &str) -> Option<usize> {
    ALL.iter().position(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_read_model_has_its_projection() {
        let mut projections: Vec<_> = ALL.iter().map(|kind| kind.name).collect();
        projections.sort_unstable();
        assert_eq!(projections, schema::read_models().collect::<Vec<_>>());
    }
}
