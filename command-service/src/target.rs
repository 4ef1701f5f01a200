//! Whom a command is about, as its sender names them: one arm per command.

mod find;
mod two;

use std::time::Duration;

use domain::guest::{Guest, Named};
use proto::Command;
use proto::guest::command::Kind as GuestCommand;
use proto::guest::{IdentifyGuest, MergeGuests, RegisterGuest, UnmergeGuests};
use proto::identifier::{GuestRef, Identifier};
use proto::interactions::command::Kind as InteractionsCommand;
use proto::subject::{Owner, Tenant};
use vault::Vault;

use crate::commit::Request;
use crate::error::Fault;

pub(crate) use find::Finder;

/// A guest a command is about, or the tenant, and how it was come by.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    pub(crate) owner: Owner,
    /// The caller's name for the guest, when it was named by one.
    pub(crate) addressed_as: Option<Identifier>,
    /// The guest who was absorbed by the owner, when it is that one, or a part of it, that was named.
    pub(crate) by_way_of: Option<Owner>,
}

impl Party {
    pub(crate) fn of(owner: Owner) -> Self {
        Self { owner, addressed_as: None, by_way_of: None }
    }

    /// Whether this is still the one who was named, by what the log says of it.
    pub(crate) fn stands(&self, guest: &Guest) -> bool {
        match &self.by_way_of {
            _ if !guest.is_registered() => true,
            Some(part) => guest.has_absorbed(part.as_str()),
            None => self.addressed_as.as_ref().is_none_or(|known_as| guest.is_known_as(known_as)),
        }
    }
}

/// Whom a command is decided about, and who else has to do with it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) own: Party,
    /// The guest who was named, whoever it is read as.
    pub(crate) addressed: Owner,
    /// One whom the owner absorbed, when that one, or a part of it, is named besides.
    pub(crate) part: Option<Owner>,
    /// Guests in whose own subjects the decision is told, too.
    pub(crate) others: Vec<Party>,
    /// The user that the owner is to turn out to be.
    pub(crate) to_be: Option<Identifier>,
    /// Whomever the guest was part of once was looked at, too.
    pub(crate) is_final: bool,
}

impl Target {
    pub(crate) fn of(own: Party) -> Self {
        let addressed = own.owner.clone();
        Self { own, addressed, part: None, others: Vec::new(), to_be: None, is_final: false }
    }

    /// With another guest, who may be read as the owner already.
    fn beside(self, other: Party) -> Self {
        if other.owner != self.own.owner {
            return Self { others: vec![other], ..self };
        }
        // One of the two was named by a part, unless both names are the owner's own.
        Self { part: other.by_way_of.or_else(|| self.own.by_way_of.clone()), ..self }
    }

    /// Whether it is about one guest, who was named by what is its own and stays who it is.
    fn is_plain(&self) -> bool {
        self.others.is_empty() && self.part.is_none() && self.own.by_way_of.is_none() && self.to_be.is_none()
    }
}

