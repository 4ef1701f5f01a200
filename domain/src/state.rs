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
    pub fn decide(&self, command: &Command, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Tenant(command) => Ok(wrap(tenant::decide(&self.tenant, command)?, Event::Tenant)),
            Command::Guest(command) => Ok(wrap(guest::decide(&self.guest, command, context)?, Event::Guest)),
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
    use proto::guest::event::Kind as GuestEvent;
    use proto::guest::{
        ActivateGuest, DeactivateGuest, IdentifyGuest, LinkIdentifier, MergeGuests, RegisterGuest, ReplaceGuest,
        UnlinkIdentifier, UnmergeGuests, UpdateGuest,
    };
    use proto::interactions::RecordInteraction;
    use proto::tenant::command::Kind as TenantCommand;
    use proto::tenant::{ConfigureTenant, ProvisionTenant, ResumeTenant, SuspendTenant};

    use super::*;
    use crate::Other;
    use crate::given::{NOW, OTHER_ID};

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
        prop_oneof![3 => guests, 3 => any_identity_command(), 1 => record, 1 => prop_oneof![provision, suspend, resume, configure]]
    }

    fn any_identity_command() -> impl Strategy<Value = Command> {
        let id = || prop_oneof!["[ab]", Just(String::new())];
        let kind = || prop_oneof![Just("email"), Just("anonymous_id"), Just("")].prop_map(str::to_owned);
        let link = (id(), kind()).prop_map(|(identifier, identifier_namespace)| {
            let link = LinkIdentifier { identifier, identifier_namespace, ..LinkIdentifier::default() };
            Command::Guest(GuestCommand::Link(link))
        });
        let unlink = (id(), kind()).prop_map(|(identifier, identifier_namespace)| {
            let unlink = UnlinkIdentifier { identifier, identifier_namespace, ..UnlinkIdentifier::default() };
            Command::Guest(GuestCommand::Unlink(unlink))
        });
        let identify = (id(), id(), "\\{\"[ab]\":[1-9]\\}").prop_map(|(user_id, anonymous_id, attributes)| {
            let identify = IdentifyGuest { user_id, anonymous_id, attributes, ..IdentifyGuest::default() };
            Command::Guest(GuestCommand::Identify(identify))
        });
        let merge = prop::collection::vec("[ab]", 0..2).prop_map(|prefer_absorbed| {
            Command::Guest(GuestCommand::Merge(MergeGuests { prefer_absorbed, ..MergeGuests::default() }))
        });
        let unmerge = (0..20_usize).prop_map(|number| {
            let merge_id = format!("mrg_{number}");
            Command::Guest(GuestCommand::Unmerge(UnmergeGuests { merge_id, ..UnmergeGuests::default() }))
        });
        prop_oneof![link, unlink, identify, merge, unmerge]
    }

    /// Somebody anonymous of whom this much is known.
    fn another(number: usize) -> State {
        let attributes = format!(r#"{{"a":{number},"c":{number}}}"#);
        let register = RegisterGuest { attributes, ..RegisterGuest::default() };
        let registered =
            State::default().decide(&Command::Guest(GuestCommand::Register(register)), &Context::new(NOW, NOW));
        registered.expect("fits").iter().fold(State::default(), State::evolve)
    }

    fn run(commands: &[Command]) -> (State, Vec<Event>) {
        commands.iter().enumerate().fold((State::default(), Vec::new()), |(state, mut history), (number, command)| {
            let (other, merge_id) = (another(number), format!("mrg_{number}"));
            let other = (number % 2 == 0).then_some(Other::Guest { id: OTHER_ID, state: &other, merge_id: &merge_id });
            let context = Context { other, ..Context::new(NOW, NOW) };
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
        fn what_events_say_of_a_guest_is_what_is_known_of_it(commands in prop::collection::vec(any_command(), 0..20)) {
            let (state, history) = run(&commands);
            let said = history.iter().fold(String::new(), |said, event| match event {
                Event::Guest(GuestEvent::GuestRegistered(registered)) => registered.attributes.clone(),
                Event::Guest(GuestEvent::GuestUpdated(updated)) => updated.attributes.clone(),
                Event::Guest(GuestEvent::GuestUnmerged(unmerged)) => unmerged.attributes.clone(),
                Event::Guest(GuestEvent::GuestMerged(merged)) if !merged.attributes.is_empty() => merged.attributes.clone(),
                Event::Guest(_) | Event::Interactions(_) | Event::Tenant(_) => said,
            });
            prop_assert_eq!(state.guest.attributes(), said);
        }

        #[test]
        fn a_guest_whose_merges_are_all_undone_is_what_it_was(merges in prop::collection::vec(0_usize..9, 1..6), turn in 0_usize..5) {
            let register = RegisterGuest { attributes: r#"{"a":0.50,"b":1}"#.to_owned(), ..RegisterGuest::default() };
            let before = State::default().decide(&Command::Guest(GuestCommand::Register(register)), &Context::new(NOW, NOW));
            let before = before.expect("fits").iter().fold(State::default(), State::evolve);
            let mut state = before.clone();
            let mut ids = Vec::new();
            for (place, number) in merges.iter().enumerate() {
                let (other, merge_id) = (another(*number), format!("mrg_{place}"));
                let other = Other::Guest { id: OTHER_ID, state: &other, merge_id: &merge_id };
                let prefer_absorbed = if number % 2 == 0 { vec!["a".to_owned()] } else { Vec::new() };
                let merge = Command::Guest(GuestCommand::Merge(MergeGuests { prefer_absorbed, ..MergeGuests::default() }));
                let merged = state.decide(&merge, &Context { other: Some(other), ..Context::new(NOW, NOW) });
                state = merged.expect("merges").iter().fold(state, State::evolve);
                ids.push(merge_id);
            }
            let turn = turn % ids.len();
            ids.rotate_left(turn);
            for merge_id in ids {
                let unmerge = Command::Guest(GuestCommand::Unmerge(UnmergeGuests { merge_id, ..UnmergeGuests::default() }));
                let unmerged = state.decide(&unmerge, &Context::new(NOW, NOW));
                state = unmerged.expect("unmerges").iter().fold(state, State::evolve);
            }
            prop_assert_eq!(state, before);
        }

        #[test]
        fn the_same_command_again_is_decided_the_same_way(commands in prop::collection::vec(any_command(), 1..8)) {
            prop_assert_eq!(run(&commands), run(&commands));
        }
    }
}
