//! A tenant's secret: what makes its digests and derived ids meaningless outside the tenant.

use proto::identifier::Identifier;
use proto::subject::Owner;
use uuid::Uuid;

use crate::aead::Key;
use crate::kek::keyed_hash;

/// Cheap to clone; the key is wiped when the last clone is dropped.
#[derive(Clone)]
pub struct TenantSecret(std::sync::Arc<Key>);

impl TenantSecret {
    pub(crate) fn new(key: Key) -> Self {
        Self(std::sync::Arc::new(key))
    }

    /// What the register keeps instead of the identifier.
    pub(crate) fn identifier_digest(&self, identifier: &Identifier) -> [u8; 32] {
        keyed_hash(&self.0, &[b"identifier", identifier.namespace().as_bytes(), identifier.value().as_bytes()])
    }

    /// Tells a retry of a command from another command under the same id.
    pub fn request_hash(&self, request: &[&[u8]]) -> [u8; 32] {
        let fields = [&[b"request".as_slice()], request].concat();
        keyed_hash(&self.0, &fields)
    }

    /// The guest a registration without identifier makes: the same for every retry of the command.
    pub fn guest_of_command(&self, command_id: &str) -> Owner {
        let namespace = Uuid::from_bytes(keyed_hash(&self.0, &[b"guest"])[..16].try_into().unwrap_or_default());
        Owner::guest(Uuid::new_v5(&namespace, command_id.as_bytes()).as_u128())
    }
}
