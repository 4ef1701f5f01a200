//! Servers that somebody else runs: reachable, and new enough.

use std::time::Duration;

use anyhow::Context as _;
use event_log::{NatsAddress, User};
use tokio_postgres::NoTls;

use super::version::Version;

const TIMEOUT: Duration = Duration::from_secs(5);
/// Older servers compare batch guards wrongly (nats-server #8376).
pub(crate) const OLDEST_NATS: Version = Version(2, 14, 4);
pub(crate) const OLDEST_POSTGRES_MAJOR: u32 = 15;

/// The version of the NATS server at the URL, or one sentence saying what is wrong with it.
pub async fn nats_version(nats: &NatsAddress) -> anyhow::Result<String> {
    let wrong = "NATS_URL names a server that cannot be used: start it, or unset NATS_URL to have one started";
    let client = event_log::connect(nats, User::Operator, "keepsake up").await.context(wrong)?;
    let version = client.server_info().version;
    let new_enough = Version::find(&version).is_some_and(|version| version >= OLDEST_NATS);
    anyhow::ensure!(
        new_enough,
        "NATS_URL names a nats-server {version}, and {OLDEST_NATS} is needed: upgrade it, or unset NATS_URL"
    );
    Ok(version)
}

/// The version of the Postgres at the URL, or one sentence saying what is wrong with it.
pub async fn postgres_version(url: &str) -> anyhow::Result<String> {
    let asked = tokio::time::timeout(TIMEOUT, show(url, "server_version")).await;
    let wrong =
        "DATABASE_URL names a Postgres that does not answer: start it, or unset DATABASE_URL to have one started";
    let version = asked.context(wrong)?.context(wrong)?;
    let new_enough = Version::find(&version).is_some_and(|version| version.0 >= OLDEST_POSTGRES_MAJOR);
    anyhow::ensure!(
        new_enough,
        "DATABASE_URL names a Postgres {version}, and {OLDEST_POSTGRES_MAJOR} is needed: upgrade it, or unset DATABASE_URL"
    );
    Ok(version)
}

/// Whether Postgres answers; a wrong password counts, since waiting does not mend it.
pub(crate) async fn answers(url: &str) -> bool {
    match tokio::time::timeout(TIMEOUT, show(url, "server_version")).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => is_refusal(&error),
        Err(_) => false,
    }
}

/// Whether Postgres knows the password in the URL.
pub(crate) async fn admits(url: &str) -> bool {
    !matches!(tokio::time::timeout(TIMEOUT, show(url, "server_version")).await, Ok(Err(error)) if is_refusal(&error))
}

fn is_refusal(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&tokio_postgres::error::SqlState::INVALID_PASSWORD)
}

async fn show(url: &str, setting: &str) -> Result<String, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&setting];
    let query = client.query_one("SELECT current_setting($1)", &parameters);
    tokio::pin!(query, connection);
    tokio::select! {
        row = &mut query => row?.try_get(0),
        ended = &mut connection => {
            ended?;
            query.await?.try_get(0)
        }
    }
}
