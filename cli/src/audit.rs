//! `keepsake audit`: who did what and read about whom, and whether the record of it is whole.

mod heads;
mod record;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use runtime::config::Secret;
use vault::Vault;
use vault::audit::{Broken, Chain, Check, Entry, Head};

pub(crate) use self::record::Recorder;
use crate::progress::Progress;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
/// Of one chain.
const MOST_PRINTED: usize = 20;
const DIM: Style = AnsiColor::BrightBlack.on_default();

/// Shows who did what, and proves that the record of it is whole.
///
/// Every read of what is known of a guest, every command about a tenant and every act of an operator is an entry in a chain: one for
/// each tenant, and `*` for what concerns all of them. Each entry carries a hash that covers the entry before it and is keyed by the
/// key file, so `verify` finds what was altered, taken out or put in, whoever did it in the database. Only entries at the end of a
/// chain can go without a trace: keep what `heads` prints somewhere else, and give it to `verify`.
#[derive(Args, Debug)]
pub struct AuditArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Entries, oldest first: number, time, who, what, about whom
    List {
        #[command(flatten)]
        which: Which,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Computes every hash again; exit code 1 when a chain is not what was written
    Verify {
        /// What `keepsake audit heads` printed earlier
        #[arg(long, value_name = "FILE")]
        heads: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// The last entry of each chain, as `verify --heads` takes it
    Heads {
        #[command(flatten)]
        place: Place,
    },
}

/// Which entries.
#[derive(Args, Debug)]
struct Which {
    /// Only of this tenant; `*` is what concerns all of them
    #[arg(long)]
    tenant: Option<String>,
    /// Only about this guest: prf_...
    #[arg(long)]
    guest: Option<String>,
    /// Only acts that begin so: profile, parking.skip, ...
    #[arg(long, default_value = "")]
    act: String,
    /// Only by this person, as its issuer calls it; with --issuer
    #[arg(long, requires = "issuer")]
    subject: Option<String>,
    /// Whose word it is who somebody was: the `iss` of their tokens
    #[arg(long)]
    issuer: Option<String>,
    /// Only from then on: 2026-03-01T10:00:00Z
    #[arg(long)]
    since: Option<DateTime<Utc>>,
}

/// Where the trail is.
#[derive(Args, Debug)]
struct Place {
    /// The vault, as projection-workers use it
    #[arg(long, env = "KEEPSAKE_VAULT_URL", hide_env_values = true)]
    vault_url: Secret,
    /// The file that holds the key-encryption key
    #[arg(long, env = "KEEPSAKE_KEK_FILE")]
    kek_file: PathBuf,
}

impl Place {
    fn open(&self) -> anyhow::Result<Vault> {
        Vault::connect(&self.vault_url, &self.kek_file).context("the vault cannot be used")
    }
}

pub async fn run(args: AuditArgs) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List { which, json, place } => list(&place.open()?, &which, json).await,
        Action::Verify { heads, place } => verify(&place.open()?, heads.as_deref()).await,
        Action::Heads { place } => heads::print(&place.open()?).await,
    }
}

impl Which {
    fn holds(&self, entry: &Entry, person: Option<&str>) -> bool {
        let Self { guest, act, issuer, since, .. } = self;
        guest.as_ref().is_none_or(|guest| entry.guests.contains(guest))
            && entry.act.to_string().starts_with(act)
            && person.is_none_or(|person| entry.by.id == person)
            && issuer.as_ref().is_none_or(|issuer| entry.by.issuer == *issuer)
            && since.is_none_or(|since| entry.until.unwrap_or(entry.at) >= since)
    }
}

