//! The gate before a route: who comes in, for which tenant, and whether they may.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use utoipa_axum::router::UtoipaMethodRouter;

use super::refusals::Refusals;
use super::{ApiKeys, Auth, AuthSettings, IssuersError, Principal, Scope};
use crate::accept::MediaType;
use crate::limits::{Allowance, LimitSettings, Limits};
use crate::openapi;
use crate::problem::Problem;
use crate::serve::Peer;
use crate::tenant::{self, Tenant};
use crate::trace;

/// Who stands at the gates of a process. Cheap to clone.
#[derive(Clone)]
pub struct Gatekeeper {
    auth: Auth,
    limits: Arc<Limits>,
    refusals: Arc<Refusals>,
}

impl Gatekeeper {
    pub fn new(auth: &AuthSettings, api_keys: Arc<dyn ApiKeys>, limits: LimitSettings) -> Result<Self, IssuersError> {
        let refusals = Arc::new(Refusals::new(limits.refusals));
        Ok(Self { auth: Auth::new(auth, api_keys)?, limits: Arc::new(Limits::new(limits)), refusals })
    }
}

impl Gatekeeper {
    /// Whether who was let in with these headers still would be: for what lasts longer than an answer.
    pub async fn still_admits(&self, headers: &HeaderMap, scope: Scope) -> Result<(), Problem> {
        let principal = self.auth.authenticate(headers).await?;
        allowed(&principal, &tenant::named_in(headers)?, Some(scope))
    }

    /// The budgets it holds callers to.
    pub fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }
}

/// A route that is closed to whoever may not use it.
pub trait Guarded {
    /// Lets in who may act for the tenant of the request, has this scope, has not asked too often, and takes what is answered: JSON,
    /// unless the route says otherwise. What stands behind it finds `RequestTenant`, `Principal` and `Allowance`.
    #[must_use]
    fn guarded(self, gatekeeper: &Gatekeeper, scope: impl Into<Option<Scope>>) -> Self;
}

impl<S: Clone + Send + Sync + 'static> Guarded for MethodRouter<S> {
    fn guarded(self, gatekeeper: &Gatekeeper, scope: impl Into<Option<Scope>>) -> Self {
        let gate = Gate { keeper: gatekeeper.clone(), scope: scope.into() };
        self.route_layer(from_fn_with_state(gate, pass))
    }
}

/// A route that describes itself tells of its gate, too.
impl<S: Clone + Send + Sync + 'static> Guarded for UtoipaMethodRouter<S> {
    fn guarded(self, gatekeeper: &Gatekeeper, scope: impl Into<Option<Scope>>) -> Self {
        let ((schemas, mut paths, routes), scope) = (self, scope.into());
        openapi::require(&mut paths, scope);
        (schemas, paths, routes.guarded(gatekeeper, scope))
    }
}

#[derive(Clone)]
struct Gate {
    keeper: Gatekeeper,
    /// `None`: whoever is known may pass.
    scope: Option<Scope>,
}

async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    trace::matched(request.method(), request.extensions());
    match gate.admit(&mut request).await {
        Ok(allowance) => {
            let mut response = next.run(request).await;
            allowance.tell(response.headers_mut());
            response
        }
        Err(problem) => problem.into_response(),
    }
}

impl Gate {
    async fn admit(&self, request: &mut Request) -> Result<Allowance, Problem> {
        let peer = request.extensions().get::<Peer>().copied();
        let (principal, tenant) =
            self.identify(request.headers()).await.map_err(|refusal| self.keeper.refusals.count(peer, refusal))?;
        let allowance = self.keeper.limits.take(&tenant, &principal)?;
        let media = request.extensions().get().copied().unwrap_or(MediaType::JSON);
        media.require_accepted(request.headers())?;
        request.extensions_mut().insert(tenant::RequestTenant(tenant));
        request.extensions_mut().insert(principal);
        request.extensions_mut().insert(allowance);
        Ok(allowance)
    }

    /// Who asks, and the tenant it may do this for.
    async fn identify(&self, headers: &HeaderMap) -> Result<(Principal, Tenant), Problem> {
        let principal = self.keeper.auth.authenticate(headers).await?;
        let tenant = tenant::named_in(headers)?;
        allowed(&principal, &tenant, self.scope)?;
        Ok((principal, tenant))
    }
}

fn allowed(principal: &Principal, tenant: &Tenant, scope: Option<Scope>) -> Result<(), Problem> {
    if !principal.is_of(tenant) {
        return Err(Problem::forbidden("tenant_mismatch", "this token is not for the tenant in X-Tenant-ID"));
    }
    if let Some(scope) = scope.filter(|scope| !principal.may(*scope)) {
        return Err(Problem::forbidden("scope_missing", format!("this token lacks the scope {scope}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use axum::Router;
    use axum::body::Body;
    use axum::http::{StatusCode, header};
    use axum::routing::get;
    use futures_util::future::BoxFuture;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;
    use crate::accept::Answering as _;
    use crate::auth::{KeptKey, KeysAway};

    struct NoKeys;

    impl ApiKeys for NoKeys {
        fn find<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<KeptKey>, KeysAway>> {
            Box::pin(async { Ok(None) })
        }
    }

    fn gatekeeper() -> Gatekeeper {
        let many = NonZeroU32::MAX;
        let limits = LimitSettings { tenant: many, principal: many, guest: many, refusals: many };
        let auth = AuthSettings { issuers_file: None, is_production: false };
        Gatekeeper::new(&auth, Arc::new(NoKeys), limits).unwrap()
    }

    #[tokio::test]
    async fn a_route_is_one_of_json_unless_it_says_otherwise() {
        let gatekeeper = gatekeeper();
        let guarded = || get(async || "told").guarded(&gatekeeper, None);
        let live = guarded().answering(MediaType::EVENT_STREAM);
        let router = TowerToHyperService::new(Router::new().route("/", guarded()).route("/live", live));
        let rows = [
            ("/", "application/json", StatusCode::OK),
            ("/", "text/event-stream", StatusCode::NOT_ACCEPTABLE),
            ("/live", "text/event-stream", StatusCode::OK),
            ("/live", "application/json", StatusCode::NOT_ACCEPTABLE),
        ];
        for (path, accept, status) in rows {
            let request = Request::builder().uri(path).header("X-Tenant-ID", "demo").header(header::ACCEPT, accept);
            let answer = router.call(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), status, "{path} {accept}");
        }
    }
}
