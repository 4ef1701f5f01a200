//! Sealing the snapshot of an owner's state, so that it is gone as soon as any one of the owner's keys is gone.

use proto::subject::LogSubject;
use proto::{DataClass, KeyVersion, Snapshot};
use zeroize::Zeroizing;

use crate::aead::{self, Forged, KEY_BYTES, Key};
use crate::guest_keys::{DataKey, GuestKeys, SEALED_CLASSES};
use crate::kek::keyed_hash;
use crate::sealing::{OpenError, SealError};

/// Sets these keys and ciphertexts apart from all others; no secret.
const PURPOSE: &[u8; KEY_BYTES] = b"keepsake snapshot of one owner 1";

/// Seals the state a commit carries. A state mixes all classes of data, so it is sealed under the newest key of each at once;
/// an owner that is no guest has only open data, and its state is kept in clear.
pub fn seal_state(
    subject: &LogSubject,
    command_id: &str,
    fingerprint: &[u8],
    keys: Option<&GuestKeys>,
    text: &[u8],
) -> Result<Snapshot, SealError> {
    let fingerprint = fingerprint.to_vec();
    if !subject.owner.is_guest() {
        return Ok(Snapshot { fingerprint, content: text.to_vec(), ..Snapshot::default() });
    }
    let newest = |class| keys.and_then(|keys| keys.newest(class)).ok_or(SealError::MissingKey(class));
    let keys: Vec<&DataKey> = SEALED_CLASSES.into_iter().map(newest).collect::<Result<_, _>>()?;
    let (nonce, content) = aead::seal(&joint_key(&keys), &place(subject, command_id, &fingerprint), text)?;
    let keys = keys.iter().map(|key| KeyVersion { class: key.class.into(), epoch: key.epoch }).collect();
    Ok(Snapshot { fingerprint, keys, nonce: nonce.to_vec(), content })
}

/// Opens what [`seal_state`] sealed for that owner and command.
pub fn open_state(
    subject: &LogSubject,
    command_id: &str,
    snapshot: &Snapshot,
    keys: Option<&GuestKeys>,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let Snapshot { fingerprint, keys: versions, nonce, content } = snapshot;
    if !subject.owner.is_guest() {
        let in_clear = versions.is_empty() && nonce.is_empty();
        return if in_clear { Ok(Zeroizing::new(content.clone())) } else { Err(Forged.into()) };
    }
    // Fewer keys would be easier to come by: nobody but a forger names fewer.
    if !versions.iter().map(KeyVersion::class).eq(SEALED_CLASSES) {
        return Err(Forged.into());
    }
    let named = |version: &KeyVersion| {
        let (class, epoch): (DataClass, _) = (version.class(), version.epoch);
        keys.and_then(|keys| keys.find(class, epoch)).ok_or(OpenError::MissingKey { class, epoch })
    };
    let keys: Vec<&DataKey> = versions.iter().map(named).collect::<Result<_, _>>()?;
    Ok(aead::open(&joint_key(&keys), &place(subject, command_id, fingerprint), nonce, content)?)
}

/// A key nobody can make who lacks one of these.
fn joint_key(keys: &[&DataKey]) -> Key {
    let names: Vec<[u8; 8]> = keys.iter().map(|key| name(key)).collect();
    let fields: Vec<&[u8]> =
        names.iter().zip(keys).flat_map(|(name, key)| [name.as_slice(), key.key.as_slice()]).collect();
    Key::new(keyed_hash(&Key::new(*PURPOSE), &fields))
}

fn name(key: &DataKey) -> [u8; 8] {
    let mut name = [0; 8];
    name[..4].copy_from_slice(&(key.class as i32).to_be_bytes());
    name[4..].copy_from_slice(&key.epoch.to_be_bytes());
    name
}

/// Where a snapshot stands: it opens nowhere else.
fn place(subject: &LogSubject, command_id: &str, fingerprint: &[u8]) -> Vec<u8> {
    let (tenant, owner) = (subject.tenant.as_str().as_bytes(), subject.owner.as_str().as_bytes());
    aead::place(&[b"snapshot", tenant, owner, command_id.as_bytes(), fingerprint])
}

#[cfg(test)]
mod tests {
    use proto::subject::Owner;

    use super::*;

    const STATE: &[u8] = b"canary state";

    fn subject(owner: Owner) -> LogSubject {
        LogSubject::new("demo".parse().expect("a token"), owner)
    }

    fn guest(id: u128) -> LogSubject {
        subject(Owner::guest(id))
    }