async fn list(vault: &Vault, which: &Which, json: bool) -> anyhow::Result<ExitCode> {
    let person = which.issuer.as_ref().zip(which.subject.as_ref());
    let person = person.map(|(issuer, subject)| vault.pseudonym(issuer, subject));
    let (mut shown, mut unreadable) = (0_u64, 0_u64);
    let (chains, _) = vault.audit_chains().await?;
    for chain in chains.into_keys() {
        if which.tenant.as_ref().is_some_and(|tenant| tenant != chain.as_str()) {
            continue;
        }
        let mut last = 0;
        loop {
            let page = vault.audit_entries(&chain, last).await?;
            let Some(newest) = page.last() else { break };
            last = newest.seq;
            for stored in page {
                let Some(entry) = stored.entry() else {
                    unreadable += 1;
                    continue;
                };
                if which.holds(&entry, person.as_deref()) {
                    shown += 1;
                    if json { print_json(&chain, stored.seq, &stored.text) } else { print(&chain, stored.seq, &entry) }
                }
            }
        }
    }
    anstream::eprintln!("entries: {shown}");
    ensure!(unreadable == 0, "{unreadable} entries are none: `keepsake audit verify` says which");
    Ok(ExitCode::SUCCESS)
}

fn print(chain: &Chain, seq: i64, entry: &Entry) {
    let Entry { at, until, by, act, guests, times, detail } = entry;
    let instant = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let until = until.map_or_else(String::new, |until| format!(" to {}", until.format("%H:%M:%S%.3f")));
    let whom = match guests.as_slice() {
        [] => String::new(),
        [guest] => format!("  {guest}"),
        [first, others @ ..] => format!("  {first} and {} others", others.len()),
    };
    let often = if *times > 1 { format!("  {times} times") } else { String::new() };
    let detail = if detail.is_empty() { String::new() } else { format!("  {DIM}{detail}{DIM:#}") };
    anstream::println!(
        "{chain}  {seq:>6}  {DIM}{}{until}{DIM:#}  {by}  {GOOD}{act}{GOOD:#}{whom}{often}{detail}",
        instant(at)
    );
}

fn print_json(chain: &Chain, seq: i64, text: &str) {
    // A chain is a tenant's name or `*`: neither has anything to escape.
    anstream::println!(r#"{{"chain":"{chain}","seq":{seq},"entry":{text}}}"#);
}

async fn verify(vault: &Vault, noted: Option<&Path>) -> anyhow::Result<ExitCode> {
    let noted = noted.map(heads::read).transpose()?.unwrap_or_default();
    let (mut chains, strange) = vault.audit_chains().await?;
    // Of a chain that is gone altogether only the note tells.
    for chain in noted.keys() {
        chains.entry(chain.clone()).or_insert(0);
    }
    let all: u64 = chains.values().map(|last| u64::try_from(*last).unwrap_or_default()).fold(0, u64::saturating_add);
    let progress = Progress::start("entries", 0, all);
    let (mut checked, mut is_whole) = (0, strange.is_empty());
    for name in strange {
        anstream::println!("{BAD}BROKEN{BAD:#}  {name:?}  nobody of ours writes a chain of this name");
    }
    for chain in chains.keys() {
        let before = checked;
        let broken = check(vault, chain, noted.get(chain).copied(), &progress, (&mut checked, all)).await?;
        if broken.is_empty() {
            anstream::println!("{GOOD}whole{GOOD:#}   {chain}  {} entries", checked - before);
        }
        is_whole &= broken.is_empty();
        for found in broken.iter().take(MOST_PRINTED) {
            anstream::println!("{BAD}BROKEN{BAD:#}  {chain}  {found}");
        }
        if broken.len() > MOST_PRINTED {
            anstream::println!("{BAD}BROKEN{BAD:#}  {chain}  and {} more", broken.len() - MOST_PRINTED);
        }
    }
    let took = progress.finish();
    anstream::eprintln!("{} chains, {checked} entries, {:.1} s", chains.len(), took.as_secs_f64());
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check(
    vault: &Vault,
    chain: &Chain,
    noted: Option<Head>,
    progress: &Progress,
    (checked, all): (&mut u64, u64),
) -> anyhow::Result<Vec<Broken>> {
    let (mut check, mut broken) = (Check::new(vault, chain.clone(), noted), Vec::new());
    while let Some((entries, found)) = check.page().await? {
        broken.extend(found);
        *checked += entries;
        progress.at(*checked, all, "hashing");
    }
    broken.extend(check.end());
    Ok(broken)
}
