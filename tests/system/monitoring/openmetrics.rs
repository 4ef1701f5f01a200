//! As much of the OpenMetrics text format as tells whether a scraper takes it.

use std::collections::{BTreeMap, BTreeSet};

const OF_A_HISTOGRAM: [&str; 3] = ["_bucket", "_sum", "_count"];

/// One answer of `/metrics`.
pub(super) struct Exposition {
    /// Type of each family.
    types: BTreeMap<String, String>,
}

impl Exposition {
    /// Each family is declared once, followed by its samples alone; the end is marked.
    pub(super) fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("ends with its mark");
        let (mut types, mut current) = (BTreeMap::new(), String::new());
        for line in body.lines() {
            match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
                ["#", "HELP", name, help] => {
                    assert!(help.ends_with('.'), "help is a sentence: {line}");
                    name.clone_into(&mut current);
                }
                ["#", "TYPE", name, of_type] => {
                    assert_eq!(name, current, "type and help stand together");
                    assert!(types.insert(name.to_owned(), of_type.to_owned()).is_none(), "{name} is declared twice");
                }
                ["#", "UNIT", name, unit] => {
                    assert_eq!(name, current, "unit and help stand together");
                    assert!(name.ends_with(&format!("_{unit}")), "a unit ends the name: {line}");
                }
                _ => is_sample(line, &current, types.get(&current).map(String::as_str)),
            }
        }
        Self { types }
    }

    /// The families under the names they are explained by: what counts ends in `_total`.
    pub(super) fn families(&self) -> BTreeSet<String> {
        let name = |(name, of_type): (&String, &String)| match of_type.as_str() {
            "counter" => format!("{name}_total"),
            _ => name.clone(),
        };
        self.types.iter().map(name).collect()
    }

    /// The families that samples of these names belong to, under the same names.
    pub(super) fn families_of(&self, samples: BTreeSet<String>) -> BTreeSet<String> {
        let histogram = |sample: &str| {
            let names = OF_A_HISTOGRAM.iter().filter_map(|suffix| sample.strip_suffix(suffix));
            names.map(str::to_owned).find(|name| self.types.get(name).is_some_and(|of_type| of_type == "histogram"))
        };
        samples.into_iter().map(|sample| histogram(&sample).unwrap_or(sample)).collect()
    }
}

/// `name{label="value"} number`, of the family that was declared last.
fn is_sample(line: &str, family: &str, of_type: Option<&str>) {
    let (series, number) = line.rsplit_once(' ').expect("a series and its number");
    assert!(number.parse::<f64>().is_ok(), "no number: {line}");
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    assert!(labels.ends_with('}'), "labels are closed: {line}");
    let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} is none of {family}"));
    let allowed: &[&str] = match of_type {
        Some("gauge") => &[""],
        Some("counter") => &["_total"],
        Some("histogram") => &OF_A_HISTOGRAM,
        other => panic!("{line} is of type {other:?}"),
    };
    assert!(allowed.contains(&suffix), "{line} is no sample of a {of_type:?}");
}
