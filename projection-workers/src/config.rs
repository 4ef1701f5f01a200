//! What the projection workers must be told to start.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use event_log::NatsAddress;
use runtime::config::{ConfigError, Env, Secret};

const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8005);

const DEFAULT_SAMPLE_PERCENT: f64 = 0.5;
const MOST_SAMPLE_PERCENT: f64 = 50.0;

#[derive(Clone, Debug)]
pub struct Config {
    /// The log, as the user `workers`.
    pub nats: NatsAddress,
    /// The read database, as a role that may write every read model.
    pub database_url: Secret,
    /// The vault, as a role that may read keys.
    pub vault_url: Secret,
    /// The key-encryption key.
    pub key_file: PathBuf,
    /// Where health and metrics are asked.
    pub http_address: SocketAddr,
    /// How much of its time the sampler spends folding guests again, in percent; 0 turns it off.
    pub sample_percent: f64,
    /// Folds without a proof, so that its price can be measured. What is folded meanwhile can never be proved.
    pub without_proof: bool,
    /// Whether this process publishes, fires timers and runs policies, whenever no other does.
    pub errands: bool,
}

impl Config {
    pub fn from_env(mut env: Env) -> Result<Self, ConfigError> {
        let nats = NatsAddress::from_env(&mut env);
        let database_url =
            env.required("KEEPSAKE_DATABASE_URL", "the read database, as the writer role: postgres://...");
        let vault_url = env.required("KEEPSAKE_VAULT_URL", "the vault, as the opener role: postgres://...");
        let key_file = env.required("KEEPSAKE_KEK_FILE", "the file that holds the key-encryption key");
        let http_address =
            env.or("KEEPSAKE_HTTP_ADDR", DEFAULT_ADDRESS, "the address of health and metrics: 127.0.0.1:8005");
        let sample_percent = env.or(
            "KEEPSAKE_SAMPLE_PERCENT",
            DEFAULT_SAMPLE_PERCENT,
            "the share of its time the sampler works, in percent, 0 to turn it off: 0.5",
        );
        let without_proof =
            env.or("KEEPSAKE_MEASURE_WITHOUT_PROOF", 0_u8, "1 to measure what the proof costs, never else");
        let errands =
            env.or("KEEPSAKE_ERRANDS", 1_u8, "0 to leave publishing, timers and policies to other processes: 1");
        let settings = || {
            Some(Self {
                nats: nats?,
                database_url: database_url?,
                vault_url: vault_url?,
                key_file: key_file?,
                http_address,
                sample_percent: sample_percent.clamp(0.0, MOST_SAMPLE_PERCENT),
                without_proof: without_proof == 1,
                errands: errands != 0,
            })
        };
        env.finish(settings())
    }
}
