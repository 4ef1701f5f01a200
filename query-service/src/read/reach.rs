//! What a read depends on: read models, and of each the partitions whose rows it may show.

use std::collections::BTreeSet;

use proto::subject::{LogSubject, Owner, PARTITIONS};
use runtime::tenant::Tenant;
use vault::audit::Act;

use super::{Models, Snapshot};
use crate::error::Fault;
use crate::position::Position;

/// The read models a read uses, and whose part of them.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub(super) models: Models,
    /// Sorted.
    pub(super) partitions: Vec<i16>,
    /// Whom the read is about; empty, which is no guest, when it is about everybody.
    pub(super) guest_id: String,
    /// What whoever reads does by it, when it is personal data.
    pub(super) act: Option<&'static Act>,
}

impl Reach {
    /// One guest's part, which is read by `act`, and that of the tenant itself. An id that is none of ours has no rows to be waited for. Whom the guest
    /// was merged with, only the rows tell: see [`Reach::widen`].
    pub(crate) fn guest(models: Models, act: &'static Act, tenant: &Tenant, guest_id: &str) -> Self {
        let owners = [Some(Owner::tenant()), Owner::parse_guest(guest_id)];
        let partition = |owner| i16::from(LogSubject::new(tenant.clone(), owner).partition());
        let partitions: BTreeSet<_> = owners.into_iter().flatten().map(partition).collect();
        let (partitions, guest_id) = (partitions.into_iter().collect(), guest_id.to_owned());
        Self { models, partitions, guest_id, act: Some(act) }
    }

    /// The same, of which it is put on record by other means what is shown.
    pub(crate) fn unrecorded(self) -> Self {
        Self { act: None, ..self }
    }

    /// Everybody's.
    pub(crate) fn everybody(models: Models) -> Self {
        Self { models, partitions: (0..i16::from(PARTITIONS)).collect(), guest_id: String::new(), act: None }
    }

    /// A guest's rows are only as far as what of it is not parked. What is about everybody goes on without those who are.
    pub(super) fn unless_parked<const N: usize>(
        &self,
        mut snapshot: Snapshot<N>,
        at_least: Position,
    ) -> Result<Snapshot<N>, Fault> {
        if let Some(from) = snapshot.parked_from.filter(|_| !self.guest_id.is_empty()) {
            snapshot.as_of = snapshot.as_of.min(from.before());
            if snapshot.as_of < at_least {
                return Err(Fault::GuestParked(from));
            }
        }
        Ok(snapshot)
    }

    /// Takes the partitions in, too; false when they were in it all along.
    pub(crate) fn widen(&mut self, partitions: &[i16]) -> bool {
        let known = self.partitions.len();
        self.partitions =
            self.partitions.iter().chain(partitions).copied().collect::<BTreeSet<_>>().into_iter().collect();
        self.partitions.len() > known
    }
}

/// How far a range of partitions of one read model is.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    pub(crate) model: String,
    pub(crate) first_pp: i16,
    pub(crate) last_pp: i16,
    pub(crate) position: Position,
}

/// How far every read model is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(pub(crate) Vec<Stretch>);

impl Progress {
    /// How far the slowest part in reach is; a part that nobody knows of has folded nothing.
    pub(crate) fn reached(&self, reach: &Reach) -> Position {
        let parts = reach.models.iter().flat_map(|model| reach.partitions.iter().map(move |pp| (*model, *pp)));
        parts.map(|(model, pp)| self.position(model, pp)).min().unwrap_or_default()
    }

    fn position(&self, model: &str, pp: i16) -> Position {
        let covers = |part: &&Stretch| part.model == model && (part.first_pp..=part.last_pp).contains(&pp);
        self.0.iter().find(covers).map_or(Position::default(), |part| part.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &Act = &Act::new("profile.read");

    fn stretch(model: &str, first_pp: i16, last_pp: i16, position: i64) -> Stretch {
        Stretch { model: model.to_owned(), first_pp, last_pp, position: Position(position) }
    }

    #[test]
    fn a_read_is_as_far_as_its_slowest_part() {
        let progress =
            Progress(vec![stretch("identity", 0, 63, 7), stretch("profile", 0, 31, 5), stretch("profile", 32, 63, 9)]);
        let reach = |models, partitions| Reach { models, partitions, guest_id: String::new(), act: None };
        assert_eq!(progress.reached(&reach(&["identity", "profile"], vec![3])), Position(5));
        assert_eq!(progress.reached(&reach(&["identity", "profile"], vec![40])), Position(7));
        assert_eq!(progress.reached(&reach(&["profile"], vec![40, 3])), Position(5));
        assert_eq!(progress.reached(&reach(&["identity", "interaction"], vec![3])), Position(0));
    }

    #[test]
    fn everybody_is_in_all_partitions_and_a_guest_in_its_own_and_its_tenants() {
        let tenant: Tenant = "demo".parse().expect("a token");
        assert_eq!(Reach::everybody(&["profile"]).partitions.len(), 64);
        let reach = |guest: &str| Reach::guest(&["profile"], READ, &tenant, guest).partitions;
        assert_eq!(reach(Owner::guest(1).as_str()).len(), 2);
        assert_eq!(reach("").len(), 1);
        let tenants_own = reach("");
        let beside = (0..).map(Owner::guest).map(|guest| reach(guest.as_str()));
        assert!(
            beside.take(2_000).any(|partitions| partitions == tenants_own),
            "a guest beside its tenant counts once"
        );
    }

    #[test]
    fn a_reach_is_wider_only_by_what_was_not_in_it() {
        let mut reach = Reach { models: &["profile"], partitions: vec![3, 40], guest_id: String::new(), act: None };
        assert!(!reach.widen(&[40, 3]));
        assert!(reach.widen(&[40, 7]));
        assert_eq!(reach.partitions, [3, 7, 40]);
    }
}
