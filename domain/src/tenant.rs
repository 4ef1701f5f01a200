//! A customer of the platform: provisioned once, and suspended for as long as nothing may be done for it.

use proto::tenant::command::Kind as Command;
use proto::tenant::event::Kind as Event;
use proto::tenant::{
    ConfigureTenant, ProvisionTenant, SuspendTenant, TenantConfigured, TenantProvisioned, TenantResumed,
    TenantSuspended,
};
use serde::{Deserialize, Serialize};

use crate::values::{Invalid, text, word};

/// Longest reason of a suspension, in bytes: a word for programs, and no room for a story about somebody.
const MAX_REASON_BYTES: usize = 64;

/// More than any process answers.
const MAX_REQUESTS_PER_S: u32 = 1_000_000;

/// What is known of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    name: Option<String>,
    suspended: bool,
    /// 0 when none was agreed.
    requests_per_s: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("no such tenant: it is provisioned before it is used")]
    NotProvisioned,
    #[error("the tenant exists under another name")]
    ProvisionedOtherwise,
    #[error("the tenant is suspended: nothing is written or read until it is resumed")]
    Suspended,
}

impl Tenant {
    pub fn is_provisioned(&self) -> bool {
        self.name.is_some()
    }

    /// Whether every command but the one that resumes it is refused.
    pub fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// Requests a second over HTTP that were agreed for one process; 0 when none were.
    pub fn requests_per_s(&self) -> u32 {
        self.requests_per_s
    }

    pub(crate) fn bytes(&self) -> usize {
        self.name.as_ref().map_or(0, String::len)
    }

    pub(crate) fn evolve(&mut self, event: &Event) {
        match event {
            Event::TenantProvisioned(TenantProvisioned { name }) => self.name = Some(name.clone()),
            Event::TenantSuspended(_) => self.suspended = true,
            Event::TenantResumed(_) => self.suspended = false,
            Event::TenantConfigured(TenantConfigured { requests_per_s }) => self.requests_per_s = *requests_per_s,
        }
    }
}

pub(crate) fn decide(tenant: &Tenant, command: &Command) -> Result<Vec<Event>, crate::Rejection> {
    match command {
        Command::Provision(command) => provision(tenant, command),
        Command::Suspend(command) => suspend(tenant, command),
        Command::Resume(_) => resume(tenant),
        Command::Configure(ConfigureTenant { requests_per_s }) => configure(tenant, *requests_per_s),
    }
}

fn provision(tenant: &Tenant, command: &ProvisionTenant) -> Result<Vec<Event>, crate::Rejection> {
    let name = text::line("name", &command.name, 255)?;
    if name.is_empty() {
        return Err(Invalid::required("name").into());
    }
    if tenant.suspended {
        return Err(Rejection::Suspended.into());
    }
    match &tenant.name {
        None => Ok(vec![Event::TenantProvisioned(TenantProvisioned { name })]),
        Some(known) if *known == name => Ok(Vec::new()),
        Some(_) => Err(Rejection::ProvisionedOtherwise.into()),
    }
}

/// The first reason stands: suspending again changes nothing, whatever it is for.
fn suspend(tenant: &Tenant, command: &SuspendTenant) -> Result<Vec<Event>, crate::Rejection> {
    let reason = word::dotted("reason", &command.reason, MAX_REASON_BYTES)?;
    if !tenant.is_provisioned() {
        return Err(Rejection::NotProvisioned.into());
    }
    let suspended = || Event::TenantSuspended(TenantSuspended { reason });
    Ok(if tenant.suspended { Vec::new() } else { vec![suspended()] })
}

fn resume(tenant: &Tenant) -> Result<Vec<Event>, crate::Rejection> {
    if !tenant.is_provisioned() {
        return Err(Rejection::NotProvisioned.into());
    }
    Ok(if tenant.suspended { vec![Event::TenantResumed(TenantResumed {})] } else { Vec::new() })
}

fn configure(tenant: &Tenant, requests_per_s: u32) -> Result<Vec<Event>, crate::Rejection> {
    if requests_per_s > MAX_REQUESTS_PER_S {
        let detail = format!("takes a number up to {MAX_REQUESTS_PER_S}");
        return Err(Invalid { field: "requests_per_s", code: "number_out_of_range", detail }.into());
    }
    if !tenant.is_provisioned() {
        return Err(Rejection::NotProvisioned.into());
    }
    if tenant.suspended {
        return Err(Rejection::Suspended.into());
    }
    let configured = || Event::TenantConfigured(TenantConfigured { requests_per_s });
    Ok(if tenant.requests_per_s == requests_per_s { Vec::new() } else { vec![configured()] })
}

