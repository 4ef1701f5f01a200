//! The state of one owner: a guest, or a tenant, is its facets.

use proto::{Command, Event};

use crate::guest::{self, Guest};
use crate::interactions::{self, Interactions};
use crate::tenant::{self, Tenant};
use crate::{Context, Rejection};

/// All that an owner's events amount to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub tenant: Tenant,
    pub guest: Guest,
    pub interactions: Interactions,
}

impl State {
    /// What the command leads to: events, none when it changes nothing, or a rejection.
    pub fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Tenant(command) => Ok(wrap(tenant::decide(&self.tenant, command)?, Event::Tenant)),
            Command::Guest(command) => Ok(wrap(guest::decide(&self.guest, command)?, Event::Guest)),
            Command::Interactions(command) => {
                Ok(wrap(interactions::decide(self, command, context)?, Event::Interactions))
            }
        }
    }

    /// The state after one more event.
    #[must_use]
    pub fn evolve(mut self, event: &Event) -> Self {
        match event {
            Event::Tenant(event) => self.tenant.evolve(event),
            Event::Guest(event) => self.guest.evolve(event),
            Event::Interactions(event) => self.interactions.evolve(event),
        }
        self
    }
}

fn wrap<E>(events: Vec<E>, facet: fn(E) -> Event) -> Vec<Event> {
    events.into_iter().map(facet).collect()
}
