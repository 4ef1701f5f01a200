//! How often a tenant, and each of its callers, may ask one process: beyond that it is asked to wait, and others do not.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use governor::clock::DefaultClock;
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::keyed::DefaultKeyedStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Principal;
use crate::config::Env;
use crate::problem::Problem;
use crate::tenant::Tenant;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// Every so often those who have not asked of late are forgotten.
const FORGET_EVERY: u32 = 4_096;
/// A budget is for one second, and full again after one.
const WINDOW_S: u32 = 1;

const DEFAULT_TENANT: NonZeroU32 = NonZeroU32::new(5_000).expect("not 0");
const DEFAULT_PRINCIPAL: NonZeroU32 = NonZeroU32::new(2_000).expect("not 0");
/// Few, so that no number of guests that anybody can register uses their tenant's budget up soon.
const DEFAULT_GUEST: NonZeroU32 = NonZeroU32::new(20).expect("not 0");
const DEFAULT_REFUSALS: NonZeroU32 = NonZeroU32::new(100).expect("not 0");

/// Requests a second, and as many at once after a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    pub tenant: NonZeroU32,
    pub principal: NonZeroU32,
    /// A principal that is a guest.
    pub guest: NonZeroU32,
    /// Of one address, that were refused for want of a credential or a scope.
    pub refusals: NonZeroU32,
}

impl LimitSettings {
    /// Reads `KEEPSAKE_TENANT_REQUESTS_PER_S`, `KEEPSAKE_PRINCIPAL_REQUESTS_PER_S`, `KEEPSAKE_GUEST_REQUESTS_PER_S` and
    /// `KEEPSAKE_REFUSALS_PER_S`.
    pub fn from_env(env: &mut Env) -> Self {
        let what = "requests a second over HTTP, 1 or more";
        Self {
            tenant: env.or("KEEPSAKE_TENANT_REQUESTS_PER_S", DEFAULT_TENANT, what),
            principal: env.or("KEEPSAKE_PRINCIPAL_REQUESTS_PER_S", DEFAULT_PRINCIPAL, what),
            guest: env.or("KEEPSAKE_GUEST_REQUESTS_PER_S", DEFAULT_GUEST, what),
            refusals: env.or("KEEPSAKE_REFUSALS_PER_S", DEFAULT_REFUSALS, "refusals a second over HTTP, 1 or more"),
        }
    }
}

type Limiter<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

type OneLimiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// The budgets of everybody who asks this process.
pub struct Limits {
    /// Of tenants with settings of their own.
    agreed: RwLock<HashMap<Tenant, Agreed>>,
    tenants: Limiter<Tenant>,
    principals: Limiter<(Tenant, u64)>,
    guests: Limiter<(Tenant, u64)>,
    asked: AtomicU32,
}

/// A budget that is one tenant's alone.
struct Agreed {
    per_second: NonZeroU32,
    limiter: OneLimiter,
}

/// What is left of the budgets a request took from.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Allowance {
    /// Of all callers of the tenant together.
    #[schema(inline)]
    tenant: Budget,
    /// The caller's own.
    #[schema(inline)]
    principal: Budget,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct Budget {
    /// Requests in a window.
    limit: u32,
    /// How many seconds a window has.
    window_s: u32,
    /// Requests that are left now.
    remaining: u32,
}

impl Limits {
    pub fn new(settings: LimitSettings) -> Self {
        Self {
            agreed: RwLock::default(),
            tenants: limiter(settings.tenant),
            principals: limiter(settings.principal),
            guests: limiter(settings.guest),
            asked: AtomicU32::new(0),
        }
    }

    /// What the settings of a tenant say; 0 is what every tenant has. Another number begins with a full budget.
    pub fn agree(&self, tenant: &Tenant, requests_per_s: u32) {
        let per_second = NonZeroU32::new(requests_per_s);
        let known = self.agreed.read().unwrap_or_else(PoisonError::into_inner);
        if known.get(tenant).map(|agreed| agreed.per_second) == per_second {
            return;
        }
        drop(known);
        let mut agreed = self.agreed.write().unwrap_or_else(PoisonError::into_inner);
        match per_second {
            Some(per_second) => {
                let limiter = RateLimiter::direct(Quota::per_second(per_second)).with_middleware();
                agreed.insert(tenant.clone(), Agreed { per_second, limiter });
            }
            None => drop(agreed.remove(tenant)),
        }
    }

    fn take_of(&self, tenant: &Tenant) -> Option<Budget> {
        let agreed = self.agreed.read().unwrap_or_else(PoisonError::into_inner);
        match agreed.get(tenant) {
            Some(Agreed { limiter, .. }) => limiter.check().ok().map(Budget::left),
            None => take(&self.tenants, tenant),
        }
    }

