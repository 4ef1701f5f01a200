//! The keys of one guest: one per data class and epoch.

use proto::DataClass;
use proto::subject::{Owner, Tenant};

use crate::aead::{self, Key, SealFault};

/// Every class that is sealed, in the order keys are made and stored.
pub(crate) const SEALED_CLASSES: [DataClass; 4] =
    [DataClass::Contact, DataClass::Behaviour, DataClass::FreeText, DataClass::Special];

pub(crate) const FIRST_EPOCH: i32 = 1;

pub struct GuestKeys(Vec<DataKey>);

pub(crate) struct DataKey {
    pub(crate) class: DataClass,
    pub(crate) epoch: i32,
    pub(crate) key: Key,
}

impl GuestKeys {
    /// A key for every class, for a guest that has none yet.
    pub(crate) fn generate() -> Result<Self, SealFault> {
        let key = |class| Ok(DataKey { class, epoch: FIRST_EPOCH, key: aead::random_key()? });
        SEALED_CLASSES.into_iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn from_stored(keys: Vec<DataKey>) -> Self {
        Self(keys)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &DataKey> {
        self.0.iter()
    }

    /// The key new events of that class are sealed with.
    pub(crate) fn newest(&self, class: DataClass) -> Option<&DataKey> {
        self.0.iter().filter(|key| key.class == class).max_by_key(|key| key.epoch)
    }

    pub(crate) fn find(&self, class: DataClass, epoch: i32) -> Option<&DataKey> {
        self.0.iter().find(|key| key.class == class && key.epoch == epoch)
    }
}

/// Where a wrapped key is stored; a key moved to another row does not unwrap.
pub(crate) fn key_place(tenant: &Tenant, guest: &Owner, class: DataClass, epoch: i32) -> Vec<u8> {
    let class = (class as i32).to_be_bytes();
    aead::place(&[b"data-key", tenant.as_str().as_bytes(), guest.as_str().as_bytes(), &class, &epoch.to_be_bytes()])
}
