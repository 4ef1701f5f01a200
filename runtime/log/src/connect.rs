//! A connection to NATS.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::Notify;

use crate::address::{Login, NatsAddress};
use crate::permissions::User;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the log could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("NATS at {url} cannot be reached ({cause}): start it, or set NATS_URL")]
    Connect { url: String, cause: ConnectErrorKind },
    #[error(
        "{path} cannot be read ({cause}): `keepsake nats-users` makes the NATS users, and KEEPSAKE_NATS_USERS names the folder with \
         those of this process"
    )]
    Seed { path: PathBuf, cause: std::io::Error },
    #[error("NATS at {url} does not admit {user}: {advice}")]
    NotAdmitted { url: String, user: String, advice: &'static str },
    #[error("NATS did not answer {0}")]
    NoAnswer(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("NATS gave an answer to {0} that is none")]
    Malformed(&'static str),
    #[error("{0}: {1}")]
    Refused(&'static str, String),
}

/// Tells one listener of every new connection. An event may be lost, so whoever must not miss one compares the client's count
/// of connections too.
#[derive(Clone, Default)]
pub struct Connected(Arc<Notify>);

impl Connected {
    /// Waits until the client was connected since this was last asked.
    pub async fn again(&self) {
        self.0.notified().await;
    }
}

/// Connects once, to whichever server of a comma-separated list answers, as this user; later losses of the connection are mended
/// by themselves.
pub async fn connect(nats: &NatsAddress, user: User, name: &str) -> Result<Client, LogError> {
    connect_and_tell(nats, user, name).await.map(|(client, _)| client)
}

/// The same, for one who must know of reconnects.
pub async fn connect_and_tell(nats: &NatsAddress, user: User, name: &str) -> Result<(Client, Connected), LogError> {
    let connected = Connected::default();
    let told = connected.clone();
    let options = ConnectOptions::new()
        .name(name)
        .connection_timeout(CONNECT_TIMEOUT)
        .request_timeout(Some(REQUEST_TIMEOUT))
        .event_callback(move |event| {
            note(&event, &told);
            std::future::ready(())
        });
    let options = match nats.login(user)? {
        Some(Login { seed, inbox }) => options.nkey(seed.expose().to_owned()).custom_inbox_prefix(inbox),
        None => options,
    };
    let servers: Vec<&str> = nats.url.split(',').map(str::trim).collect();
    let client = options.connect(servers).await;
    Ok((client.map_err(|error| failed(&error, nats, user))?, connected))
}

fn failed(error: &ConnectError, nats: &NatsAddress, user: User) -> LogError {
    let (url, cause) = (without_credentials(&nats.url), error.kind());
    if !matches!(cause, ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication) {
        return LogError::Connect { url, cause };
    }
    if nats.users.is_none() {
        let advice = "it wants to know who comes, so set KEEPSAKE_NATS_USERS to the folder with this process' seeds";
        return LogError::NotAdmitted { url, user: "somebody without a name".to_owned(), advice };
    }
    let user = nats.user.clone().unwrap_or_else(|| user.name().to_owned());
    let advice = "its configuration is made of other seeds, or of none: `keepsake nats-users` writes it anew";
    LogError::NotAdmitted { url, user, advice }
}

fn note(event: &Event, connected: &Connected) {
    match event {
        Event::Connected => {
            connected.0.notify_one();
            tracing::debug!("connected to NATS");
        }
        Event::Disconnected | Event::Closed => tracing::warn!("disconnected from NATS"),
        other @ (Event::LameDuckMode
        | Event::Draining
        | Event::SlowConsumer(_)
        | Event::ServerError(_)
        | Event::ClientError(_)) => tracing::warn!("NATS: {other}"),
    }
}

/// A URL, or a list of them, as it may be printed.
fn without_credentials(urls: &str) -> String {
    let each = urls.split(',').map(|url| match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    });
    each.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn a_url_is_printed_without_its_password() {
        assert_eq!(without_credentials("nats://user:secret@host:4222"), "nats://host:4222");
        assert_eq!(without_credentials("nats://host:4222"), "nats://host:4222");
        assert_eq!(without_credentials("nats://user:secret@a:1,nats://user:secret@b:2"), "nats://a:1,nats://b:2");
    }
}
