//! The gate before a route: who comes in, for which tenant, and whether they may.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;

use super::{ApiKeys, Auth, AuthSettings, IssuersError, Principal, Scope};
use crate::limits::{Allowance, LimitSettings, Limits};
use crate::problem::Problem;
use crate::tenant::{self, Tenant};
use crate::trace;

/// Who stands at the gates of a process. Cheap to clone.
#[derive(Clone)]
pub struct Gatekeeper {
    auth: Auth,
    limits: Arc<Limits>,
}

impl Gatekeeper {
    pub fn new(auth: &AuthSettings, api_keys: Arc<dyn ApiKeys>, limits: LimitSettings) -> Result<Self, IssuersError> {
        Ok(Self { auth: Auth::new(auth, api_keys)?, limits: Arc::new(Limits::new(limits)) })
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
    /// Lets in who may act for the tenant of the request, has this scope, and has not asked too often. What stands behind it finds
    /// `RequestTenant`, `Principal` and `Allowance`.
    #[must_use]
    fn guarded(self, gatekeeper: &Gatekeeper, scope: impl Into<Option<Scope>>) -> Self;
}

impl<S: Clone + Send + Sync + 'static> Guarded for MethodRouter<S> {
    fn guarded(self, gatekeeper: &Gatekeeper, scope: impl Into<Option<Scope>>) -> Self {
        let gate = Gate { keeper: gatekeeper.clone(), scope: scope.into() };
        self.route_layer(from_fn_with_state(gate, pass))
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
        let principal = self.keeper.auth.authenticate(request.headers()).await?;
        let tenant = tenant::named_in(request.headers())?;
        allowed(&principal, &tenant, self.scope)?;
        let allowance = self.keeper.limits.take(&tenant, &principal)?;
        request.extensions_mut().insert(tenant::RequestTenant(tenant));
        request.extensions_mut().insert(principal);
        request.extensions_mut().insert(allowance);
        Ok(allowance)
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
