//! A way to Postgres that now and then loses the answer to a COMMIT.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const COMMIT: &[u8] = b"COMMIT\0";

/// Passes everything on, and cuts the connection behind every so-manieth COMMIT: sent, and never answered.
pub struct Cutter {
    port: u16,
    cuts: Arc<AtomicU64>,
    _connections: JoinSet<()>,
}

impl Cutter {
    /// In front of the Postgres at `host:port`.
    pub async fn start(upstream: String, every: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (commits, cuts) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut connections = JoinSet::new();
        let counted = Arc::clone(&cuts);
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&upstream).await else { continue };
                let (commits, cuts) = (Arc::clone(&commits), Arc::clone(&counted));
                open.spawn(async move { pass(client, server, every, &commits, &cuts).await });
            }
        });
        Self { port, cuts, _connections: connections }
    }

    /// The same URL through here.
    pub fn url(&self, url: &str) -> String {
        let (login, rest) = url.rsplit_once('@').expect("a login");
        let (_, database) = rest.split_once('/').expect("a database");
        format!("{login}@127.0.0.1:{}/{database}", self.port)
    }

    /// COMMITs whose answer was lost.
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, every: u64, commits: &AtomicU64, cuts: &AtomicU64) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(bytes @ 1..) = read else { return };
                if server.write_all(&asked[..bytes]).await.is_err() {
                    return;
                }
                let is_commit = asked[..bytes].windows(COMMIT.len()).any(|window| window == COMMIT);
                if is_commit && commits.fetch_add(1, Ordering::Relaxed) % every == every - 1 {
                    cuts.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(bytes @ 1..) = read else { return };
                if client.write_all(&answered[..bytes]).await.is_err() {
                    return;
                }
            }
        }
    }
}
