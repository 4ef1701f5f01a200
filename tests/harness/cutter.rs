//! A way to Postgres that loses the answer to a COMMIT now and then, or keeps transactions from beginning.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// As our statements and as tokio-postgres have it.
const BEGINS: [&[u8]; 2] = [b"BEGIN\0", b"START TRANSACTION\0"];
const COMMIT: &[u8] = b"COMMIT\0";

/// Passes everything on. Once told to, it cuts the connection behind every so-manieth COMMIT: sent, and never answered. Or it keeps
/// every BEGIN and what follows it, until it is told to let go.
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
    holds: watch::Sender<bool>,
    held: AtomicU64,
}

impl Cutter {
    /// In front of the Postgres this URL leads to.
    pub async fn start(url: &str, every: u64) -> Self {
        let upstream = url.rsplit_once('@').expect("a login").1.split('/').next().expect("a host").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut connections = JoinSet::new();
        let [commits, cuts, held] = [const { AtomicU64::new(0) }; 3];
        let (open, holds) = (AtomicBool::new(false), watch::Sender::new(false));
        let scissors = Arc::new(Scissors { every, open, commits, cuts, holds, held });
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

    /// From now on no transaction begins; those under way are finished.
    pub fn hold(&self) {
        self.scissors.holds.send_replace(true);
    }

    /// Everything that was kept goes its way.
    pub fn let_go(&self) {
        self.scissors.holds.send_replace(false);
    }

    /// Transactions that were ever kept.
    pub fn held(&self) -> u64 {
        self.scissors.held.load(Ordering::Relaxed)
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

    /// Returns when what begins with this may be passed on.
    async fn pass(&self, asked: &[u8]) {
        let mut holds = self.holds.subscribe();
        if *holds.borrow() && BEGINS.iter().any(|begin| contains(asked, begin)) {
            self.held.fetch_add(1, Ordering::Relaxed);
            let _kept_by_self = holds.wait_for(|holds| !holds).await;
        }
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

async fn pass(mut client: TcpStream, mut server: TcpStream, scissors: &Scissors) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(bytes @ 1..) = read else { return };
                scissors.pass(&asked[..bytes]).await;
                if server.write_all(&asked[..bytes]).await.is_err() {
                    return;
                }
                if contains(&asked[..bytes], COMMIT) && scissors.cut() {
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
