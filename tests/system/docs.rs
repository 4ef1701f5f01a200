//! The documents keep their word: commands work, names and files they mention exist, every problem code is explained.

mod codes;
mod markdown;
mod requirements;
mod system;

use std::collections::BTreeSet;
use std::process::Stdio;

use tokio::process::Command;

use keepsake_tests::harness::{keepsake, repository};
use markdown::Document;
use system::System;

/// Stands before each block whose lines are run.
const CHECKED: &str = "<!-- checked: every line of this block is run by a test -->";
const WITH_CHECKED_BLOCKS: [&str; 2] = ["README.md", "docs/identity.md"];
const WITH_COMMANDS: [&str; 5] =
    ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "docs/published-events.md", "docs/identity.md"];
const WITH_LINKS: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];
/// curl takes an HTTP error for a success unless it is told otherwise.
const STRICT_CURL: &str = "curl() { command curl --fail-with-body \"$@\"; }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_a_reader_is_told_to_type_works() {
    if !(is_installed("bash").await && is_installed("curl").await) {
        eprintln!("not run: bash or curl is not installed");
        return;
    }
    let documents = WITH_CHECKED_BLOCKS.map(Document::read);
    let lines: Vec<_> = documents
        .iter()
        .flat_map(|document| {
            let lines = document.block_after(CHECKED);
            assert!(lines.len() > 1, "it has a checked block");
            lines
        })
        .collect();
    let system = System::start().await;
    system.provision("demo").await;
    let mut script = STRICT_CURL.to_owned();
    for line in lines {
        let line = line.replace(".run/env", &system.env_file().display().to_string());
        if line.starts_with("source ") {
            script = format!("{script}{line}\n");
        }
        let output = Command::new("bash").args(["-c", &format!("{script}{line}")]).stdin(Stdio::null()).output();
        let output = output.await.expect("starts");
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).join("\n");
        assert!(output.status.success(), "{line}\n{said}");
        // A reader's next line comes later than the workers; this test's would not.
        system.read_models_catch_up().await;
    }
    system.ends_when_asked().await;
}

#[tokio::test]
async fn every_command_that_is_mentioned_exists() {
    let code = WITH_COMMANDS.map(|name| Document::read(name).code()).concat();
    let makefile = std::fs::read_to_string(repository().join("Makefile")).expect("the Makefile");
    let targets = mentioned(&code, "make");
    assert!(targets.contains("run"), "{targets:?}");
    for target in targets {
        let rule = format!("{target}:");
        assert!(makefile.lines().any(|line| line.starts_with(&rule)), "`make {target}` is not in the Makefile");
    }
    let subcommands = mentioned(&code, "keepsake");
    assert!(subcommands.contains("send"), "{subcommands:?}");
    for subcommand in subcommands {
        let help = Command::new(keepsake()).args([&subcommand, "--help"]).output().await.expect("starts");
        assert!(help.status.success(), "`keepsake {subcommand}` does not exist");
        let help = String::from_utf8(help.stdout).expect("UTF-8");
        for option in options(&code, &subcommand) {
            assert!(help.contains(option), "`keepsake {subcommand}` takes no {option}:\n{help}");
        }
    }
}

#[test]
fn every_link_of_the_documents_leads_to_a_file() {
    for name in WITH_LINKS {
        for link in Document::read(name).links() {
            assert!(repository().join(&link).exists(), "{name} links to {link}, which is not there");
        }
    }
}

#[test]
fn every_problem_code_is_explained_and_every_explained_one_exists() {
    let explained = Document::read("docs/problems.md").headings("### ");
    assert_eq!(codes::in_sources(), explained, "left: in the sources; right: in docs/problems.md");
}

async fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().await.is_ok_and(|status| status.success())
}

/// The words that follow `program` in any piece of code.
fn mentioned(code: &[String], program: &str) -> BTreeSet<String> {
    let words = code.iter().flat_map(|piece| piece.split_whitespace().zip(piece.split_whitespace().skip(1)));
    words.filter(|(first, _)| *first == program).map(|(_, second)| second.to_owned()).collect()
}

/// The options given to a subcommand in any piece of code.
fn options<'a>(code: &'a [String], subcommand: &str) -> Vec<&'a str> {
    let start = format!("keepsake {subcommand} ");
    let given = code.iter().filter_map(|piece| Some(piece.split_once(&start)?.1));
    given.flat_map(str::split_whitespace).filter(|word| word.starts_with("--")).collect()
}
