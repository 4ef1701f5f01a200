//! Every route that is somebody's to use, and the scope it takes.

use axum::http::Method;
use runtime::auth::Scope;

pub(crate) struct Route {
    pub(crate) method: Method,
    /// `{guest}` stands for a guest.
    pub(crate) path: &'static str,
    pub(crate) body: &'static str,
    pub(crate) scope: Scope,
    pub(crate) names_a_guest: bool,
}

impl Route {
    fn get(path: &'static str, scope: Scope, names_a_guest: bool) -> Self {
        Self { method: Method::GET, path, body: "", scope, names_a_guest }
    }

    /// For guests alone.
    pub(crate) fn own_profile() -> Self {
        Self::get("/guests/me/profile", Scope::ProfileRead, false)
    }

    pub(crate) fn post(path: &'static str, scope: Scope) -> Self {
        Self { method: Method::POST, path, body: "", scope, names_a_guest: false }
    }

    fn put(path: &'static str, scope: Scope) -> Self {
        Self { method: Method::PUT, ..Self::post(path, scope) }
    }

    fn delete(path: &'static str, scope: Scope) -> Self {
        Self { method: Method::DELETE, ..Self::post(path, scope) }
    }

    fn patch(path: &'static str, scope: Scope) -> Self {
        Self { method: Method::PATCH, body: "{}", ..Self::post(path, scope) }
    }

    fn about_a_guest(self, body: &'static str) -> Self {
        Self { body, names_a_guest: true, ..self }
    }

    fn with(self, body: &'static str) -> Self {
        Self { body, ..self }
    }
}

const RECORD: &str = r#"{"kind":"order.created","topic":"jazz"}"#;
const EVENT: &str = r#"{"user_id":"{guest}","event_name":"order.created","event_at":"2026-03-01T10:00:00Z"}"#;

const RECORDS: &str = r#"{"interactions":[{"kind":"order.created"}]}"#;
const EVENTS: &str = r#"{"events":[{"user_id":"ada","event_name":"order.created","event_at":"2026-03-01T10:00:00Z"}]}"#;
const LINK: &str = r#"{"identifier":"ada@example.com","identifier_namespace":"email"}"#;
const MERGE: &str = r#"{"absorbed_id":"bob"}"#;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/users/{guest}", Scope::ProfileRead, true),
        Route::get("/api/v1/users/{guest}", Scope::ProfileRead, true),
        Route::get("/guests/{guest}/profile", Scope::ProfileRead, true),
        Route::get("/api/v1/guests/{guest}/profile", Scope::ProfileRead, true),
        Route::get("/guests/{guest}/interactions", Scope::InteractionRead, true),
        Route::get("/api/v1/guests/{guest}/interactions", Scope::InteractionRead, true),
        Route::get("/guests/{guest}/timeline", Scope::InteractionRead, true),
        Route::get("/api/v1/guests/{guest}/timeline", Scope::InteractionRead, true),
        Route::get("/guests/{guest}/live", Scope::InteractionRead, true),
        Route::get("/api/v1/guests/{guest}/live", Scope::InteractionRead, true),
        Route::get("/topics/jazz/summary", Scope::SummaryRead, false),
        Route::get("/api/v1/topics/jazz/summary", Scope::SummaryRead, false),
        Route::get("/commands/known", Scope::CommandRead, false),
        Route::get("/api/v1/commands/known", Scope::CommandRead, false),
        Route::put("/tenants/demo/settings", Scope::TenantAdmin).with("{}"),
        Route::put("/api/v1/tenants/demo/settings", Scope::TenantAdmin).with("{}"),
        Route::get("/api-keys", Scope::ApiKeyAdmin, false),
        Route::get("/api/v1/api-keys", Scope::ApiKeyAdmin, false),
        Route::post("/guests/{guest}/interactions", Scope::InteractionWrite).about_a_guest(RECORD),
        Route::post("/api/v1/guests/{guest}/interactions", Scope::InteractionWrite).about_a_guest(RECORD),
        Route::post("/guests/{guest}/interactions/batch", Scope::InteractionWrite).with(RECORDS),
        Route::post("/api/v1/guests/{guest}/interactions/batch", Scope::InteractionWrite).with(RECORDS),
        Route::post("/events", Scope::InteractionWrite).with(EVENTS),
        Route::post("/api/v1/events", Scope::InteractionWrite).with(EVENTS),
        Route::post("/event", Scope::InteractionWrite).about_a_guest(EVENT),
        Route::post("/api/v1/event", Scope::InteractionWrite).about_a_guest(EVENT),
        Route::put("/users/{guest}", Scope::GuestWrite).with("{}"),
        Route::put("/api/v1/users/{guest}", Scope::GuestWrite).with("{}"),
        Route::patch("/guests/{guest}/profile", Scope::GuestWrite),
        Route::patch("/api/v1/guests/{guest}/profile", Scope::GuestWrite),
        Route::post("/guests/{guest}/deactivate", Scope::GuestWrite).with("{}"),
        Route::post("/api/v1/guests/{guest}/deactivate", Scope::GuestWrite).with("{}"),
        Route::post("/guests/{guest}/activate", Scope::GuestWrite).with("{}"),
        Route::post("/api/v1/guests/{guest}/activate", Scope::GuestWrite).with("{}"),
        Route::get("/guests/{guest}/identifiers", Scope::ProfileRead, true),
        Route::get("/api/v1/guests/{guest}/identifiers", Scope::ProfileRead, true),
        Route::get("/identity/conflicts", Scope::ProfileRead, false),
        Route::get("/api/v1/identity/conflicts", Scope::ProfileRead, false),
        Route::post("/guests/identify", Scope::GuestWrite).with(r#"{"user_id":"ada"}"#),
        Route::post("/api/v1/guests/identify", Scope::GuestWrite).with(r#"{"user_id":"ada"}"#),
        Route::post("/guests/{guest}/identifiers", Scope::GuestWrite).with(LINK),
        Route::post("/api/v1/guests/{guest}/identifiers", Scope::GuestWrite).with(LINK),
        Route::delete("/guests/{guest}/identifiers/email/nobody@example.com", Scope::GuestWrite),
        Route::delete("/api/v1/guests/{guest}/identifiers/email/nobody@example.com", Scope::GuestWrite),
        Route::post("/guests/{guest}/merge", Scope::GuestWrite).with(MERGE),
        Route::post("/api/v1/guests/{guest}/merge", Scope::GuestWrite).with(MERGE),
        Route::post("/users", Scope::GuestWrite).with(r#"{"user_id":"ada"}"#),
        Route::post("/api/v1/users", Scope::GuestWrite).with(r#"{"user_id":"ada"}"#),
        Route::post("/tenants", Scope::TenantAdmin).with(r#"{"name":"A tenant"}"#),
        Route::post("/api/v1/tenants", Scope::TenantAdmin).with(r#"{"name":"A tenant"}"#),
        Route::post("/tenants/demo/suspend", Scope::TenantAdmin).with(r#"{"reason":"abuse"}"#),
        Route::post("/tenants/demo/resume", Scope::TenantAdmin).with("{}"),
        Route::post("/api/v1/tenants/demo/suspend", Scope::TenantAdmin).with(r#"{"reason":"abuse"}"#),
        Route::post("/api/v1/tenants/demo/resume", Scope::TenantAdmin).with("{}"),
    ]
}
