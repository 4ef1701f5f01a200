//! Settings of command-service.
//!
//! `NATS_URL`, `KEEPSAKE_NATS_USERS`, `NATS_MONITOR_URL`, `KEEPSAKE_DURABILITY`, `KEEPSAKE_DATABASE_URL`, `KEEPSAKE_VAULT_URL`, `KEEPSAKE_KEK_FILE`,
//! `KEEPSAKE_CACHE_BYTES`, `KEEPSAKE_HTTP_ADDR`, `KEEPSAKE_COMMAND_URL`,
//! `KEEPSAKE_REQUIRE_IF_MATCH`, `KEEPSAKE_ISSUERS_FILE`, `KEEPSAKE_AUTH`, `KEEPSAKE_ENV`,
//! `KEEPSAKE_TENANT_REQUESTS_PER_S`, `KEEPSAKE_PRINCIPAL_REQUESTS_PER_S`, `KEEPSAKE_GUEST_REQUESTS_PER_S`, `KEEPSAKE_REFUSALS_PER_S`

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use event_log::NatsAddress;
use event_log::durability::Declared;
use runtime::auth::AuthSettings;
use runtime::config::{ConfigError, Env, Secret};
use runtime::limits::LimitSettings;

const DEFAULT_HTTP_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8004);

const DEFAULT_CACHE_BYTES: u64 = 256 * 1024 * 1024;

#[derive(Clone, Debug)]
pub struct Config {
    /// As `appender`, `door` and `intake`, each on a connection of its own.
    pub nats: NatsAddress,
    /// Monitoring addresses of every server of the log.
    pub nats_monitors: Vec<String>,
    pub durability: Option<Declared>,
    /// The read models, for the command log alone.
    pub database_url: Secret,
    pub vault_url: Secret,
    pub key_file: PathBuf,
    /// What the states of owners may take in memory, so that their next command needs no load.
    pub cache_bytes: u64,
    /// Whose tokens are taken over HTTP.
    pub auth: AuthSettings,
    /// How often somebody may ask over HTTP.
    pub limits: LimitSettings,
    pub http_address: SocketAddr,
    /// Under which others reach that: `http://host:port`.
    pub public_url: Option<String>,
    /// Whether a write over HTTP to something that has a version must say which one its sender has seen.
    pub require_if_match: bool,
}

impl Config {
    pub fn from_env(mut env: Env) -> Result<Self, ConfigError> {
        let nats = NatsAddress::from_env(&mut env);
        let monitors: String = env.or("NATS_MONITOR_URL", String::new(), "monitoring addresses of every nats-server");
        let durability = env.optional("KEEPSAKE_DURABILITY", "`attested` or `relaxed`");
        let database_url =
            env.required("KEEPSAKE_DATABASE_URL", "the read models, as a login of keepsake_command_reader");
        let vault_url = env.required("KEEPSAKE_VAULT_URL", "the vault's database, as a login of keepsake_vault_keeper");
        let key_file = env.required("KEEPSAKE_KEK_FILE", "the file with the key-encryption key");
        let cache_bytes = env.or("KEEPSAKE_CACHE_BYTES", DEFAULT_CACHE_BYTES, "a number of bytes");
        let auth = AuthSettings::from_env(&mut env);
        let limits = LimitSettings::from_env(&mut env);
        let http_address = env.or("KEEPSAKE_HTTP_ADDR", DEFAULT_HTTP_ADDRESS, "an address and port to listen on");
        let public_url: Option<String> =
            env.optional("KEEPSAKE_COMMAND_URL", "http://host:port, as others reach this service");
        let require_if_match = env.or("KEEPSAKE_REQUIRE_IF_MATCH", false, "`true` or `false`");
        let public_url = public_url.map(|url| url.trim_end_matches('/').to_owned());
        let nats_monitors =
            monitors.split(',').map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect();
        let settings = nats.zip(database_url).zip(vault_url).zip(key_file).zip(auth);
        env.finish(settings.map(|((((nats, database_url), vault_url), key_file), auth)| Self {
            nats,
            nats_monitors,
            durability,
            database_url,
            vault_url,
            key_file,
            cache_bytes,
            auth,
            limits,
            http_address,
            public_url,
            require_if_match,
        }))
    }
}
