//! `projection.growth` and `projection.growth.all`: whether folding slows down as guests become more.

use anyhow::ensure;

use super::Spec;
use crate::bench::{Bench, ROUNDS, conditions_of_folding};
use crate::deed::Active;
use crate::field::OWNERS;
use crate::folding::{Folding, OURS};
use crate::row::{Rounds, Row};
use crate::span::WARM_UP;

/// Commits of each round.
const FRESH: usize = 100_000;
const FEW: usize = OWNERS;

/// Who does something.
#[derive(Clone, Copy)]
pub(crate) enum Doing {
    /// As many guests among many as among few.
    AsMany,
    /// Everybody, which among many is hardly anybody twice.
    Everybody,
}

pub(super) async fn measure(bench: &Bench, spec: &Spec, doing: Doing) -> anyhow::Result<Row> {
    let many = bench.guests;
    ensure!(many > FEW, "{} compares {FEW} guests with more, not with {many}", spec.name);
    let (active, who) = match doing {
        Doing::AsMany => (Active::some(FEW, many), format!("of {FEW} guests spread over {many}")),
        Doing::Everybody => (Active::everybody(many), format!("scattered over {many} guests")),
    };
    let mut town = Town::settle(bench, many, active).await?;
    let mut village = Town::settle(bench, FEW, Active::everybody(FEW)).await?;
    let mut rounds = Rounds::default();
    for number in 1..=ROUNDS {
        for (place, rates) in [(&mut town, &mut rounds.ours), (&mut village, &mut rounds.limit)] {
            let label = format!("{} {number}/{ROUNDS} {} guests", spec.name, place.guests);
            rates.push(place.rate(bench, number, &label).await?);
        }
    }
    let what = format!(
        "{FRESH} fresh commits of recorded interactions {who}, folded by a worker process that has just \
         started, counted from the first look past {WARM_UP} of them; limit = the same with {FEW} guests there"
    );
    Ok(Row::new(spec.name, "commits/s", &rounds, conditions_of_folding(ROUNDS, &what)))
}

/// A site with so many guests, each registered over the same door as anybody.
struct Town {
    folding: Folding,
    guests: usize,
    active: Active,
}

impl Town {
    async fn settle(bench: &Bench, guests: usize, active: Active) -> anyhow::Result<Self> {
        let mut folding = Folding::start().await?;
        folding.register(guests, &bench.progress).await?;
        folding.catch_up(&bench.progress).await?;
        Ok(Self { folding, guests, active })
    }

    /// Commits per second of a new worker over what was recorded while nobody folded.
    async fn rate(&mut self, bench: &Bench, number: usize, label: &str) -> anyhow::Result<f64> {
        self.folding.record((number - 1) * FRESH..number * FRESH, self.active, &bench.progress).await?;
        bench.progress.measuring(label);
        let before = self.folding.applied().await?;
        let rate = self.folding.rate_to(before + FRESH as u64).await?;
        self.folding.check(OURS, number * FRESH).await?;
        bench.progress.measured(&format!("{label}: {rate:.0}/s"));
        Ok(rate)
    }
}
