//! A way to Postgres on which a test may ask the very connections that a service holds.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// A question a test puts, and where the answer goes.
type Question = (String, oneshot::Sender<Answer>);

/// What a connection said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `I` outside of a transaction, `T` in one, `E` in one that failed.
    pub status: char,
    /// The columns of the only row; none when it answered with an error.
    pub row: Vec<Option<String>>,
}

/// Passes everything on.
pub struct Tap {
    port: u16,
    open: Arc<Mutex<Vec<mpsc::Sender<Question>>>>,
    _connections: JoinSet<()>,
}

impl Tap {
    /// In front of the Postgres at `host:port`.
    pub async fn start(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let open: Arc<Mutex<Vec<mpsc::Sender<Question>>>> = Arc::default();
        let (mut connections, of_all) = (JoinSet::new(), Arc::clone(&open));
        connections.spawn(async move {
            let mut passing = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&upstream).await else { continue };
                let (ask, questions) = mpsc::channel(1);
                of_all.lock().unwrap_or_else(PoisonError::into_inner).push(ask);
                passing.spawn(pass(client, server, questions));
            }
        });
        Self { port, open, _connections: connections }
    }

    /// The same URL through here.
    pub fn url(&self, url: &str) -> String {
        let (login, rest) = url.rsplit_once('@').expect("a login");
        let (_, database) = rest.split_once('/').expect("a database");
        format!("{login}@127.0.0.1:{}/{database}", self.port)
    }

    /// Asks every connection that is open. Whoever holds them must be idle: an answer that comes then is taken for ours.
    pub async fn ask(&self, sql: &str) -> Vec<Answer> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut answers = Vec::new();
        for connection in open {
            let (answer, answered) = oneshot::channel();
            if connection.send((sql.to_owned(), answer)).await.is_ok()
                && let Ok(answer) = answered.await
            {
                answers.push(answer);
            }
        }
        answers
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, mut questions: mpsc::Receiver<Question>) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(bytes @ 1..) = read else { return };
                if server.write_all(&asked[..bytes]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(bytes @ 1..) = read else { return };
                if client.write_all(&answered[..bytes]).await.is_err() {
                    return;
                }
            }
            Some((sql, tell)) = questions.recv() => {
                let Ok(answer) = ask(&mut server, &sql).await else { return };
                // Whoever asked waits for it, or has failed.
                let _told = tell.send(answer);
            }
        }
    }
}

/// A simple query, and all of what comes for it.
async fn ask(server: &mut TcpStream, sql: &str) -> std::io::Result<Answer> {
    let length = u32::try_from(sql.len() + 5).expect("a short question");
    server.write_all(&[b"Q", &length.to_be_bytes()[..], sql.as_bytes(), b"\0"].concat()).await?;
    let mut row = Vec::new();
    loop {
        let kind = server.read_u8().await?;
        let length = usize::try_from(server.read_u32().await?).expect("64 bits are enough");
        let mut body = vec![0; length - 4];
        server.read_exact(&mut body).await?;
        match kind {
            b'D' => row = columns(&body),
            b'Z' => return Ok(Answer { status: char::from(body[0]), row }),
            _ => {}
        }
    }
}

/// Of a `DataRow`: their count, then of each its length, -1 for NULL, and its text.
fn columns(body: &[u8]) -> Vec<Option<String>> {
    let (count, mut rest) = body.split_at(2);
    let mut columns = Vec::new();
    for _ in 0..u16::from_be_bytes([count[0], count[1]]) {
        let (length, after) = rest.split_at(4);
        let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        let text = usize::try_from(length).ok().map(|length| &after[..length]);
        columns.push(text.map(|text| String::from_utf8_lossy(text).into_owned()));
        rest = &after[text.map_or(0, <[u8]>::len)..];
    }
    columns
}
