//! The accounts of nats-server's configuration, as text.

use std::fmt::Write as _;

use event_log::permissions::{ACCOUNT, Answers, Caller, Permissions, Share};

const HEAD: &str = "# Who may do what; made by `keepsake nats-users`, which writes it anew. There is no secret in it.\n\
                    # Include it in nats-server's configuration; `nats-server --signal reload` makes a running server read it.\n";

/// An account, who signs in to it, and what it shares.
pub struct Account {
    name: String,
    has_streams: bool,
    /// Name, public key, rights.
    users: Vec<(String, String, Permissions)>,
    shares: Vec<Share>,
}

impl Account {
    /// The account of the log.
    pub fn ours(users: Vec<(String, String, Permissions)>) -> Self {
        Self { name: ACCOUNT.to_owned(), has_streams: true, users, shares: Caller::shared_with_all() }
    }

    /// A caller's own.
    pub fn of(caller: &Caller, public_key: String) -> Self {
        let users = vec![(caller.name.clone(), public_key, caller.permissions())];
        Self { name: format!("caller-{}", caller.name), has_streams: false, users, shares: caller.shares() }
    }

    /// The same with one more user.
    #[must_use]
    pub fn with(mut self, name: &str, public_key: String, permissions: Permissions) -> Self {
        self.users.push((name.to_owned(), public_key, permissions));
        self
    }

    fn text(&self) -> String {
        let mut text = format!("  {} {{\n", quoted(&self.name));
        if self.has_streams {
            text += "    jetstream: enabled\n";
        }
        text += "    users: [\n";
        for (name, public_key, permissions) in &self.users {
            let (publish, subscribe) = (list(&permissions.publish), list(&permissions.subscribe));
            // Writing to a string cannot fail.
            let _written = write!(
                text,
                "      # {name}\n      {{ nkey: {public_key}, permissions: {{\n        publish: {{ allow: {publish} }}\n        \
                 subscribe: {{ allow: {subscribe} }}\n      }} }}\n"
            );
        }
        let (kind, share): (_, fn(&Share) -> String) =
            if self.has_streams { ("exports", exported) } else { ("imports", imported) };
        let shares: Vec<String> = self.shares.iter().map(share).collect();
        text + &format!("    ]\n    {kind}: [\n      {}\n    ]\n  }}\n", shares.join("\n      "))
    }
}

/// What nats-server includes.
pub fn text(accounts: &[Account]) -> String {
    let accounts: Vec<String> = accounts.iter().map(Account::text).collect();
    format!("{HEAD}accounts {{\n{}}}\n", accounts.concat())
}

fn exported(share: &Share) -> String {
    match share {
        Share::Service { subject, answers: Answers::One, .. } => format!("{{ service: {} }}", quoted(subject)),
        Share::Service { subject, answers: Answers::Many, .. } => {
            format!("{{ service: {}, response_type: stream }}", quoted(subject))
        }
        Share::Stream(subject) => format!("{{ stream: {} }}", quoted(subject)),
    }
}

fn imported(share: &Share) -> String {
    let from = |subject: &str| format!("{{ account: {ACCOUNT}, subject: {} }}", quoted(subject));
    match share {
        Share::Service { subject, to: None, .. } => format!("{{ service: {} }}", from(subject)),
        Share::Service { subject, to: Some(to), .. } => format!("{{ service: {}, to: {} }}", from(subject), quoted(to)),
        Share::Stream(subject) => format!("{{ stream: {} }}", from(subject)),
    }
}

fn list(subjects: &[String]) -> String {
    let each: Vec<String> = subjects.iter().map(|subject| quoted(subject)).collect();
    format!("[\n          {}\n        ]", each.join("\n          "))
}

/// Subjects, names and keys have no quotes in them.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
