//! The ends of the chains, as a file that is kept elsewhere: a line for each, `chain number hash`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use vault::Vault;
use vault::audit::{Chain, Head};

pub(super) async fn print(vault: &Vault) -> anyhow::Result<ExitCode> {
    let (chains, _) = vault.audit_chains().await?;
    for chain in chains.into_keys() {
        if let Some(head) = vault.audit_head(&chain).await? {
            anstream::println!("{chain} {head}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn read(file: &Path) -> anyhow::Result<BTreeMap<Chain, Head>> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
    let heads = text.lines().filter(|line| !line.is_empty());
    heads.map(|line| parse(line).with_context(|| format!("{name}: `{line}` is no head of a chain"))).collect()
}

fn parse(line: &str) -> Option<(Chain, Head)> {
    let mut words = line.split(' ');
    let (chain, seq, hash) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    words.next().is_none().then_some(())?;
    Some((chain, Head::parse(seq, hash)?))
}
