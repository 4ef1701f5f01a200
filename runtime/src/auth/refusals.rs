//! How often one address may be refused: who guesses is slowed down, and whoever is let in there notices nothing of it.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::StatusCode;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::problem::Problem;
use crate::serve::Peer;

/// After a silence twice as many may be refused at once.
const BURST: NonZeroU32 = NonZeroU32::new(2).expect("is not 0");
/// Every so often those who were not refused of late are forgotten.
const FORGET_EVERY: u32 = 4_096;

/// Counts refusals of who somebody is or what it may do, by address.
pub(super) struct Refusals {
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    counted: AtomicU32,
}

impl Refusals {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(per_second.saturating_mul(BURST));
        Self { by_address: RateLimiter::keyed(quota), counted: AtomicU32::new(0) }
    }

    /// What its sender is told of a refusal: nothing of the reason once there were too many.
    pub(super) fn count(&self, peer: Option<Peer>, refusal: Problem) -> Problem {
        let is_counted = matches!(refusal.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let Some(Peer(address)) = peer.filter(|_| is_counted) else { return refusal };
        if self.counted.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.by_address.retain_recent();
        }
        if self.by_address.check_key(&network(address)).is_ok() { refusal } else { too_many() }
    }
}

/// Of IPv6 whoever has an address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

fn too_many() -> Problem {
    let detail = "too many requests from your address were refused; those that are let in are answered all the same";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(refusals: &Refusals, address: &str, refusal: Problem) -> &'static str {
        refusals.count(Some(Peer(address.parse().unwrap())), refusal).code()
    }

    fn forbidden() -> Problem {
        Problem::forbidden("scope_missing", "a scope")
    }

    #[test]
    fn who_is_refused_too_often_is_told_to_wait_and_others_are_not() {
        let refusals = Refusals::new(NonZeroU32::MIN);
        let told_to_wait = (0..100).filter(|_| told(&refusals, "10.0.0.1", forbidden()) == "rate_limited").count();
        assert!(told_to_wait > 90, "{told_to_wait}");
        assert_eq!(told(&refusals, "10.0.0.2", forbidden()), "scope_missing");
        let other = Problem::bad_request("tenant_missing", "a tenant");
        assert_eq!(told(&refusals, "10.0.0.1", other), "tenant_missing");
    }

    #[test]
    fn another_address_of_the_same_network_is_the_same_somebody() {
        let refusals = Refusals::new(NonZeroU32::MIN);
        let codes = (0..100).map(|last| told(&refusals, &format!("2001:db8::{last:x}"), forbidden()));
        assert!(codes.filter(|code| *code == "rate_limited").count() > 90);
        assert_eq!(told(&refusals, "2001:db8:0:1::1", forbidden()), "scope_missing");
    }
}
