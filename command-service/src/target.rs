//! Which owner a command is about: one arm per command.

use domain::values::identifier;
use domain::{Context, State, guest};
use proto::Command;
use proto::guest::RegisterGuest;
use proto::guest::command::Kind as GuestCommand;
use proto::identifier::{GuestRef, Identifier};
use proto::interactions::command::Kind as InteractionsCommand;
use proto::subject::{Owner, Tenant};
use vault::Vault;

use crate::commit::Request;
use crate::error::Fault;

/// The owner of a command, and the caller's name for it when it was addressed by one.
pub(crate) struct Target {
    pub(crate) owner: Owner,
    pub(crate) addressed_as: Option<Identifier>,
}

/// Whom a command is about, as its sender has it.
enum About<'a> {
    Tenant,
    /// A guest that is made known by it.
    New(&'a RegisterGuest),
    /// A guest that has to be known.
    Known {
        namespace: &'a str,
        guest_id: &'a str,
    },
}

impl<'a> About<'a> {
    fn of(command: &'a Command) -> Self {
        let (namespace, guest_id) = match command {
            Command::Tenant(_) => return Self::Tenant,
            Command::Guest(GuestCommand::Register(register)) => return Self::New(register),
            Command::Guest(GuestCommand::Update(update)) => (&update.namespace, &update.guest_id),
            Command::Guest(GuestCommand::Replace(replace)) => (&replace.namespace, &replace.guest_id),
            Command::Guest(GuestCommand::Activate(activate)) => (&activate.namespace, &activate.guest_id),
            Command::Guest(GuestCommand::Deactivate(deactivate)) => (&deactivate.namespace, &deactivate.guest_id),
            Command::Interactions(InteractionsCommand::Record(record)) => (&record.namespace, &record.guest_id),
        };
        Self::Known { namespace, guest_id }
    }
}

/// Whom the sender calls by this name: its commands are carried out in the order they came. `None` where order means nothing.
pub(crate) fn address(request: &Request) -> Option<Address> {
    let named = match About::of(&request.command) {
        About::Tenant => None,
        About::New(register) => GuestRef::parse(&register.namespace, &register.identifier).ok(),
        About::Known { namespace, guest_id } => GuestRef::parse(namespace, guest_id).ok(),
    };
    Some((request.tenant.clone(), named?))
}

/// A guest as senders name it.
pub(crate) type Address = (Tenant, GuestRef);

/// Whether the command may be the first of its guest.
pub(crate) fn may_be_new(command: &Command) -> bool {
    matches!(About::of(command), About::New(_))
}

/// Finds the owner; a registration makes it known to the vault first, so that a retry finds the same one.
pub(crate) async fn find(vault: &Vault, request: &Request) -> Result<Target, Fault> {
    let Request { tenant, command, id, .. } = request;
    match About::of(command) {
        About::Tenant => Ok(Target { owner: Owner::tenant(), addressed_as: None }),
        About::New(register) => {
            // What no state would accept must not reach the register.
            let context = Context { now: runtime::clock::now(), received_at: request.received_at };
            State::default().decide(command, &context)?;
            if register.identifier.is_empty() {
                return Box::pin(anonymous(vault, tenant, id)).await;
            }
            let known_as = parse("identifier", &register.namespace, &register.identifier)?;
            let proposed = Owner::guest(runtime::clock::random_id().as_u128());
            let owner = Box::pin(vault.register(tenant, &known_as, proposed)).await?;
            Ok(Target { owner, addressed_as: Some(known_as) })
        }
        About::Known { namespace, guest_id } => existing(vault, tenant, namespace, guest_id).await,
    }
}

/// Refuses what a guest sends about anybody but itself; of others it learns not even whether they are known.
pub(crate) async fn require_own(vault: &Vault, request: &Request, own: &Identifier) -> Result<(), Fault> {
    let Request { tenant, command, .. } = request;
    match About::of(command) {
        About::Tenant => Err(Fault::NotOwn),
        // What is known of a guest is for its tenant to say.
        About::Known { .. } if matches!(command, Command::Guest(_)) => Err(Fault::NotOwn),
        About::New(RegisterGuest { identifier, namespace, .. }) => {
            let is_own = !identifier.is_empty() && parse("identifier", namespace, identifier)? == *own;
            if is_own { Ok(()) } else { Err(Fault::NotOwn) }
        }
        About::Known { namespace, guest_id } => {
            let guest = GuestRef::parse(namespace, guest_id).map_err(|error| rejected("guest_id", error))?;
            // Of others nothing is looked up: how long it takes would tell who is known.
            let own_id = vault.lookup(tenant, own).await?;
            let is_own = match guest {
                GuestRef::Ours(owner) => own_id == Some(owner),
                GuestRef::Theirs(identifier) => own_id.is_some() && identifier == *own,
            };
            if is_own { Ok(()) } else { Err(domain::Rejection::Guest(guest::Rejection::NotFound).into()) }
        }
    }
}

async fn anonymous(vault: &Vault, tenant: &Tenant, command_id: &str) -> Result<Target, Fault> {
    let owner = vault.tenant_secret(tenant).await?.guest_of_command(command_id);
    vault.add_guest(tenant, &owner).await?;
    Ok(Target { owner, addressed_as: None })
}

async fn existing(vault: &Vault, tenant: &Tenant, namespace: &str, id: &str) -> Result<Target, Fault> {
    let guest = GuestRef::parse(namespace, id).map_err(|invalid| rejected("guest_id", invalid))?;
    match guest {
        GuestRef::Ours(owner) => Ok(Target { owner, addressed_as: None }),
        GuestRef::Theirs(identifier) => {
            let owner = vault.lookup(tenant, &identifier).await?;
            let owner = owner.ok_or(domain::Rejection::Guest(guest::Rejection::NotFound))?;
            Ok(Target { owner, addressed_as: Some(identifier) })
        }
    }
}

fn parse(field: &'static str, namespace: &str, value: &str) -> Result<Identifier, Fault> {
    identifier::parse(field, namespace, value).map_err(|invalid| domain::Rejection::from(invalid).into())
}

fn rejected(field: &'static str, invalid: proto::identifier::InvalidIdentifier) -> Fault {
    domain::Rejection::from(identifier::refuse(field, invalid)).into()
}
