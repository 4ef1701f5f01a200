//! What is told at `/metrics` is well-formed and explained, and alerts and dashboard ask for nothing else.

mod openmetrics;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::{StatusCode, header};
use runtime::http_client::HttpClient;
use serde_json::Value;

use keepsake_tests::harness::{InProcess, World, repository};
use openmetrics::Exposition;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const EXPLAINED_IN: &str = "docs/monitoring.md";
const ALERTS: &str = "docs/monitoring/alerts.yml";
const DASHBOARD: &str = "docs/monitoring/dashboard.json";
const OURS: &str = "keepsake_";
/// Only told where there is `/proc`.
const OF_ANY_PROCESS: &str = "process_";

#[tokio::test]
async fn every_figure_is_explained_and_alerts_and_dashboard_ask_for_no_other() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let exposition = scrape(&services.projections.url()).await;
    services.stop().await;

    let told = exposition.families();
    let explained = exposition.families_of(names_in(EXPLAINED_IN));
    missing_none(&told, &explained, "told at /metrics and not explained");
    let ours = explained.iter().filter(|name| name.starts_with(OURS)).cloned().collect();
    missing_none(&ours, &told, "explained and not told at /metrics");
    for file in [ALERTS, DASHBOARD] {
        let asked_for = exposition.families_of(names_in(file));
        assert!(asked_for.len() > 5, "{file} asks for no more than {asked_for:?}");
        missing_none(&asked_for, &explained, &format!("asked for in {file} and not explained"));
    }
}

#[test]
fn every_alert_says_what_it_means_and_what_to_do() {
    let file: Value = yaml_serde::from_str(&read(ALERTS)).expect("YAML");
    let rules = file["groups"].as_array().expect("groups").iter().filter_map(|group| group["rules"].as_array());
    let mut names = BTreeSet::new();
    for rule in rules.flatten() {
        let name = rule["alert"].as_str().expect("a name");
        assert!(names.insert(name), "{name} is there twice");
        let severity = rule["labels"]["severity"].as_str();
        assert!(severity.is_some_and(|severity| ["critical", "warning"].contains(&severity)), "{name}: {severity:?}");
        for text in [
            &rule["expr"],
            &rule["annotations"]["summary"],
            &rule["annotations"]["description"],
            &rule["annotations"]["action"],
        ] {
            assert!(text.as_str().is_some_and(|text| !text.trim().is_empty()), "{name} lacks a text: {rule}");
        }
    }
    assert!(names.len() > 5, "{names:?}");
}

#[test]
fn every_panel_says_what_it_shows_and_asks_the_chosen_prometheus() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter().filter(|panel| panel["type"] != "row");
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64()), "the id of {title} is taken");
        assert!(panel["description"].is_string(), "{title} says nothing of itself");
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty(), "{title} asks for nothing");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            assert!(target["expr"].is_string(), "{title}");
        }
    }
    assert!(
        dashboard["templating"]["list"].as_array().is_some_and(|list| list.iter().any(|it| it["name"] == "datasource"))
    );
}

async fn scrape(origin: &str) -> Exposition {
    let http = HttpClient::new(Duration::from_secs(10));
    let answer = http.get(&format!("{origin}/metrics"), &[]).await.expect("an answer");
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers[header::CONTENT_TYPE], CONTENT_TYPE);
    Exposition::parse(std::str::from_utf8(&answer.body).expect("UTF-8"))
}

/// Every name of a figure in a file, as it is written there.
fn names_in(file: &str) -> BTreeSet<String> {
    let text = read(file);
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    words.filter(|word| word.starts_with(OURS) || word.starts_with(OF_ANY_PROCESS)).map(str::to_owned).collect()
}

fn missing_none(names: &BTreeSet<String>, among: &BTreeSet<String>, what: &str) {
    let missing: Vec<_> = names.difference(among).collect();
    assert!(missing.is_empty(), "{what}: {missing:?}");
}

fn read(file: &str) -> String {
    std::fs::read_to_string(repository().join(file)).expect(file)
}
