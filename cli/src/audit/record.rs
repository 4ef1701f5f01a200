//! Recording what an operator is about to do. What cannot be recorded is not done.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use runtime::config::Secret;
use vault::Vault;
use vault::audit::{Act, Actor, Chain, Entries, Entry};

/// Where acts are recorded, and who acts.
#[derive(Args, Debug)]
pub(crate) struct Recorder {
    /// Who asks, as it is kept
    #[arg(long, env = "USER", default_value = "unknown")]
    pub(crate) actor: String,
    /// The vault, as projection-workers use it: what is done is recorded there
    #[arg(long, env = "KEEPSAKE_VAULT_URL", hide_env_values = true)]
    vault_url: Option<Secret>,
    /// The file that holds the key-encryption key, which the record is keyed by
    #[arg(long, env = "KEEPSAKE_KEK_FILE")]
    kek_file: Option<PathBuf>,
}

impl Recorder {
    /// Adds an entry; `guests` are whom it is about, by our ids.
    pub(crate) async fn record(
        &self,
        chain: Chain,
        act: &'static str,
        guests: &[&str],
        detail: String,
    ) -> anyhow::Result<()> {
        let (Some(url), Some(file)) = (&self.vault_url, &self.kek_file) else {
            bail!(
                "this is recorded in the audit trail: KEEPSAKE_VAULT_URL and KEEPSAKE_KEK_FILE (--vault-url, --kek-file) say where"
            );
        };
        let vault = Vault::connect(url, file).context("the vault cannot be used")?;
        let entry = Entry::now(Actor::operator(&self.actor), Act::new(act));
        let guests = guests.iter().map(|guest| (*guest).to_owned()).collect();
        let mut entries = Entries::new(chain, &[Entry { guests, detail, ..entry }]);
        vault.record(&mut entries).await.context("it cannot be recorded, and so it is not done")
    }
}
