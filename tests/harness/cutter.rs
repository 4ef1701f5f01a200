//! A way to Postgres that now and then loses the answer to a COMMIT.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const COMMIT: &[u8] = b"COMMIT\0";

/// Passes everything on, and once told to cuts the connection behind every so-manieth COMMIT: sent, and never answered.
pub struct Cutter {
    port: u16,
    scissors: Arc<Scissors>,
    _connections: JoinSet<()>,
}

struct Scissors {
    every: u64,
    open: AtomicBool,
    commits: AtomicU64,
    cuts: AtomicU64,
}

impl Cutter {
    /// In front of the Postgres at `host:port`.
    pub async fn start(upstream: String, every: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut connections = JoinSet::new();
        let (open, commits, cuts) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let scissors = Arc::new(Scissors { every, open, commits, cuts });
        let of_all = Arc::clone(&scissors);
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&upstream).await else { continue };
                let scissors = Arc::clone(&of_all);
                open.spawn(async move { pass(client, server, &scissors).await });
            }
        });
        Self { port, scissors, _connections: connections }
    }

    /// The same URL through here.
    pub fn url(&self, url: &str) -> String {
        let (login, rest) = url.rsplit_once('@').expect("a login");
        let (_, database) = rest.split_once('/').expect("a database");
        format!("{login}@127.0.0.1:{}/{database}", self.port)
    }

    /// From now on; who is cut off all the time is hardly ever ready.
    pub fn begin(&self) {
        self.scissors.open.store(true, Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.scissors.open.store(false, Ordering::Relaxed);
    }

    /// COMMITs whose answer was lost.
    pub fn cuts(&self) -> u64 {
        self.scissors.cuts.load(Ordering::Relaxed)
    }
}

impl Scissors {
    /// Whether the answer to this one is to be lost.
    fn cut(&self) -> bool {
        let is_open = self.open.load(Ordering::Relaxed);
        let cuts = is_open && self.commits.fetch_add(1, Ordering::Relaxed) % self.every == self.every - 1;
        self.cuts.fetch_add(cuts.into(), Ordering::Relaxed);
        cuts
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, scissors: &Scissors) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(bytes @ 1..) = read else { return };
                if server.write_all(&asked[..bytes]).await.is_err() {
                    return;
                }
                let is_commit = asked[..bytes].windows(COMMIT.len()).any(|window| window == COMMIT);
                if is_commit && scissors.cut() {
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
