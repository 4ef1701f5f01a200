//! Who sent something, on a way that others may write on, too: believed because it is signed with a key that only we have.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

use super::entry::Actor;
use crate::kek::keyed_hash;
use crate::vault::Vault;

const PURPOSE: &str = "senders";

impl Vault {
    /// The sender as printable text, good for nothing but what it is `about`.
    ///
    /// # Panics
    /// Never: an actor is texts.
    pub fn vouch(&self, sender: &Actor, about: &[&[u8]]) -> String {
        let name = BASE64URL_NOPAD.encode(&serde_json::to_vec(sender).expect("texts"));
        let mac = HEXLOWER.encode(&self.sender_mac(&name, about));
        format!("{name}.{mac}")
    }

    /// Whom such a text names; `None` when we did not write it, or about something else.
    pub fn vouched(&self, text: &str, about: &[&[u8]]) -> Option<Actor> {
        let (name, mac) = text.split_once('.')?;
        // A hash of what nobody else knows: how long comparing takes tells too little to make one.
        if HEXLOWER.decode(mac.as_bytes()).ok()? != self.sender_mac(name, about) {
            return None;
        }
        serde_json::from_slice(&BASE64URL_NOPAD.decode(name.as_bytes()).ok()?).ok()
    }

    fn sender_mac(&self, name: &str, about: &[&[u8]]) -> [u8; 32] {
        let fields: Vec<&[u8]> = std::iter::once(name.as_bytes()).chain(about.iter().copied()).collect();
        keyed_hash(&self.derive(PURPOSE), &fields)
    }
}

#[cfg(test)]
mod tests {
    use runtime::config::Secret;

    use super::*;

    #[test]
    fn a_sender_is_believed_about_what_it_was_vouched_for_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let key_file = folder.path().join("kek");
        std::fs::write(&key_file, [7; 32]).expect("writes");
        let url = Secret::new("postgres://nobody@127.0.0.1:1/none".to_owned());
        let vault = Vault::connect(&url, &key_file).expect("no connection yet");
        let ada = Actor::operator("ada");
        let text = vault.vouch(&ada, &[b"demo", b"cmd_1"]);
        assert_eq!(vault.vouched(&text, &[b"demo", b"cmd_1"]), Some(ada));
        let bob = vault.vouch(&Actor::operator("bob"), &[b"demo", b"cmd_2"]);
        let (name, _) = bob.split_once('.').expect("two parts");
        let (_, mac) = text.split_once('.').expect("two parts");
        for forged in ["", ".", name, &format!("{name}.{mac}"), &format!("{name}."), &bob] {
            assert_eq!(vault.vouched(forged, &[b"demo", b"cmd_1"]), None, "{forged}");
        }
    }
}
