//! NATS as it is on the wire: what a client library would not send, and what the server says to each thing that is sent.

use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use event_log::seed_file;
use nkeys::KeyPair;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A connection, and the messages that came on it.
pub struct Raw {
    stream: BufReader<TcpStream>,
    messages: Vec<Heard>,
}

/// A message as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Heard {
    pub subject: String,
    pub reply: Option<String>,
    /// Headers and body.
    pub content: Vec<u8>,
}

impl Raw {
    /// Signs in as this user, with its seed of the folder; what the server says when it does not admit it.
    pub async fn connect(url: &str, users: &Path, user: &str) -> Result<Self, String> {
        let address = url.trim_start_matches("nats://");
        let stream = BufReader::new(TcpStream::connect(address).await.expect("connects"));
        let mut raw = Self { stream, messages: Vec::new() };
        let info = raw.line().await;
        let info: Value = serde_json::from_str(info.strip_prefix("INFO ").expect("the server begins")).expect("JSON");
        let seed = std::fs::read_to_string(seed_file(users, user)).expect("a seed");
        let pair = KeyPair::from_seed(seed.trim()).expect("a seed");
        let nonce = info["nonce"].as_str().expect("the server asks who comes");
        let signature = BASE64URL_NOPAD.encode(&pair.sign(nonce.as_bytes()).expect("signs"));
        let options = json!({
            "nkey": pair.public_key(), "sig": signature, "verbose": false, "headers": true, "no_responders": true,
            "lang": "test", "version": "0", "protocol": 1,
        });
        raw.write(format!("CONNECT {options}\r\nPING\r\n").as_bytes()).await;
        loop {
            let said = raw.line().await;
            match said.split(' ').next().unwrap_or_default() {
                "PONG" => return Ok(raw),
                "INFO" => {}
                _ => return Err(said),
            }
        }
    }

    /// Sends it, and waits for the server's word that it has dealt with it; answers what it complained of.
    pub async fn send(&mut self, protocol: &[u8]) -> Vec<String> {
        self.write(&[protocol, b"PING\r\n"].concat()).await;
        let mut complaints = Vec::new();
        loop {
            let line = self.line().await;
            match line.split(' ').next().unwrap_or_default() {
                "PONG" => return complaints,
                "PING" => self.write(b"PONG\r\n").await,
                "-ERR" => complaints.push(line),
                "MSG" | "HMSG" => self.take(&line).await,
                "INFO" | "+OK" => {}
                other => panic!("the server says {other:?}: {line}"),
            }
        }
    }

    pub async fn publish(&mut self, subject: &str, reply: &str, body: &str) -> Vec<String> {
        self.send(format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len()).as_bytes()).await
    }

    pub async fn publish_with_headers(&mut self, subject: &str, headers: &[u8], body: &[u8]) -> Vec<String> {
        let head = format!("HPUB {subject} {} {}\r\n", headers.len(), headers.len() + body.len());
        self.send(&[head.as_bytes(), headers, body, b"\r\n"].concat()).await
    }

    /// Subscribes, and unsubscribes again.
    pub async fn try_subscribe(&mut self, subject: &str) -> Vec<String> {
        let complaints = self.send(format!("SUB {subject} 99\r\n").as_bytes()).await;
        self.send(b"UNSUB 99\r\n").await;
        complaints
    }

    /// What came meanwhile.
    pub async fn heard(&mut self) -> Vec<Heard> {
        let complaints = self.send(b"").await;
        assert!(complaints.is_empty(), "{complaints:?}");
        std::mem::take(&mut self.messages)
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("writes");
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.expect("reads");
        assert!(read > 0, "the server has ended the connection");
        line.trim_end().to_owned()
    }

    async fn take(&mut self, head: &str) {
        let words: Vec<&str> = head.split_whitespace().collect();
        let size: usize = words.last().expect("a size").parse().expect("a size");
        let mut body = vec![0; size + 2];
        self.stream.read_exact(&mut body).await.expect("reads");
        body.truncate(size);
        let with_reply = if words[0] == "HMSG" { 6 } else { 5 };
        let reply = (words.len() == with_reply).then(|| words[3].to_owned());
        self.messages.push(Heard { subject: words[1].to_owned(), reply, content: body });
    }
}
