//! From a decision to the one message that stores it.

use chrono::{DateTime, Utc};
use domain::guest::others_part;
use domain::{Context, Other};
use prost::Message as _;
use proto::identifier::Identifier;
use proto::interactions::event::Kind as InteractionsEvent;
use proto::subject::{LogSubject, Tenant};
use proto::{Command, Commit, Event, SealedPart};
use runtime::clock;
use vault::audit::Actor;
use vault::{GuestKeys, Vault};

use crate::deadline::Deadline;
use crate::error::Fault;
use crate::event_store::{Loaded, snapshot};
use crate::precondition::Precondition;
use crate::target::{self, Target};

/// A command as a door took it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Makes the command the same one however often it is sent.
    pub(crate) id: String,
    pub(crate) tenant: Tenant,
    /// Who sends it, as far as that is proved.
    pub(crate) sender: Actor,
    pub(crate) command: Command,
    /// When it came to us, whatever it waited for since.
    pub(crate) received_at: DateTime<Utc>,
    /// The owner the sender routed by; must be the one found.
    pub(crate) owner: Option<String>,
    /// What the sender has seen of the owner and rests on.
    pub(crate) precondition: Option<Precondition>,
    pub(crate) correlation_id: Option<String>,
    /// Until when it may be begun.
    pub(crate) deadline: Option<Deadline>,
}

impl Request {
    /// Called before something of it is handed to the log; refused when its sender's time is over.
    pub(crate) fn begin(&self) -> Result<(), Fault> {
        self.deadline.as_ref().map_or(Ok(()), Deadline::begin)
    }
}

/// A request, and whom it was found to be about.
#[derive(Clone)]
pub(crate) struct Resolved<'a> {
    pub(crate) request: &'a Request,
    pub(crate) subject: LogSubject,
    pub(crate) target: Target,
}

impl<'a> Resolved<'a> {
    pub(crate) fn new(request: &'a Request, target: Target) -> Self {
        let subject = LogSubject::new(request.tenant.clone(), target.own.owner.clone());
        Self { request, subject, target }
    }

    /// Whether the owner is still the one the request is about: it was found by what was known of it a while ago.
    pub(crate) fn stands(&self, loaded: &Loaded) -> bool {
        let (guest, target) = (&loaded.state.guest, &self.target);
        if !guest.is_registered() {
            return true;
        }
        let was_part = guest.former_survivors().next().is_some() && !target.is_final;
        let is_whole =
            !target::is_about_the_whole(&self.request.command) || (guest.absorbed_into().is_none() && !was_part);
        let is_to_be = |user: &Identifier| guest.is_known_as(user) || guest.may_be(user);
        is_whole
            && target.own.stands(guest)
            && target.part.as_ref().is_none_or(|part| guest.has_absorbed(part.as_str()))
            && target.to_be.as_ref().is_none_or(is_to_be)
    }

    /// What a decision has to know besides the owner's state.
    pub(crate) fn context<'c>(&self, other: Option<Other<'c>>) -> Context<'c> {
        let Target { own, part, to_be, .. } = &self.target;
        let other = other.or_else(|| part.is_some().then_some(Other::Part));
        let names_a_part = own.by_way_of.is_some() && to_be.is_none();
        Context { other, names_a_part, ..Context::new(clock::now(), self.request.received_at) }
    }
}

/// Tells a retry of a request from another request under the same id.
pub(crate) async fn request_hash(vault: &Vault, request: &Request) -> Result<Vec<u8>, Fault> {
    let secret = vault.tenant_secret(&request.tenant).await?;
    let (facet, command) = request.command.name();
    Ok(secret.request_hash(&[facet.as_bytes(), command.as_bytes(), &request.command.encode()]).to_vec())
}

/// A decision, ready to be appended after `expected`.
pub(crate) struct Draft {
    pub(crate) expected: u64,
    pub(crate) commit: Commit,
    /// The owner as it will be.
    after: Loaded,
}

