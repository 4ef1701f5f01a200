//! The configuration file of our nats-server.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use event_log::permissions::ACCOUNT;

use super::NatsOptions;

/// The limit our own messages are sized for.
const MAX_PAYLOAD_BYTES: u32 = 1024 * 1024;

/// Deeper than any folder of ours lies; the root is above itself.
const MOST_FOLDERS: usize = 64;

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("nats/nats-server.conf")
}

pub(super) fn store_dir(dir: &Path) -> PathBuf {
    dir.join("nats")
}

pub(super) fn write(dir: &Path, options: &NatsOptions, client: u16, monitor: u16) -> anyhow::Result<()> {
    let path = path(dir);
    std::fs::write(&path, text(dir, options, client, monitor))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// A store that was made before there were users is that of the account without a name; the streams are the named one's now.
pub(super) fn move_store(dir: &Path, options: &NatsOptions) -> anyhow::Result<()> {
    let store = store_dir(dir).join("jetstream");
    let (unnamed, named) = (store.join("$G"), store.join(ACCOUNT));
    if options.users.is_some() && unnamed.exists() && !named.exists() {
        std::fs::rename(&unnamed, &named).with_context(|| format!("{} cannot be renamed", unnamed.display()))?;
    }
    Ok(())
}

fn text(dir: &Path, options: &NatsOptions, client: u16, monitor: u16) -> String {
    let store = quoted(&store_dir(dir).display().to_string());
    let sync = if options.sync_always { "always" } else { "2m" };
    let (max_store, further) = (options.max_store_bytes, &options.further_config);
    let users = options.users.as_deref().map(included).unwrap_or_default();
    format!(
        "listen: \"127.0.0.1:{client}\"\n\
         http: \"127.0.0.1:{monitor}\"\n\
         max_payload: {MAX_PAYLOAD_BYTES}\n\
         jetstream {{\n  store_dir: {store}\n  sync_interval: {sync}\n  max_file_store: {max_store}\n}}\n\
         {users}{further}\n"
    )
}

/// The server takes every path for one below the configuration's own folder, so this one climbs to the root first.
fn included(file: &Path) -> String {
    let climbed = PathBuf::from("../".repeat(MOST_FOLDERS)).join(file.strip_prefix("/").unwrap_or(file));
    format!("include {}\n", quoted(&climbed.display().to_string()))
}

/// The server reads backslash escapes in double quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_listens_on_loopback_and_syncs_before_it_acknowledges() {
        let options = NatsOptions::new(PathBuf::from("/a b/\"c\""));
        let text = text(&options.dir, &options, 4222, 8222);
        assert!(text.contains("listen: \"127.0.0.1:4222\"") && text.contains("http: \"127.0.0.1:8222\""), "{text}");
        assert!(text.contains("sync_interval: always"), "{text}");
        assert!(text.contains(r#"store_dir: "/a b/\"c\"/nats""#), "{text}");
    }
}
