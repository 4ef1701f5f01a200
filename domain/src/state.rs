//! The state of one owner: a guest, or a tenant, is its facets.

use proto::{Command, Event};
use serde::{Deserialize, Serialize};

use crate::guest::{self, Guest};
use crate::interactions::{self, Interactions};
use crate::tenant::{self, Tenant};
use crate::{Context, Rejection};

/// All that an owner's events amount to. Serializable for snapshots, which only the fold that wrote them reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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

    /// Roughly what the state holds beside its own size, in bytes.
    pub fn bytes(&self) -> usize {
        self.tenant.bytes() + self.guest.bytes()
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

#[cfg(test)]
mod properties {
    use proptest::prelude::*;
    use proto::guest::command::Kind as GuestCommand;
    use proto::guest::{ActivateGuest, DeactivateGuest, RegisterGuest, ReplaceGuest, UpdateGuest};
    use proto::interactions::RecordInteraction;
    use proto::tenant::command::Kind as TenantCommand;
    use proto::tenant::{ConfigureTenant, ProvisionTenant, ResumeTenant, SuspendTenant};

    use super::*;
    use crate::given::NOW;

    fn any_command() -> impl Strategy<Value = Command> {
        let text = || prop_oneof!["[a-z_.]{0,12}", ".{0,40}", Just(String::new()), Just("{\"a\":1.50}".to_owned())];
        let register = (text(), text(), text()).prop_map(|(identifier, namespace, attributes)| {
            Command::Guest(GuestCommand::Register(RegisterGuest { identifier, namespace, attributes }))
        });
        let object =
            || prop_oneof!["\\{\"[ab]\":[1-9]\\}", Just("{\"a\":{\"b\":null},\"c\":1.50}".to_owned()), ".{0,20}"];
        let update =
            (object(), prop::collection::vec("[abc]", 0..3), object()).prop_map(|(attributes, unset, increment)| {
                let update = UpdateGuest { attributes, unset, increment, ..UpdateGuest::default() };
                Command::Guest(GuestCommand::Update(update))
            });
        let replace = object().prop_map(|attributes| {
            Command::Guest(GuestCommand::Replace(ReplaceGuest { attributes, ..ReplaceGuest::default() }))
        });
        let deactivate = text().prop_map(|reason| {
            Command::Guest(GuestCommand::Deactivate(DeactivateGuest { reason, ..DeactivateGuest::default() }))
        });
        let activate = Just(Command::Guest(GuestCommand::Activate(ActivateGuest::default())));
        let record = (text(), text(), text(), text()).prop_map(|(kind, topic, occurred_at, properties)| {
            let record = RecordInteraction { kind, topic, occurred_at, properties, ..RecordInteraction::default() };
            Command::Interactions(proto::interactions::command::Kind::Record(record))
        });
        let provision = text().prop_map(|name| Command::Tenant(TenantCommand::Provision(ProvisionTenant { name })));
        let suspend = text().prop_map(|reason| Command::Tenant(TenantCommand::Suspend(SuspendTenant { reason })));
        let resume = Just(Command::Tenant(TenantCommand::Resume(ResumeTenant {})));
        let configure = (0_u32..3)
            .prop_map(|requests_per_s| Command::Tenant(TenantCommand::Configure(ConfigureTenant { requests_per_s })));
        let guests = prop_oneof![register, update, replace, deactivate, activate];
        prop_oneof![3 => guests, 1 => record, 1 => prop_oneof![provision, suspend, resume, configure]]
    }

    fn run(commands: &[Command]) -> (State, Vec<Event>) {
        let context = Context { now: NOW, received_at: NOW };
        commands.iter().fold((State::default(), Vec::new()), |(state, mut history), command| {
            let events = state.decide(command, &context).unwrap_or_default();
            let state = events.iter().fold(state, State::evolve);
            history.extend(events);
            (state, history)
        })
    }

    proptest! {
        #[test]
        fn any_commands_lead_to_a_state_that_their_events_alone_lead_to(commands in prop::collection::vec(any_command(), 0..20)) {
            let (state, history) = run(&commands);
            let replayed = history.iter().fold(State::default(), State::evolve);
            prop_assert_eq!(state, replayed);
        }

        #[test]
        fn the_same_command_again_is_decided_the_same_way(commands in prop::collection::vec(any_command(), 1..8)) {
            prop_assert_eq!(run(&commands), run(&commands));
        }
    }
}