impl Draft {
    /// The owner, now that the commit is at this position.
    pub(crate) fn stored(self, position: u64) -> (Commit, Loaded) {
        let after = self.after.stored(&self.commit, position);
        (self.commit, after)
    }
}

/// The commit of `events`, sealed, with the owner's state when a snapshot is due.
pub(crate) async fn draft(
    vault: &Vault,
    resolved: &Resolved<'_>,
    loaded: &Loaded,
    keys: Option<&GuestKeys>,
    events: &[Event],
    context: &Context<'_>,
) -> Result<Box<Draft>, Fault> {
    let Resolved { request, subject, .. } = resolved;
    let (facet, _) = request.command.name();
    if let Command::Tenant(_) = request.command {
        Box::pin(vault.add_tenant(&request.tenant)).await?;
    }
    let recorded_at = timestamp(context);
    let occurred_at = events.iter().filter_map(occurred_at).min_by_key(|at| (at.seconds, at.nanos));
    let seal = |event| vault::seal(subject, format!("evt_{}", clock::ordered_id().simple()), event, keys);
    let after = loaded.evolved(events, facet);
    let snapshot = if loaded.snapshot_is_due() { snapshot::take(subject, &request.id, &after, keys)? } else { None };
    let commit = Commit {
        command_id: request.id.clone(),
        facet: facet.to_owned(),
        version: after.version(facet),
        events: events.iter().map(seal).collect::<Result<_, _>>().map_err(Fault::unsealable(subject))?,
        occurred_at: Some(occurred_at.unwrap_or(recorded_at)),
        recorded_at: Some(recorded_at),
        correlation_id: request.correlation_id.clone().unwrap_or_else(|| request.id.clone()),
        causation_id: String::new(),
        actor: Some(proto::Actor { kind: request.sender.kind.to_string(), id: request.sender.id.clone() }),
        request_hash: request_hash(vault, request).await?,
        data_subjects: data_subjects(subject, events),
        addressed_as: addressed_as(resolved, keys)?,
        batch: None,
        snapshot_position: loaded.snapshot_position,
        snapshot,
    };
    Ok(Box::new(Draft { expected: loaded.head, commit, after }))
}

/// The owner, and whoever is told of besides.
fn data_subjects(subject: &LogSubject, events: &[Event]) -> Vec<String> {
    if !subject.owner.is_guest() {
        return Vec::new();
    }
    let own = subject.owner.to_string();
    let others = events.iter().flat_map(|event| match event {
        Event::Guest(event) => others_part(&own, event),
        Event::Tenant(_) | Event::Interactions(_) => Vec::new(),
    });
    let others: Vec<String> = others.map(|(id, _)| id).collect();
    [vec![own.clone()], others].concat()
}

fn addressed_as(resolved: &Resolved<'_>, keys: Option<&GuestKeys>) -> Result<Option<SealedPart>, Fault> {
    let Resolved { request, subject, .. } = resolved;
    let Some(known_as) = &resolved.target.own.addressed_as else { return Ok(None) };
    let (facet, _) = request.command.name();
    let (namespace, value) = (known_as.namespace().to_owned(), known_as.value().to_owned());
    let text = proto::guest::Identifier { namespace, value }.encode_to_vec();
    let sealed = vault::seal_part(subject, facet, &request.id, keys, &text);
    sealed.map(Some).map_err(Fault::unsealable(subject))
}

fn timestamp(context: &Context<'_>) -> prost_types::Timestamp {
    let nanos = i32::try_from(context.now.timestamp_subsec_nanos()).unwrap_or_default();
    prost_types::Timestamp { seconds: context.now.timestamp(), nanos }
}

/// When the caller says it happened; `None` for events that only happen by being recorded.
fn occurred_at(event: &Event) -> Option<prost_types::Timestamp> {
    match event {
        Event::Interactions(InteractionsEvent::InteractionRecorded(recorded)) => recorded.occurred_at,
        Event::Guest(_) | Event::Tenant(_) => None,
    }
}