#[cfg(test)]
mod specs {
    use proto::tenant::ResumeTenant;
    use proto::{Command, Event};

    use super::*;
    use crate::given::given;

    fn provision(name: &str) -> Command {
        Command::Tenant(super::Command::Provision(ProvisionTenant { name: name.to_owned() }))
    }

    fn provisioned(name: &str) -> Event {
        Event::Tenant(super::Event::TenantProvisioned(TenantProvisioned { name: name.to_owned() }))
    }

    fn suspend(reason: &str) -> Command {
        Command::Tenant(super::Command::Suspend(SuspendTenant { reason: reason.to_owned() }))
    }

    fn suspended(reason: &str) -> Event {
        Event::Tenant(super::Event::TenantSuspended(TenantSuspended { reason: reason.to_owned() }))
    }

    fn resume() -> Command {
        Command::Tenant(super::Command::Resume(ResumeTenant {}))
    }

    fn resumed() -> Event {
        Event::Tenant(super::Event::TenantResumed(TenantResumed {}))
    }

    fn configure(requests_per_s: u32) -> Command {
        Command::Tenant(super::Command::Configure(ConfigureTenant { requests_per_s }))
    }

    fn configured(requests_per_s: u32) -> Event {
        Event::Tenant(super::Event::TenantConfigured(TenantConfigured { requests_per_s }))
    }

    #[test]
    fn settings_are_given_changed_and_taken_back() {
        let shop = || provisioned("Music shop");
        given([shop()]).when(configure(100)).then([configured(100)]);
        given([shop(), configured(100)]).when(configure(100)).then([]);
        given([shop(), configured(100)]).when(configure(0)).then([configured(0)]);
        given([shop()]).when(configure(0)).then([]);
    }

    #[test]
    fn settings_have_bounds_and_need_an_active_tenant() {
        given([provisioned("Music shop")]).when(configure(1_000_001)).refused("number_out_of_range");
        given([]).when(configure(100)).refused("tenant_unknown");
        given([provisioned("Music shop"), suspended("abuse")]).when(configure(100)).refused("tenant_suspended");
    }

    #[test]
    fn a_tenant_is_provisioned_once() {
        given([]).when(provision("Music shop")).then([provisioned("Music shop")]);
        given([provisioned("Music shop")]).when(provision("Music shop")).then([]);
    }

    #[test]
    fn another_name_is_refused() {
        given([provisioned("Music shop")]).when(provision("Other")).refused("tenant_conflict");
    }

    #[test]
    fn a_tenant_has_a_name() {
        given([]).when(provision(" ")).refused("validation_failed");
        given([]).when(provision("a\u{0}b")).refused("invalid_character");
        given([]).when(provision(&"x".repeat(256))).refused("too_long");
    }

    #[test]
    fn a_tenant_is_suspended_once_and_for_the_first_reason() {
        let shop = || provisioned("Music shop");
        given([shop()]).when(suspend("payment_overdue")).then([suspended("payment_overdue")]);
        given([shop(), suspended("payment_overdue")]).when(suspend("abuse")).then([]);
    }

    #[test]
    fn a_suspended_tenant_is_resumed_and_may_be_suspended_again() {
        let history = || [provisioned("Music shop"), suspended("abuse")];
        given(history()).when(resume()).then([resumed()]);
        given(history().into_iter().chain([resumed()])).when(resume()).then([]);
        given(history().into_iter().chain([resumed()])).when(suspend("abuse")).then([suspended("abuse")]);
    }

    #[test]
    fn an_active_tenant_is_not_resumed() {
        given([provisioned("Music shop")]).when(resume()).then([]);
    }

    #[test]
    fn a_tenant_that_was_never_provisioned_is_unknown() {
        given([]).when(suspend("abuse")).refused("tenant_unknown");
        given([]).when(resume()).refused("tenant_unknown");
    }

    #[test]
    fn a_suspended_tenant_is_not_provisioned_under_any_name() {
        let history = || [provisioned("Music shop"), suspended("abuse")];
        given(history()).when(provision("Music shop")).refused("tenant_suspended");
        given(history()).when(provision("Other")).refused("tenant_suspended");
    }

    #[test]
    fn a_reason_is_a_word_and_no_text_about_somebody() {
        for reason in ["", "Ada did not pay", "ada@example.com", &"x".repeat(65)] {
            given([provisioned("Music shop")]).when(suspend(reason)).refused("validation_failed");
        }
    }
}