    fn sealed(keys: &GuestKeys) -> Snapshot {
        seal_state(&guest(1), "cmd-1", b"fold-1", Some(keys), STATE).expect("seals")
    }

    fn keys() -> GuestKeys {
        GuestKeys::generate().expect("keys")
    }

    fn copy(key: &DataKey) -> DataKey {
        DataKey { class: key.class, epoch: key.epoch, key: key.key.clone() }
    }

    fn without(keys: &GuestKeys, class: DataClass) -> GuestKeys {
        GuestKeys::from_stored(keys.iter().filter(|key| key.class != class).map(copy).collect())
    }

    #[test]
    fn a_sealed_state_opens_again_and_shows_nothing() {
        let keys = keys();
        let snapshot = sealed(&keys);
        assert!(!snapshot.content.windows(STATE.len()).any(|window| window == STATE));
        assert_eq!(*open_state(&guest(1), "cmd-1", &snapshot, Some(&keys)).expect("opens"), STATE);
    }

    #[test]
    fn a_state_opens_only_for_its_owner_command_and_fold() {
        let keys = keys();
        let snapshot = sealed(&keys);
        let of_another_fold = Snapshot { fingerprint: b"fold-2".to_vec(), ..snapshot.clone() };
        for (subject, command_id, snapshot) in
            [(guest(2), "cmd-1", &snapshot), (guest(1), "cmd-2", &snapshot), (guest(1), "cmd-1", &of_another_fold)]
        {
            let opened = open_state(&subject, command_id, snapshot, Some(&keys));
            assert!(matches!(opened, Err(OpenError::Forged(_))), "{opened:?}");
        }
    }

    #[test]
    fn a_state_is_gone_with_any_one_of_the_keys() {
        let keys = keys();
        let snapshot = sealed(&keys);
        for gone in SEALED_CLASSES {
            let opened = open_state(&guest(1), "cmd-1", &snapshot, Some(&without(&keys, gone)));
            assert!(matches!(opened, Err(OpenError::MissingKey { class, .. }) if class == gone), "{opened:?}");
        }
        let opened = open_state(&guest(1), "cmd-1", &snapshot, None);
        assert!(matches!(opened, Err(OpenError::MissingKey { .. })), "{opened:?}");
    }

    #[test]
    fn a_state_opens_with_the_keys_it_was_sealed_under_after_newer_ones_were_made() {
        let keys = keys();
        let snapshot = sealed(&keys);
        let newer = SEALED_CLASSES.map(|class| DataKey { class, epoch: 2, key: aead::random_key().expect("a key") });
        let renewed = GuestKeys::from_stored(keys.iter().map(copy).chain(newer).collect());
        assert_eq!(*open_state(&guest(1), "cmd-1", &snapshot, Some(&renewed)).expect("opens"), STATE);
        assert!(sealed(&renewed).keys.iter().all(|version| version.epoch == 2));
    }

    #[test]
    fn a_guests_state_is_never_kept_in_clear() {
        let unsealed = seal_state(&guest(1), "cmd-1", b"fold-1", None, STATE);
        assert!(matches!(unsealed, Err(SealError::MissingKey(DataClass::Contact))), "{unsealed:?}");
        let keys = keys();
        let incomplete = without(&keys, DataClass::Special);
        let unsealed = seal_state(&guest(1), "cmd-1", b"fold-1", Some(&incomplete), STATE);
        assert!(matches!(unsealed, Err(SealError::MissingKey(DataClass::Special))), "{unsealed:?}");
        let in_clear = Snapshot { content: STATE.to_vec(), ..Snapshot::default() };
        let without_nonce = Snapshot { nonce: Vec::new(), ..sealed(&keys) };
        let fewer_keys = Snapshot { keys: Vec::new(), ..sealed(&keys) };
        for forged in [in_clear, without_nonce, fewer_keys] {
            let opened = open_state(&guest(1), "cmd-1", &forged, Some(&keys));
            assert!(matches!(opened, Err(OpenError::Forged(_))), "{opened:?}");
        }
    }

    #[test]
    fn a_tenants_state_is_kept_in_clear() {
        let tenant = subject(Owner::tenant());
        let snapshot = seal_state(&tenant, "cmd-1", b"fold-1", None, STATE).expect("seals");
        assert_eq!((snapshot.content.as_slice(), snapshot.nonce.as_slice()), (STATE, b"".as_slice()));
        assert_eq!(*open_state(&tenant, "cmd-1", &snapshot, None).expect("opens"), STATE);
        let opened = open_state(&tenant, "cmd-1", &sealed(&keys()), None);
        assert!(matches!(opened, Err(OpenError::Forged(_))), "{opened:?}");
    }
}
