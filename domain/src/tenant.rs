//! A customer of the platform.

use proto::tenant::command::Kind as Command;
use proto::tenant::event::Kind as Event;
use proto::tenant::{ProvisionTenant, TenantProvisioned};
use serde::{Deserialize, Serialize};

use crate::values::{Invalid, text};

/// What is known of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the tenant exists under another name")]
    ProvisionedOtherwise,
}

impl Tenant {
    pub fn is_provisioned(&self) -> bool {
        self.name.is_some()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.name.as_ref().map_or(0, String::len)
    }

    pub(crate) fn evolve(&mut self, event: &Event) {
        match event {
            Event::TenantProvisioned(TenantProvisioned { name }) => self.name = Some(name.clone()),
        }
    }
}

pub(crate) fn decide(tenant: &Tenant, command: &Command) -> Result<Vec<Event>, crate::Rejection> {
    match command {
        Command::Provision(command) => provision(tenant, command),
    }
}

fn provision(tenant: &Tenant, command: &ProvisionTenant) -> Result<Vec<Event>, crate::Rejection> {
    let name = text::line("name", &command.name, 255)?;
    if name.is_empty() {
        return Err(Invalid::required("name").into());
    }
    match &tenant.name {
        None => Ok(vec![Event::TenantProvisioned(TenantProvisioned { name })]),
        Some(known) if *known == name => Ok(Vec::new()),
        Some(_) => Err(Rejection::ProvisionedOtherwise.into()),
    }
}

#[cfg(test)]
mod specs {
    use proto::{Command, Event};

    use super::*;
    use crate::given::given;

    fn provision(name: &str) -> Command {
        Command::Tenant(super::Command::Provision(ProvisionTenant { name: name.to_owned() }))
    }

    fn provisioned(name: &str) -> Event {
        Event::Tenant(super::Event::TenantProvisioned(TenantProvisioned { name: name.to_owned() }))
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
}
