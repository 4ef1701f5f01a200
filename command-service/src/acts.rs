//! Who sends a command, as far as it is proved, and the record of those that somebody will ask about.

use quick_cache::sync::Cache;
use runtime::auth::Principal;
use vault::Vault;
use vault::audit::{Act, Actor, Chain, Entries, Entry};

use crate::commit::Request;
use crate::error::Fault;

/// Acts of late that are in the trail.
const REMEMBERED: usize = 1_000;

/// The sender's side of commands.
pub(crate) struct Acts {
    vault: Vault,
    /// By whom, of which tenant, under which id: what waits in the intake is tried again and again.
    recorded: Cache<(Actor, String, String), ()>,
}

impl Acts {
    pub(crate) fn new(vault: Vault) -> Self {
        Self { vault, recorded: Cache::new(REMEMBERED) }
    }

    /// Who somebody is, as it stands in commits.
    pub(crate) fn actor(&self, principal: &Principal) -> Actor {
        self.vault.actor(principal)
    }

    /// The sender of a command that goes into the intake, good for this very command.
    pub(crate) fn vouch(&self, request: &Request) -> String {
        with_parts(request, |parts| self.vault.vouch(&request.sender, parts))
    }

    /// Takes what [`Self::vouch`] wrote for the sender of a command of the intake. Whatever else stands there is somebody's who
    /// published the command himself.
    pub(crate) fn believe(&self, request: &mut Request, vouched: &str) {
        if let Some(sender) = with_parts(request, |parts| self.vault.vouched(vouched, parts)) {
            request.sender = sender;
        }
    }

    /// Has it on record that somebody asks for this, be it refused afterwards: unrecorded, it is not done.
    pub(crate) async fn record(&self, request: &Request) -> Result<(), Fault> {
        let this = (request.sender.clone(), request.tenant.to_string(), request.id.clone());
        if self.recorded.get(&this).is_some() {
            return Ok(());
        }
        let (facet, command) = request.command.name();
        let entry = Entry::now(request.sender.clone(), Act::command(facet, command));
        let entry = Entry { detail: format!("command {}", request.id), ..entry };
        let mut entries = Entries::new(Chain::Tenant(request.tenant.clone()), &[entry]);
        self.vault.record(&mut entries).await?;
        self.recorded.insert(this, ());
        Ok(())
    }
}

/// What makes a command this very one.
fn with_parts<T>(request: &Request, of: impl FnOnce(&[&[u8]]) -> T) -> T {
    let ((facet, command), body) = (request.command.name(), request.command.encode());
    let [tenant, id, facet, command] = [request.tenant.as_str(), &request.id, facet, command].map(str::as_bytes);
    of(&[tenant, id, facet, command, &body])
}
