//! Where answers go: each user of NATS has inboxes of its own.

/// Prefix of the inboxes of whoever sends commands.
pub const INBOX_PREFIX: &str = "_INBOX.";
/// Prefix of the reply subjects that nats-server makes for what comes from another account. No client can name one itself.
pub const FOREIGN_REPLY_PREFIX: &str = "_R_.";

/// Where nats-server is asked what the connection that asks may do.
pub const USER_INFO: &str = "$SYS.REQ.USER.INFO";

/// Prefix of the inboxes of one of our own connections, where no command is ever answered.
pub fn service_inbox(user: &str) -> String {
    format!("_I.{user}")
}

/// Prefix of the inboxes of a user that sends commands from within our own account.
pub fn command_inbox(user: &str) -> String {
    format!("{INBOX_PREFIX}{user}")
}

/// Every inbox with this prefix.
pub fn inboxes(prefix: &str) -> String {
    format!("{}.>", prefix.trim_end_matches('.'))
}

/// Whether a command may be answered there.
pub fn is_inbox(subject: &str) -> bool {
    subject.starts_with(INBOX_PREFIX) || subject.starts_with(FOREIGN_REPLY_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_inboxes_of_those_who_send_commands_are_answered() {
        assert!(is_inbox("_INBOX.x.y") && is_inbox("_R_.a.b") && is_inbox(&format!("{}.x", command_inbox("operator"))));
        for subject in ["es.01.a.b", "cmdq.a.b.c", "_INBOX", "_INBOXES.a", &format!("{}.x", service_inbox("appender"))]
        {
            assert!(!is_inbox(subject), "{subject}");
        }
        assert_eq!([inboxes("_I.door"), inboxes(INBOX_PREFIX)], ["_I.door.>", "_INBOX.>"]);
    }
}
