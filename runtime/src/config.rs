//! Settings from the environment, with every fault reported at once.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

/// The variables a process was started with, and what was wrong with those read so far.
#[derive(Debug)]
pub struct Env {
    variables: BTreeMap<String, String>,
    faults: Vec<String>,
}

/// All that is wrong with the environment.
#[derive(Debug, thiserror::Error)]
#[error("the environment is not complete:\n  {}", .0.join("\n  "))]
pub struct ConfigError(Vec<String>);

impl Env {
    /// The variables of this process.
    pub fn process() -> Self {
        Self::from(std::env::vars().collect::<BTreeMap<_, _>>())
    }

    /// The variable, parsed; a fault is noted when it is absent or not readable.
    pub fn required<T: FromStr>(&mut self, name: &str, what: &str) -> Option<T> {
        if !self.variables.contains_key(name) {
            self.faults.push(format!("{name} is not set: {what}"));
        }
        self.optional(name, what)
    }

    /// The variable, parsed; a fault is noted when it is there but not readable.
    pub fn optional<T: FromStr>(&mut self, name: &str, what: &str) -> Option<T> {
        let text = self.variables.get(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.faults.push(format!("{name} is not readable: {what}"));
        }
        parsed
    }

    /// The variable, or `default` when it is absent.
    pub fn or<T: FromStr>(&mut self, name: &str, default: T, what: &str) -> T {
        self.optional(name, what).unwrap_or(default)
    }

    /// Notes that settings do not go together.
    pub fn refuse<T>(&mut self, fault: &str) -> Option<T> {
        self.faults.push(fault.to_owned());
        None
    }

    /// The finished settings, or every fault found on the way.
    pub fn finish<T>(self, settings: Option<T>) -> Result<T, ConfigError> {
        match settings {
            Some(settings) if self.faults.is_empty() => Ok(settings),
            _ => Err(ConfigError(self.faults)),
        }
    }
}

impl From<BTreeMap<String, String>> for Env {
    fn from(variables: BTreeMap<String, String>) -> Self {
        Self { variables, faults: Vec::new() }
    }
}

/// A setting that must never be printed: a URL with a password, a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Env {
        Env::from(variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let mut env = env(&[("PORT", "many")]);
        let port: Option<u16> = env.required("PORT", "a port");
        let url: Option<String> = env.required("URL", "where the log is");
        let error = env.finish(port.zip(url)).unwrap_err().to_string();
        assert!(error.contains("PORT is not readable: a port"), "{error}");
        assert!(error.contains("URL is not set: where the log is"), "{error}");
    }

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Secret");
    }
}
