//! The gate before a route: who comes in, for which tenant, and whether they may.

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;

use super::{Auth, Scope};
use crate::problem::Problem;
use crate::tenant;

/// A route that is closed to whoever lacks a scope.
pub trait Guarded {
    /// Lets in who may act for the tenant of the request and has this scope. What stands behind it finds both in `RequestTenant`
    /// and `Principal`.
    #[must_use]
    fn guarded(self, auth: &Auth, scope: Scope) -> Self;
}

impl<S: Clone + Send + Sync + 'static> Guarded for MethodRouter<S> {
    fn guarded(self, auth: &Auth, scope: Scope) -> Self {
        self.route_layer(from_fn_with_state(Gate { auth: auth.clone(), scope }, pass))
    }
}

#[derive(Clone)]
struct Gate {
    auth: Auth,
    scope: Scope,
}

async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    match gate.admit(&mut request).await {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

impl Gate {
    async fn admit(&self, request: &mut Request) -> Result<(), Problem> {
        let principal = self.auth.authenticate(request.headers()).await?;
        let tenant = tenant::named_in(request.headers())?;
        if !principal.is_of(&tenant) {
            return Err(Problem::forbidden("tenant_mismatch", "this token is not for the tenant in X-Tenant-ID"));
        }
        if !principal.may(self.scope) {
            return Err(Problem::forbidden("scope_missing", format!("this token lacks the scope {}", self.scope)));
        }
        request.extensions_mut().insert(tenant::RequestTenant(tenant));
        request.extensions_mut().insert(principal);
        Ok(())
    }
}