    /// Takes a request from both budgets. Whoever has used its own up takes nothing from its tenant's.
    pub(crate) fn take(&self, tenant: &Tenant, principal: &Principal) -> Result<Allowance, Problem> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.tenants.retain_recent();
            self.principals.retain_recent();
            self.guests.retain_recent();
        }
        let principals = if principal.own().is_some() { &self.guests } else { &self.principals };
        let principal = take(principals, &(tenant.clone(), principal.key())).ok_or_else(|| refused("you"))?;
        let tenant = self.take_of(tenant).ok_or_else(|| refused("your tenant"))?;
        Ok(Allowance { tenant, principal })
    }
}

fn limiter<K: Hash + Eq + Clone>(per_second: NonZeroU32) -> Limiter<K> {
    RateLimiter::keyed(Quota::per_second(per_second)).with_middleware()
}

fn take<K: Hash + Eq + Clone>(limiter: &Limiter<K>, key: &K) -> Option<Budget> {
    limiter.check_key(key).ok().map(Budget::left)
}

impl Budget {
    #[expect(clippy::needless_pass_by_value, reason = "what a limiter answers is only looked at here")]
    fn left(answer: StateSnapshot) -> Self {
        let (limit, remaining) = (answer.quota().burst_size().get(), answer.remaining_burst_capacity());
        Self { limit, window_s: WINDOW_S, remaining }
    }
}

fn refused(who: &str) -> Problem {
    let detail = format!("{who} asked more often than is agreed: wait a second");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
}

impl Allowance {
    /// As draft-ietf-httpapi-ratelimit-headers has it.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let Self { tenant, principal } = self;
        let policy =
            format!("\"tenant\";q={};w={WINDOW_S}, \"principal\";q={};w={WINDOW_S}", tenant.limit, principal.limit);
        let left = format!(
            "\"tenant\";r={};t={WINDOW_S}, \"principal\";r={};t={WINDOW_S}",
            tenant.remaining, principal.remaining
        );
        for (name, value) in [(POLICY, policy), (LEFT, left)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(tenant: u32, principal: u32) -> Limits {
        let [tenant, principal] = [tenant, principal].map(|limit| NonZeroU32::new(limit).unwrap());
        Limits::new(LimitSettings { tenant, principal, guest: principal, refusals: principal })
    }

    fn tenant(name: &str) -> Tenant {
        name.parse().unwrap()
    }

    #[test]
    fn who_has_used_its_budget_up_is_refused_and_others_are_not() {
        let (limits, anyone) = (limits(3, 100), Principal::anyone());
        let mut left = Vec::new();
        while let Ok(allowance) = limits.take(&tenant("loud"), &anyone) {
            left.push(allowance.tenant.remaining);
        }
        assert_eq!(left[..3], [2, 1, 0]);
        let refused = limits.take(&tenant("loud"), &anyone).map(drop).unwrap_err();
        assert_eq!((refused.code(), refused.is_retryable()), ("rate_limited", true));
        assert!(limits.take(&tenant("calm"), &anyone).is_ok());
    }

    #[test]
    fn what_was_agreed_with_a_tenant_counts_until_it_is_taken_back() {
        let (limits, anyone, demo) = (limits(3, 1_000), Principal::anyone(), tenant("demo"));
        let limit = || limits.take(&demo, &anyone).unwrap().tenant.limit;
        assert_eq!(limit(), 3);
        limits.agree(&demo, 500);
        assert_eq!((0..100).map(|_| limit()).max(), Some(500));
        limits.agree(&demo, 500);
        let left = limits.take(&demo, &anyone).unwrap().tenant.remaining;
        assert!(left < 450, "the same again gives nothing back: {left} are left");
        assert_eq!(limits.take(&tenant("other"), &anyone).unwrap().tenant.limit, 3);
        limits.agree(&demo, 0);
        assert_eq!(limit(), 3);
    }

    #[test]
    fn one_caller_does_not_use_the_tenants_budget_up() {
        let (limits, loud) = (limits(1_000, 2), Principal::service("loud"));
        let refused = (0..1_000).filter(|_| limits.take(&tenant("demo"), &loud).is_err()).count();
        assert!(refused > 900, "{refused} of 1,000 were refused");
        let left = limits.take(&tenant("demo"), &Principal::service("calm")).unwrap();
        assert!(left.tenant.remaining > 900 && left.principal.remaining == 1, "{left:?}");
    }

    #[test]
    fn what_is_left_is_told_in_headers() {
        let mut headers = HeaderMap::new();
        limits(5, 2).take(&tenant("demo"), &Principal::anyone()).unwrap().tell(&mut headers);
        assert_eq!(headers[POLICY], "\"tenant\";q=5;w=1, \"principal\";q=2;w=1");
        assert_eq!(headers[LEFT], "\"tenant\";r=4;t=1, \"principal\";r=1;t=1");
    }
}
