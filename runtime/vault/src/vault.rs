//! The vault as a process uses it: one pool, the key-encryption key, bounded caches.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use proto::subject::{Owner, Tenant};
use quick_cache::sync::Cache;
use runtime::config::Secret;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};
use zeroize::Zeroizing;

use crate::aead::{Forged, Key, SealFault};
use crate::claim::{Claimed, NewClaim};
use crate::group::Group;
use crate::guest_keys::GuestKeys;
use crate::kek::{Kek, KekError};
use crate::new_guest::NewGuest;
use crate::register::KnownAs;
use crate::tenant_secret::TenantSecret;

const POOL_SIZE: usize = 8;
const WAIT_TIMEOUT: Duration = Duration::from_secs(2);
/// The limit of every question to the vault, whatever holds it up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(6);
const KEEPALIVE: Duration = Duration::from_secs(15);
/// The server's own limit for each statement.
const STATEMENT_TIMEOUT: &str = "-c statement_timeout=5000";
const PSEUDONYMS: &str = "pseudonyms of people who act";
const CACHED_TENANTS: usize = 10_000;
/// About 400 bytes each.
const CACHED_GUESTS: usize = 100_000;

/// Cheap to clone.
#[derive(Clone)]
pub struct Vault(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) pool: Pool,
    pub(crate) kek: Kek,
    /// Keys the pseudonyms of people who act: one is made for every request.
    pub(crate) pseudonyms: Key,
    pub(crate) secrets: Cache<Tenant, TenantSecret>,
    /// And when the register said so.
    pub(crate) owners: Cache<KnownAs, (Owner, Instant)>,
    pub(crate) keys: Cache<(Tenant, Owner), Arc<GuestKeys>>,
    pub(crate) claims: Arc<Group<NewClaim, Claimed>>,
    pub(crate) additions: Arc<Group<NewGuest, bool>>,
}

/// Why the vault gave no answer. Cheap to clone: one fault may be the answer to many.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VaultError {
    #[error("the vault's address is not a Postgres URL")]
    Address(#[source] Arc<tokio_postgres::Error>),
    #[error(transparent)]
    Key(Arc<KekError>),
    #[error("the vault cannot be reached")]
    Unavailable(#[source] Arc<PoolError>),
    #[error("the vault did not answer")]
    Database(#[source] Arc<tokio_postgres::Error>),
    #[error("the vault did not answer in time")]
    Timeout,
    #[error("too many guests are being registered")]
    Overloaded,
    #[error("the tenant has no secret in the vault: it was never provisioned")]
    TenantUnknown,
    #[error("a stored key does not unwrap with this key file")]
    WrongKeyFile(#[from] Forged),
    #[error(transparent)]
    Seal(#[from] SealFault),
    #[error("the vault holds a row that is none: {0}")]
    Corrupt(&'static str),
}

impl From<KekError> for VaultError {
    fn from(error: KekError) -> Self {
        Self::Key(Arc::new(error))
    }
}

impl From<PoolError> for VaultError {
    fn from(error: PoolError) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

impl From<tokio_postgres::Error> for VaultError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl Vault {
    /// Prepares the connections; the first one is made when it is needed.
    pub fn connect(url: &Secret, key_file: &Path) -> Result<Self, VaultError> {
        let mut config =
            tokio_postgres::Config::from_str(url.expose()).map_err(|error| VaultError::Address(error.into()))?;
        config.options(STATEMENT_TIMEOUT).connect_timeout(WAIT_TIMEOUT).application_name("keepsake-vault");
        config.keepalives_idle(KEEPALIVE).tcp_user_timeout(ANSWER_TIMEOUT);
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(POOL_SIZE)
            .wait_timeout(Some(WAIT_TIMEOUT))
            .create_timeout(Some(WAIT_TIMEOUT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|_| VaultError::Corrupt("the pool has no runtime"))?;
        let kek = Kek::from_file(key_file)?;
        Ok(Self(Arc::new(Inner {
            pool,
            pseudonyms: kek.derive(PSEUDONYMS),
            kek,
            secrets: Cache::new(CACHED_TENANTS),
            owners: Cache::new(CACHED_GUESTS),
            keys: Cache::new(CACHED_GUESTS),
            claims: Group::new(),
            additions: Group::new(),
        })))
    }

    /// Whether the vault answers.
    pub async fn ping(&self) -> Result<(), VaultError> {
        self.ask(async |connection| connection.batch_execute("SELECT 1").await).await
    }

    /// A key for one purpose, the same in every process that holds the key file.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        self.0.kek.derive(purpose)
    }

    /// The rows a statement gives.
    pub(crate) async fn rows(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, VaultError> {
        // Boxed: what a command carries with it in memory is the way past the caches' hits, not this one.
        Box::pin(self.ask(async |asked| asked.query(&asked.prepare_cached(sql).await?, parameters).await)).await
    }

    /// Asks the database one thing, within the time limit; a connection that did not answer in time is not used again.
    pub(crate) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Object) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, VaultError> {
        let give_up = Instant::now() + ANSWER_TIMEOUT;
        let connection = timeout_at(give_up, self.0.pool.get()).await.map_err(|_| VaultError::Timeout)??;
        let Ok(answer) = timeout_at(give_up, question(&connection)).await else {
            drop(Object::take(connection));
            return Err(VaultError::Timeout);
        };
        Ok(answer?)
    }
}