/// Whom a command is about, as its sender has it.
enum About<'a> {
    Tenant,
    /// A guest that is made known by it.
    New(&'a RegisterGuest),
    /// A guest that may be made known by it, or two.
    Identified(&'a IdentifyGuest),
    Merged(&'a MergeGuests),
    Unmerged(&'a UnmergeGuests),
    /// A guest that has to be known.
    Known(Name<'a>),
}

/// Of a guest who speaks for itself it is asked again after this who it is.
const OWN_ID_FOR: Duration = Duration::from_secs(1);

/// A name of a guest, and the field of the command it stands in.
#[derive(Clone, Copy)]
struct Name<'a> {
    field: &'static str,
    namespace: &'a str,
    id: &'a str,
}

impl<'a> Name<'a> {
    fn new(namespace: &'a str, id: &'a str) -> Self {
        Self { field: "guest_id", namespace, id }
    }

    fn parse(self) -> Result<GuestRef, Fault> {
        let refuse = |invalid| domain::Rejection::from(domain::values::identifier::refuse(self.field, invalid)).into();
        GuestRef::parse(self.namespace, self.id).map_err(refuse)
    }
}

impl<'a> About<'a> {
    fn of(command: &'a Command) -> Self {
        let (namespace, guest_id) = match command {
            Command::Tenant(_) => return Self::Tenant,
            Command::Guest(GuestCommand::Register(register)) => return Self::New(register),
            Command::Guest(GuestCommand::Identify(identify)) => return Self::Identified(identify),
            Command::Guest(GuestCommand::Merge(merge)) => return Self::Merged(merge),
            Command::Guest(GuestCommand::Unmerge(unmerge)) => return Self::Unmerged(unmerge),
            Command::Guest(GuestCommand::Update(update)) => (&update.namespace, &update.guest_id),
            Command::Guest(GuestCommand::Replace(replace)) => (&replace.namespace, &replace.guest_id),
            Command::Guest(GuestCommand::Activate(activate)) => (&activate.namespace, &activate.guest_id),
            Command::Guest(GuestCommand::Deactivate(deactivate)) => (&deactivate.namespace, &deactivate.guest_id),
            Command::Guest(GuestCommand::Link(link)) => (&link.namespace, &link.guest_id),
            Command::Guest(GuestCommand::Unlink(unlink)) => (&unlink.namespace, &unlink.guest_id),
            Command::Interactions(InteractionsCommand::Record(record)) => (&record.namespace, &record.guest_id),
        };
        Self::Known(Name::new(namespace, guest_id))
    }
}

/// Whom the sender calls by this name: its commands are carried out in the order they came. `None` where order means nothing.
pub(crate) fn address(request: &Request) -> Option<Address> {
    let named = match About::of(&request.command) {
        About::Tenant => None,
        About::New(register) => GuestRef::parse(&register.namespace, &register.identifier).ok(),
        About::Identified(identify) => Named::by(identify).ok().map(|named| GuestRef::Theirs(named.user)),
        About::Merged(merge) => Name::new(&merge.namespace, &merge.guest_id).parse().ok(),
        About::Unmerged(unmerge) => Name::new(&unmerge.namespace, &unmerge.guest_id).parse().ok(),
        About::Known(name) => name.parse().ok(),
    };
    Some((request.tenant.clone(), named?))
}

/// A guest as senders name it.
pub(crate) type Address = (Tenant, GuestRef);

/// Whether the command may be the first of its guest.
pub(crate) fn may_be_new(command: &Command) -> bool {
    matches!(About::of(command), About::New(_) | About::Identified(_))
}

/// Whether what the command says of a guest is said of the one it is read as. What a guest did stays its own.
pub(crate) fn is_about_the_whole(command: &Command) -> bool {
    use GuestCommand::{Register, Unlink, Unmerge};
    matches!(command, Command::Guest(_)) && !matches!(command, Command::Guest(Register(_) | Unlink(_) | Unmerge(_)))
}

/// Refuses what a guest sends about anybody but itself; of others it learns not even whether they are known.
pub(crate) async fn require_own(vault: &Vault, request: &Request, own: &Identifier) -> Result<(), Fault> {
    let Request { tenant, command, .. } = request;
    match About::of(command) {
        About::Tenant | About::Identified(_) | About::Merged(_) | About::Unmerged(_) => Err(Fault::NotOwn),
        // What is known of a guest is for its tenant to say.
        About::Known { .. } if matches!(command, Command::Guest(_)) => Err(Fault::NotOwn),
        About::New(RegisterGuest { identifier, namespace, .. }) => {
            let is_own = !identifier.is_empty() && parse("identifier", namespace, identifier)? == *own;
            if is_own { Ok(()) } else { Err(Fault::NotOwn) }
        }
        About::Known(name) => {
            let guest = name.parse()?;
            // Of others nothing is looked up: how long it takes would tell who is known.
            let own_id = vault.look_up(tenant, own, OWN_ID_FOR).await?;
            let is_own = match guest {
                GuestRef::Ours(owner) => own_id == Some(owner),
                GuestRef::Theirs(identifier) => own_id.is_some() && identifier == *own,
            };
            if is_own { Ok(()) } else { Err(domain::Rejection::Guest(domain::guest::Rejection::NotFound).into()) }
        }
    }
}

fn parse(field: &'static str, namespace: &str, value: &str) -> Result<Identifier, Fault> {
    let parsed = domain::values::identifier::parse(field, namespace, value);
    parsed.map_err(|invalid| domain::Rejection::from(invalid).into())
}
