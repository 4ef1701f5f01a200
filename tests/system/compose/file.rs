//! `docker-compose.yml` as data, with its variables replaced.

use std::collections::BTreeMap;

use serde::Deserialize;

use keepsake_tests::harness::repository;

/// Begins each line of the head's comment that a reader is told to type.
const TO_TYPE: &str = "#   ";

#[derive(Deserialize)]
pub(super) struct ComposeFile {
    services: BTreeMap<String, ComposeService>,
    configs: BTreeMap<String, InlineConfig>,
    /// The whole file.
    #[serde(skip)]
    text: String,
}

#[derive(Deserialize)]
pub(super) struct ComposeService {
    #[serde(default)]
    pub(super) command: Vec<String>,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    #[serde(default)]
    ports: Vec<String>,
    healthcheck: Option<Healthcheck>,
    stop_grace_period: Option<String>,
}

#[derive(Deserialize)]
struct Healthcheck {
    test: Vec<String>,
}

#[derive(Deserialize)]
struct InlineConfig {
    content: String,
}

impl ComposeFile {
    pub(super) fn read() -> Self {
        let text = std::fs::read_to_string(repository().join("docker-compose.yml")).expect("the compose file");
        let text = with_passwords(&text);
        let file: Self = yaml_serde::from_str(&text).expect("the compose file is what this test takes it for");
        Self { text, ..file }
    }

    /// All services, sorted.
    pub(super) fn names(&self) -> Vec<&str> {
        self.services.keys().map(String::as_str).collect()
    }

    pub(super) fn service(&self, name: &str) -> &ComposeService {
        &self.services[name]
    }

    pub(super) fn config(&self, name: &str) -> &str {
        &self.configs[name].content
    }

    /// The commands of the comment at the head that begin with `prefix`, without it.
    pub(super) fn told_to_type(&self, prefix: &str) -> Vec<&str> {
        let head = self.text.lines().take_while(|line| line.starts_with('#'));
        head.filter_map(|line| line.strip_prefix(TO_TYPE)?.strip_prefix(prefix)).collect()
    }
}

impl ComposeService {
    /// The health check, which must not need a shell.
    pub(super) fn health_command(&self) -> &[String] {
        let test = &self.healthcheck.as_ref().expect("a health check").test;
        assert_eq!(test[0], "CMD");
        &test[1..]
    }

    /// The port it listens on.
    pub(super) fn port(&self) -> Option<&str> {
        let address = self.environment.get("KEEPSAKE_HTTP_ADDR")?;
        Some(address.strip_prefix("0.0.0.0:").expect("reachable from other containers"))
    }

    /// The port of its own that this machine reaches.
    pub(super) fn published_port(&self) -> &str {
        let [published] = &self.ports[..] else { panic!("one published port, not {:?}", self.ports) };
        published.rsplit_once(':').expect("address:port:port").1
    }

    pub(super) fn stop_grace_seconds(&self) -> u64 {
        let period = self.stop_grace_period.as_deref().expect("a grace period");
        period.strip_suffix('s').and_then(|seconds| seconds.parse().ok()).expect("seconds")
    }
}

/// As Compose reads it when every password is set to one of its own, and nothing else.
fn with_passwords(text: &str) -> String {
    let mut defaults = BTreeMap::new();
    let mut parts = text.split("${");
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (variable, rest) = part.split_once('}').expect("`}` ends a variable");
        let (name, default) = variable.split_once(":-").expect("every variable has a default");
        assert_eq!(*defaults.entry(name).or_insert(default), default, "{name} has one default");
        expanded += if name.ends_with("_PASSWORD") { name } else { default };
        expanded += rest;
    }
    // Compose writes a `$` of the shell twice.
    let expanded = expanded.replace("$$", "\u{0}");
    assert!(!expanded.contains('$'), "the file uses a form of variable that this test does not know");
    expanded.replace('\u{0}', "$")
}
