//! What the query service must be told to start.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use runtime::auth::AuthSettings;
use runtime::config::{ConfigError, Env, Secret};
use runtime::limits::LimitSettings;

use crate::cors::CorsOrigins;
use crate::pass_through::CommandUrl;

const DEFAULT_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(16).expect("is not zero");
/// A quarter of the connections a process takes.
const DEFAULT_LIVE_STREAMS: NonZeroUsize = NonZeroUsize::new(1_024).expect("is not zero");
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8003);

#[derive(Clone, Debug)]
pub struct Config {
    /// The read database, as a role that may only select.
    pub database_url: Secret,
    /// The database that the workers write to, where the other one is a replica of it: what they fold is announced there.
    pub primary_url: Secret,
    /// Connections to it, at most.
    pub database_connections: NonZeroUsize,
    /// The vault, as a role that may only look identifiers up.
    pub vault_url: Secret,
    /// The key-encryption key.
    pub key_file: PathBuf,
    /// Where writes are passed on to.
    pub command_url: CommandUrl,
    /// Whose tokens are taken.
    pub auth: AuthSettings,
    /// How often somebody may ask.
    pub limits: LimitSettings,
    /// Live streams at once; each holds its connection.
    pub live_streams: NonZeroUsize,
    /// Whose pages may ask from a browser.
    pub cors_origins: CorsOrigins,
    pub http_address: SocketAddr,
}

impl Config {
    pub fn from_env(mut env: Env) -> Result<Self, ConfigError> {
        let database_url =
            env.required("KEEPSAKE_DATABASE_URL", "the read database, as the reader role: postgres://...");
        let primary_url = env.optional("KEEPSAKE_PRIMARY_URL", "the database the workers write to: postgres://...");
        let database_connections =
            env.or("KEEPSAKE_DATABASE_CONNECTIONS", DEFAULT_CONNECTIONS, "a number of connections, 1 or more");
        let vault_url = env.required("KEEPSAKE_VAULT_URL", "the vault, as the lookup role: postgres://...");
        let key_file = env.required("KEEPSAKE_KEK_FILE", "the file that holds the key-encryption key");
        let command_url = env.required("KEEPSAKE_COMMAND_URL", "the command service: http://host:port");
        let auth = AuthSettings::from_env(&mut env);
        let limits = LimitSettings::from_env(&mut env);
        let live_streams = env.or("KEEPSAKE_LIVE_STREAMS", DEFAULT_LIVE_STREAMS, "a number of streams, 1 or more");
        let cors_origins = env.or(
            "KEEPSAKE_CORS_ORIGINS",
            CorsOrigins::default(),
            "origins as browsers spell them, between commas: https://app.example; or *",
        );
        let http_address = env.or("KEEPSAKE_HTTP_ADDR", DEFAULT_ADDRESS, "the address to listen on: 127.0.0.1:8003");
        let settings = || {
            Some(Self {
                primary_url: primary_url.or_else(|| database_url.clone())?,
                database_url: database_url?,
                database_connections,
                vault_url: vault_url?,
                key_file: key_file?,
                command_url: command_url?,
                auth: auth?,
                limits,
                live_streams,
                cors_origins,
                http_address,
            })
        };
        env.finish(settings())
    }
}
