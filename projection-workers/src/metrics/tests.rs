use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use runtime::clock;

use super::{Check, Metrics};
use crate::lane::Lane;
use crate::projections;

const TENANT: usize = 0;
const IDENTITY: usize = 1;

struct Scraped(BTreeMap<String, f64>);

impl Scraped {
    /// The series of one partition and the first projection.
    fn of(&self, name: &str, pp: &str) -> Option<f64> {
        self.at(&format!(r#"{name}{{projection="{}",pp="{pp}"}}"#, projections::ALL[TENANT].name))
    }

    fn at(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }
}

fn registered() -> (Registry, Metrics) {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    (registry, metrics)
}

fn scrape(registry: &Registry) -> Scraped {
    let mut text = String::new();
    text::encode(&mut text, registry).expect("encodes");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.map(|line| line.rsplit_once(' ').expect("a series and its value"));
    Scraped(samples.map(|(series, value)| (series.to_owned(), value.parse().expect("a number"))).collect())
}

#[test]
fn a_lane_tells_what_it_was_told_and_its_lag() {
    let (registry, metrics) = registered();
    metrics.log_ends(100, clock::now());
    let lane =
        metrics.lane(Lane { track: 1, first_pp: 0, last_pp: 15, epoch: 7 }, (0..projections::ALL.len()).collect());
    lane.position(TENANT, 3, 60);
    lane.position(TENANT, 15, 100);
    lane.applied(TENANT, 3, 5);
    lane.parked(TENANT, 3, 2);
    metrics.verified(TENANT, 3, 55);
    for check in [Check::Equal, Check::Different, Check::Different, Check::Undecided] {
        metrics.checked(check);
    }
    lane.flushed(5, Duration::from_millis(20), clock::now() - TimeDelta::minutes(10));

    let scraped = scrape(&registry);
    let expected = [("position", 60.0), ("lag_commits", 40.0), ("parked_commits", 2.0), ("verified_position", 55.0)];
    for (name, number) in expected {
        assert_eq!(scraped.of(&format!("projection_{name}"), "03"), Some(number), "{name}");
    }
    assert_eq!(scraped.of("projection_applied_total", "03"), Some(5.0));
    assert_eq!(scraped.of("projection_findings_total", "03"), Some(0.0), "told before there is one");
    assert_eq!(scraped.of("projection_position", "04"), None, "nobody has told it");
    let lag = scraped.of("projection_lag_seconds", "03").expect("it is behind");
    assert!((600.0..660.0).contains(&lag), "as old as what came before it at most: {lag}");
    assert_eq!(scraped.of("projection_lag_seconds", "15"), Some(0.0));
    assert_eq!(scraped.of("projection_lag_commits", "15"), Some(0.0));
    assert_eq!(scraped.at(r#"lane_held{lane="00-15",track="1"}"#), Some(16.0));
    assert_eq!(scraped.at(r#"lane_epoch{lane="00-15",track="1"}"#), Some(7.0));
    assert_eq!(scraped.at(r#"lane_batch_commits_bucket{le="4.0",lane="00-15",track="1"}"#), Some(0.0));
    assert_eq!(scraped.at(r#"lane_batch_commits_bucket{le="8.0",lane="00-15",track="1"}"#), Some(1.0));
    assert_eq!(scraped.at(r#"lane_batch_commits_bucket{le="8192.0",lane="00-15",track="1"}"#), Some(1.0));
    assert_eq!(scraped.at(r#"lane_apply_seconds_sum{lane="00-15",track="1"}"#), Some(0.02));
    assert_eq!(scraped.at(r#"sampler_checks_total{result="different"}"#), Some(2.0));
    assert_eq!(scraped.at(r#"sampler_checks_total{result="undecided"}"#), Some(1.0));
}

#[test]
fn what_is_behind_is_no_older_than_the_last_look_that_did_not_show_it() {
    let (registry, metrics) = registered();
    let lane =
        metrics.lane(Lane { track: 1, first_pp: 0, last_pp: 63, epoch: 1 }, (0..projections::ALL.len()).collect());
    lane.position(TENANT, 0, 10);
    lane.flushed(1, Duration::ZERO, clock::now() - TimeDelta::hours(1));
    metrics.log_ends(10, clock::now() - TimeDelta::seconds(30));
    assert_eq!(scrape(&registry).of("projection_lag_seconds", "00"), Some(0.0));
    metrics.log_ends(11, clock::now());
    let lag = scrape(&registry).of("projection_lag_seconds", "00").expect("it is behind");
    assert!((30.0..60.0).contains(&lag), "not an hour, although that is how long nothing was applied: {lag}");
}

#[test]
fn a_lane_that_halts_on_its_first_batch_is_as_old_as_that() {
    let (registry, metrics) = registered();
    let lane =
        metrics.lane(Lane { track: 1, first_pp: 0, last_pp: 63, epoch: 1 }, (0..projections::ALL.len()).collect());
    lane.position(TENANT, 0, 10);
    metrics.log_ends(20, clock::now());
    assert_eq!(scrape(&registry).of("projection_lag_seconds", "00"), None, "nobody knows yet");
    lane.taken(clock::now() - TimeDelta::hours(2));
    let lag = scrape(&registry).of("projection_lag_seconds", "00").expect("it is behind");
    assert!((7_200.0..7_260.0).contains(&lag), "{lag}");
}

#[test]
fn with_a_lane_its_series_disappear_but_no_count_does() {
    let (registry, metrics) = registered();
    let lane =
        metrics.lane(Lane { track: 1, first_pp: 0, last_pp: 31, epoch: 1 }, (0..projections::ALL.len()).collect());
    lane.position(TENANT, 3, 60);
    lane.applied(TENANT, 3, 5);
    metrics.found(TENANT, 3);
    drop(lane);
    let scraped = scrape(&registry);
    assert_eq!(scraped.of("projection_position", "03"), None);
    assert_eq!(scraped.of("projection_applied_total", "03"), Some(5.0));
    assert_eq!(scraped.of("projection_findings_total", "03"), Some(1.0));
    assert_eq!(scraped.of("projection_findings_total", "04"), None);
    assert!(!scraped.0.keys().any(|series| series.starts_with("lane_")), "{:?}", scraped.0);
}

#[test]
fn a_lane_taken_again_begins_anew_and_no_series_is_told_twice() {
    let (registry, metrics) = registered();
    let former =
        metrics.lane(Lane { track: 1, first_pp: 0, last_pp: 31, epoch: 1 }, (0..projections::ALL.len()).collect());
    former.position(TENANT, 3, 60);
    former.position(IDENTITY, 40, 60);
    let lane =
        metrics.lane(Lane { track: 1, first_pp: 16, last_pp: 47, epoch: 2 }, (0..projections::ALL.len()).collect());
    lane.position(TENANT, 20, 70);
    let scraped = scrape(&registry);
    assert_eq!(scraped.of("projection_position", "03"), None, "it overlapped, so it is lost");
    assert_eq!(scraped.of("projection_position", "20"), Some(70.0));
    assert_eq!(scraped.at(r#"lane_held{lane="00-31",track="1"}"#), None);
    assert_eq!(scraped.at(r#"lane_held{lane="16-47",track="1"}"#), Some(32.0));
}

#[test]
fn what_is_out_of_range_is_passed_over() {
    let (registry, metrics) = registered();
    let lane =
        metrics.lane(Lane { track: 1, first_pp: 0, last_pp: 63, epoch: 1 }, (0..projections::ALL.len()).collect());
    lane.position(projections::ALL.len(), 0, 1);
    lane.position(TENANT, 64, 1);
    assert!(!scrape(&registry).0.keys().any(|series| series.starts_with("projection_position")));
}

#[test]
fn an_errand_tells_how_far_it_is_and_what_it_sent() {
    let (registry, metrics) = registered();
    metrics.log_ends(30, clock::now());
    metrics.errand_at("publisher", 10);
    metrics.errand_sent("publisher", 3);
    metrics.errand_sent("publisher", 4);
    metrics.errand_sent("timers", 2);
    let scraped = scrape(&registry);
    let figure = |name: &str, errand: &str| scraped.at(&format!(r#"{name}{{errand="{errand}"}}"#));
    assert_eq!(figure("errand_position", "publisher"), Some(10.0));
    assert_eq!(figure("errand_lag_commits", "publisher"), Some(20.0));
    assert_eq!(figure("errand_messages_total", "publisher"), Some(7.0));
    assert_eq!(figure("errand_messages_total", "timers"), Some(2.0));
    assert_eq!(figure("errand_lag_commits", "timers"), None, "a timer has no position");
}
