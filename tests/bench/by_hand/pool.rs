//! The tables of the service by hand, and its connections: prepared, and each lent to one request at a time.

use std::sync::{Mutex, PoisonError};

use anyhow::ensure;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::{Client, NoTls, Statement};
use tokio_util::task::AbortOnDropHandle;

use crate::contestant::command::identifier;
use crate::field::OWNERS;

pub(crate) const CONNECTIONS: usize = 16;

const SCHEMA: &str = "
CREATE TABLE guest (
    id                text PRIMARY KEY,
    version           bigint NOT NULL DEFAULT 0,
    interaction_count bigint NOT NULL DEFAULT 0,
    last_at           timestamptz
);
CREATE TABLE event (
    position    bigint GENERATED ALWAYS AS IDENTITY,
    guest       text NOT NULL,
    version     bigint NOT NULL,
    command_id  text NOT NULL,
    kind        text NOT NULL,
    payload     jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (guest, version),
    UNIQUE (guest, command_id)
)";
const REGISTER: &str = "INSERT INTO guest (id) SELECT unnest($1::text[])";
const LOCK: &str = "SELECT version FROM guest WHERE id = $1 FOR UPDATE";
const APPEND: &str =
    "INSERT INTO event (guest, version, command_id, kind, payload) VALUES ($1, $2, $3, $4, $5) RETURNING position";
const FOLD: &str =
    "UPDATE guest SET version = $2, interaction_count = interaction_count + 1, last_at = now() WHERE id = $1";

/// A task that moves a connection's bytes; ends with this.
pub(crate) type Driver = AbortOnDropHandle<Result<(), tokio_postgres::Error>>;

pub(crate) async fn connect(url: &str) -> Result<(Client, Driver), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    Ok((client, AbortOnDropHandle::new(tokio::spawn(connection))))
}

pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) lock: Statement,
    pub(super) append: Statement,
    pub(super) fold: Statement,
    _driver: Driver,
}

impl Connection {
    async fn prepare(url: &str) -> Result<Self, tokio_postgres::Error> {
        let (client, driver) = connect(url).await?;
        let (lock, append) = (client.prepare(LOCK).await?, client.prepare(APPEND).await?);
        let fold = client.prepare(FOLD).await?;
        Ok(Self { client, lock, append, fold, _driver: driver })
    }
}

pub(super) struct Pool {
    idle: Mutex<Vec<Connection>>,
    free: Semaphore,
}

impl Pool {
    /// Makes the tables with all guests in them, on a server that has proved to be durable.
    pub(super) async fn prepare(url: &str) -> anyhow::Result<Self> {
        let (client, _driver) = connect(url).await?;
        prove(&client).await?;
        client.batch_execute(SCHEMA).await?;
        let guests: Vec<String> = (0..OWNERS).map(identifier).collect();
        client.execute(REGISTER, &[&guests]).await?;
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS {
            idle.push(Connection::prepare(url).await?);
        }
        Ok(Self { free: Semaphore::new(idle.len()), idle: Mutex::new(idle) })
    }

    /// Waits in turn for a connection.
    pub(super) async fn lend(&self) -> Lent<'_> {
        let permit = self.free.acquire().await.expect("nobody closes it");
        let connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lent { connection, pool: self, _permit: permit }
    }
}

/// An answer to a commit means that it is on disk.
pub(crate) async fn prove(client: &Client) -> anyhow::Result<()> {
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let shown = client.query_one(&format!("SHOW {setting}"), &[]).await?;
        let value: &str = shown.try_get(0)?;
        ensure!(value == "on", "the Postgres of the benchmark has {setting} = {value}");
    }
    Ok(())
}

/// A connection, given back before its permit is when this is dropped.
pub(super) struct Lent<'a> {
    connection: Option<Connection>,
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
}

impl Lent<'_> {
    pub(super) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("there is one for each permit")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.connection.take());
    }
}
