//! `projection.rebuild` and its kin: read models made anew from the whole log, all on one site whose log is filled once.

mod history;
mod lanes;
mod live;
mod poisoned;
mod proof_cost;
mod rebuild;

use super::{Kind, Spec};
use crate::bench::{Bench, ROUNDS};
use history::History;

#[derive(Clone, Copy)]
pub(crate) enum Anew {
    Rebuild,
    /// Two, beside one.
    Lanes,
    ProofCost,
    Poisoned,
    /// What readers notice of it.
    Live,
}

impl Anew {
    pub(super) fn measurements(self) -> usize {
        match self {
            Self::Rebuild => ROUNDS * 3,
            Self::Lanes => ROUNDS * 2,
            Self::ProofCost => proof_cost::PAIRS * 2,
            Self::Poisoned => poisoned::PAIRS * 2,
            Self::Live => live::PAIRS * 2,
        }
    }
}

/// Measures those of the wanted rows that are of this kind.
pub(super) async fn measure(bench: &mut Bench, wanted: &[&Spec]) -> anyhow::Result<()> {
    let mut told = None;
    for spec in wanted {
        let Kind::Anew(anew) = spec.kind else { continue };
        let mut history = match told.take() {
            Some(history) => history,
            None => History::tell(bench).await?,
        };
        let row = match anew {
            Anew::Rebuild => rebuild::measure(bench, &mut history, spec).await?,
            Anew::Lanes => lanes::measure(bench, &mut history, spec).await?,
            Anew::ProofCost => proof_cost::measure(bench, &mut history, spec).await?,
            Anew::Poisoned => poisoned::measure(bench, &mut history, spec).await?,
            Anew::Live => live::measure(bench, &mut history, spec).await?,
        };
        bench.finish(row.held_to(spec.must))?;
        told = Some(history);
    }
    Ok(())
}
