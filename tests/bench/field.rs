//! The contestants on a site, with everybody registered: the service, the empty relay, the bare log.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use async_nats::jetstream;
use bytes::Bytes;
use proto::subject::LOG_STREAM;
use tokio::process::Child;

use crate::child;
use crate::contestant::Contestant;
use crate::contestant::batches::Batches;
use crate::contestant::command::{Commands, interaction};
use crate::contestant::raw::Raw;
use crate::contestant::relay::Relayed;
use crate::load::{self, Load};
use crate::progress::Progress;
use crate::relay::READY;
use crate::site::Site;

/// Guests of the service, and owners of the relay and of the bare log.
pub(crate) const OWNERS: usize = 10_000;
/// Callers while everybody is registered.
const REGISTRARS: usize = 64;

pub(crate) struct Field {
    pub(crate) ours: Arc<dyn Contestant>,
    pub(crate) relay: Arc<dyn Contestant>,
    pub(crate) raw: Arc<Raw>,
    /// Size of a sealed commit as it is stored.
    pub(crate) payload_bytes: usize,
    /// Ends with this.
    _relay: Child,
}

impl Field {
    pub(crate) async fn prepare(site: &Site, progress: &Progress) -> anyhow::Result<Self> {
        let guests: Arc<dyn Contestant> = Arc::new(Commands::register(0..OWNERS));
        fill(site, &guests, OWNERS, "registering guests", progress).await?;
        let payload = stored_commit(site).await?;
        let process = start_relay(site, &payload).await?;
        let relay: Arc<dyn Contestant> = Arc::new(Relayed::new(OWNERS));
        fill(site, &relay, OWNERS, "relaying to each owner once", progress).await?;
        let raw = Arc::new(Raw::new(OWNERS, payload.clone())?);
        Batches::new(site.client(), &raw).fill().await?;
        let ours = Arc::new(Commands::record(0..OWNERS));
        Ok(Self { ours, relay, raw, payload_bytes: payload.len(), _relay: process })
    }
}

/// Asks for each owner once.
pub(crate) async fn fill(
    site: &Site,
    contestant: &Arc<dyn Contestant>,
    owners: usize,
    what: &str,
    progress: &Progress,
) -> anyhow::Result<()> {
    let callers = REGISTRARS.min(owners);
    let load = Load { clients: site.connections(callers), callers, turns: load::once(callers, owners) };
    fill_with(&load, contestant, owners, what, progress).await
}

/// Asks until every caller has had its turns, `requests` in all.
pub(crate) async fn fill_with(
    load: &Load,
    contestant: &Arc<dyn Contestant>,
    requests: usize,
    what: &str,
    progress: &Progress,
) -> anyhow::Result<()> {
    let filling = progress.filling(what, requests as u64);
    let accepted = load::fill(load, contestant, filling.done()).await?;
    ensure!(accepted == requests as u64, "{what}: {accepted} of {requests} were accepted");
    Ok(())
}

/// A real commit of a recorded interaction, as it lies in the log.
async fn stored_commit(site: &Site) -> anyhow::Result<Bytes> {
    let position = site.accepted("interactions.record", interaction(0)).await?.position;
    let stream = jetstream::new(site.client().clone()).get_stream(LOG_STREAM).await?;
    Ok(stream.get_raw_message(position).await?.payload)
}

/// Starts this program once more, as the relay.
async fn start_relay(site: &Site, payload: &Bytes) -> anyhow::Result<Child> {
    let file = site.folder().join("commit");
    std::fs::write(&file, payload)?;
    let mut relay = child::command()?;
    relay.arg("--relay").arg(&file).envs(site.environment());
    let (relay, said) = child::start(&mut relay).await.context("the relay does not start")?;
    ensure!(said == READY, "the relay is not ready: {said}");
    Ok(relay)
}
