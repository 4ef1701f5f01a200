//! Connections to the read database that are clean when they are borrowed and never wait for ever.

use std::str::FromStr as _;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use runtime::config::Secret;
use tokio_postgres::{Config, NoTls};

use crate::error::SchemaError;

/// For a connection to come free, to be made, or to be found clean.
const WAIT: Duration = Duration::from_secs(2);
/// A peer that is gone without a word is noticed after this long.
const SILENCE: Duration = Duration::from_secs(10);
const LIMITS: &str = "-c statement_timeout=5s -c lock_timeout=4s -c idle_in_transaction_session_timeout=30s";

/// A statement is planned once for each connection: every one searches an index, whatever it searches for, and planning it again costs
/// more than running it.
const PLANNED_ONCE: &str = "-c plan_cache_mode=force_generic_plan";

/// Ends whatever a borrower left open. BEGIN first: a bare ROLLBACK outside a transaction is a warning in the server's log every
/// time; inside an aborted one BEGIN fails, and the connection is to be replaced.
const CLEAN: &str = "BEGIN; ROLLBACK; RESET ALL";

/// A pool of at most `size` connections; the first one is made when it is needed. Whoever borrows one finds it clean, which costs
/// a round trip each time.
pub fn pool(url: &Secret, size: usize) -> Result<Pool, SchemaError> {
    build(connecting(url)?, size, RecyclingMethod::Custom(CLEAN.to_owned()))
}

/// The same for small reads: without that round trip, since whoever borrows a connection gives it back clean, or closes it; and
/// with statements that are planned once.
pub fn pool_of_readers(url: &Secret, size: usize) -> Result<Pool, SchemaError> {
    let mut config = connecting(url)?;
    let options = format!("{} {PLANNED_ONCE}", config.get_options().unwrap_or_default());
    config.options(&options);
    build(config, size, RecyclingMethod::Fast)
}

fn build(config: Config, size: usize, recycling_method: RecyclingMethod) -> Result<Pool, SchemaError> {
    let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method });
    let pool = Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(WAIT))
        .recycle_timeout(Some(WAIT))
        .runtime(Runtime::Tokio1);
    Ok(pool.build()?)
}

/// A connection that is bounded in all it waits for.
pub(crate) fn connecting(url: &Secret) -> Result<Config, SchemaError> {
    let mut config = Config::from_str(url.expose()).map_err(SchemaError::Address)?;
    let options = format!("{} {LIMITS}", config.get_options().unwrap_or_default());
    config.options(options.trim()).connect_timeout(WAIT).keepalives_idle(SILENCE).tcp_user_timeout(SILENCE);
    if config.get_application_name().is_none() {
        config.application_name("keepsake");
    }
    Ok(config)
}
