//! All figures as one scrape sees them, each family with its name and its help.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;
use proto::subject::PARTITIONS;
use runtime::clock;

use super::ends::Ends;
use super::lane::Lane;
use super::table::Table;
use super::{Check, Numbers, lock};
use crate::projections;

const SECONDS: Option<&Unit> = Some(&Unit::Seconds);

#[derive(Debug)]
pub(super) struct Figures(pub(super) Arc<Numbers>);

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut scrape = Scrape { encoder, numbers: &self.0, lanes: self.0.held(), now: clock::now() };
        scrape.projections()?;
        scrape.lanes()?;
        scrape.sampler()?;
        scrape.errands()
    }
}

struct Scrape<'e, 'n> {
    encoder: DescriptorEncoder<'e>,
    numbers: &'n Numbers,
    lanes: Vec<Arc<Lane>>,
    now: DateTime<Utc>,
}

/// Each family is named without `keepsake_`, its unit and `_total`; it is told even when it has no series yet.
impl Scrape<'_, '_> {
    fn projections(&mut self) -> fmt::Result {
        let Numbers { positions, verified, parked, applied, findings, .. } = self.numbers;
        let (now, ends) = (self.now, lock(&self.numbers.ends));
        let help = "Position in the log up to which the projection is folded.";
        self.by_partition("projection_position", None, help, |_, projection, pp| positions.get(projection, pp))?;
        let help = "Positions from there to the end of the log.";
        self.by_partition("projection_lag_commits", None, help, |_, projection, pp| {
            Some(ends.head()?.saturating_sub(positions.get(projection, pp)?))
        })?;
        let help = "Age of the oldest commit that is not applied yet, at most; 0 when there is none.";
        self.by_partition("projection_lag", SECONDS, help, |lane, projection, pp| {
            lag_seconds(&ends, lane, positions.get(projection, pp)?, now)
        })?;
        let help = "Position up to which the rows were found to be what the log gives.";
        self.by_partition("projection_verified_position", None, help, |_, projection, pp| {
            verified.get(projection, pp)
        })?;
        let help = "Commits set aside, since they or an earlier one of the same guest could not be applied.";
        self.by_partition("projection_parked_commits", None, help, |_, projection, pp| parked.get(projection, pp))?;
        self.counts("projection_applied", "Commits applied by this process.", applied)?;
        self.counts("projection_findings", "Rows found that are not what the log gives.", findings)
    }

    fn lanes(&mut self) -> fmt::Result {
        let help = "Virtual partitions of this lane, which this process holds.";
        self.by_lane("lane_held", help, |lane| lane.place.partitions.len())?;
        self.by_lane("lane_epoch", "How often the lane was taken over.", |lane| lane.epoch)?;
        let help = "Commits applied in one transaction.";
        self.histograms("lane_batch_commits", None, help, |lane| &lane.batch_commits)?;
        let help = "Time from commits that were read to their rows committed.";
        self.histograms("lane_apply", SECONDS, help, |lane| &lane.apply_seconds)
    }

    fn sampler(&mut self) -> fmt::Result {
        let help = "Guests folded again and compared with their rows.";
        let mut family = self.encoder.encode_descriptor("sampler_checks", help, None, MetricType::Counter)?;
        for (result, checks) in Check::ALL.iter().zip(&self.numbers.checks) {
            let checks = ConstCounter::new(checks.load(Ordering::Relaxed));
            checks.encode(family.encode_family(&[("result", *result)])?)?;
        }
        Ok(())
    }

    fn errands(&mut self) -> fmt::Result {
        let (each, head) = (self.numbers.errands.each(), lock(&self.numbers.ends).head());
        let help = "Position in the log up to which an errand was done when this process had it last.";
        let mut family = self.encoder.encode_descriptor("errand_position", help, None, MetricType::Gauge)?;
        for (errand, told) in &each {
            let Some(position) = told.position else { continue };
            family.encode_family(&[("errand", errand.as_str())])?.encode_gauge(&position)?;
        }
        let help = "Positions from there to the end of the log.";
        let mut family = self.encoder.encode_descriptor("errand_lag_commits", help, None, MetricType::Gauge)?;
        for (errand, told) in &each {
            let Some(lag) = head.zip(told.position).map(|(head, position)| head.saturating_sub(position)) else {
                continue;
            };
            family.encode_family(&[("errand", errand.as_str())])?.encode_gauge(&lag)?;
        }
        let help = "Published events and commands of an errand that their stream keeps, sent by this process.";
        let mut family = self.encoder.encode_descriptor("errand_messages", help, None, MetricType::Counter)?;
        for (errand, told) in &each {
            ConstCounter::new(told.sent).encode(family.encode_family(&[("errand", errand.as_str())])?)?;
        }
        Ok(())
    }

    fn by_partition<N: EncodeGaugeValue>(
        &mut self,
        name: &str,
        unit: Option<&Unit>,
        help: &str,
        of: impl Fn(&Lane, usize, u32) -> Option<N>,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (projection, kind) in projections::ALL.iter().enumerate() {
            for lane in self.lanes.iter().filter(|lane| lane.place.projections.contains(&projection)) {
                for pp in lane.place.partitions.clone() {
                    let Some(number) = of(lane, projection, pp) else { continue };
                    let labels = [("projection", kind.name), ("pp", &format!("{pp:02}"))];
                    family.encode_family(&labels)?.encode_gauge(&number)?;
                }
            }
        }
        Ok(())
    }

    /// What a lane did stays told after it was lost: nobody may have looked since.
    fn counts(&mut self, name: &str, help: &str, counts: &Table) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (projection, kind) in projections::ALL.iter().enumerate() {
            for pp in 0..u32::from(PARTITIONS) {
                let count = counts.get(projection, pp).unwrap_or_default();
                let is_held = |lane: &Arc<Lane>| {
                    lane.place.partitions.contains(&pp) && lane.place.projections.contains(&projection)
                };
                if count == 0 && !self.lanes.iter().any(is_held) {
                    continue;
                }
                let labels = [("projection", kind.name), ("pp", &format!("{pp:02}"))];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn by_lane<N: EncodeGaugeValue>(&mut self, name: &str, help: &str, of: impl Fn(&Lane) -> N) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for lane in &self.lanes {
            family.encode_family(&lane.labels())?.encode_gauge(&of(lane))?;
        }
        Ok(())
    }

    fn histograms(
        &mut self,
        name: &str,
        unit: Option<&Unit>,
        help: &str,
        of: impl Fn(&Lane) -> &Histogram,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        for lane in &self.lanes {
            of(lane).encode(family.encode_family(&lane.labels())?)?;
        }
        Ok(())
    }
}

/// Nothing when neither the lane nor the log's end has told anything that helps.
fn lag_seconds(ends: &Ends, lane: &Lane, position: u64, now: DateTime<Utc>) -> Option<f64> {
    if position >= ends.head()? {
        return Some(0.0);
    }
    // Both are true, so the later one is nearer.
    let not_before = ends.not_before(position).max(lane.not_before())?;
    // Servers' clocks differ.
    Some((now - not_before).to_std().unwrap_or_default().as_secs_f64())
}
