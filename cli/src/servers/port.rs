//! Picks free ports on the loopback address.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context as _;

/// Below the range the kernel gives to outgoing connections, so a client that reconnects in a loop to a server that is
/// down can neither take the server's port nor connect to itself.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
const ATTEMPTS: usize = 200;

/// The port asked for, which must be free, or any free one. `option` is how to ask for another.
pub fn pick(asked: Option<u16>, server: &str, option: &str) -> anyhow::Result<u16> {
    match asked {
        None => any_free(),
        Some(port) if is_free(port) => Ok(port),
        Some(port) => anyhow::bail!(
            "port {port} for {server} is taken by another program: stop that program (`lsof -i :{port}` names it) \
             or choose another port with {option}"
        ),
    }
}

/// `preferred`, or the next free one above it.
pub fn next_free(preferred: u16) -> anyhow::Result<u16> {
    let found = (preferred..preferred.saturating_add(100)).find(|port| is_free(*port));
    found.with_context(|| format!("the ports {preferred} and the 99 above it are all taken: stop what holds them"))
}

/// Whether a server failed because somebody took its port after we had found it free.
pub fn was_taken(error: &anyhow::Error) -> bool {
    format!("{error:#}").to_ascii_lowercase().contains("address already in use")
}

fn any_free() -> anyhow::Result<u16> {
    for _ in 0..ATTEMPTS {
        let port = FIRST + u16::try_from(getrandom::u32()? % u32::from(COUNT))?;
        if is_free(port) {
            return Ok(port);
        }
    }
    anyhow::bail!("no free port was found on 127.0.0.1: stop some of the programs that listen there")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_refused_by_name_and_the_next_one_offered() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, any_free().unwrap())).unwrap();
        let port = held.local_addr().unwrap().port();
        let error = pick(Some(port), "nats-server", "--nats-port").unwrap_err().to_string();
        assert!(error.contains(&port.to_string()) && error.contains("--nats-port"), "{error}");
        assert!(next_free(port).unwrap() > port);
    }
}
