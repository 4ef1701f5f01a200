//! Who may write into the log: found out by asking the server what this connection may do, never by trying.

use async_nats::Client;
use bytes::Bytes;
use proto::subject::inbox::USER_INFO;
use proto::subject::{LogSubject, Owner, Tenant};
use serde::Deserialize;

use super::Finding;

const ADVICE: &str = "`keepsake nats-users` makes users with no more rights than they need";

/// What the server says of the connection that asks.
#[derive(Deserialize)]
struct Answer {
    data: UserInfo,
}

#[derive(Deserialize)]
struct UserInfo {
    #[serde(default)]
    user: String,
    permissions: Option<Permissions>,
}

#[derive(Deserialize)]
struct Permissions {
    publish: Option<Subjects>,
}

/// No list allows everything, and denies nothing.
#[derive(Default, Deserialize)]
struct Subjects {
    #[serde(default)]
    allow: Option<Vec<String>>,
    #[serde(default)]
    deny: Option<Vec<String>>,
}

pub(super) async fn examine(client: &Client) -> Finding {
    let answer = match client.request(USER_INFO, Bytes::new()).await {
        Ok(answer) => answer,
        Err(error) => {
            return Finding::doubtful("rights", format!("the server does not say what this user may do: {error}"));
        }
    };
    match serde_json::from_slice::<Answer>(&answer.payload) {
        Ok(Answer { data }) => judge(&data, client.server_info().auth_required),
        Err(error) => {
            Finding::doubtful("rights", format!("what the server says of this user is not to be read: {error}"))
        }
    }
}

fn judge(info: &UserInfo, asks_who_comes: bool) -> Finding {
    let user = &info.user;
    if !asks_who_comes {
        let text = format!("whoever reaches this server may write into the log and delete it: {ADVICE}");
        return Finding::doubtful("rights", text);
    }
    if may_publish(info, &a_subject_of_the_log()) {
        return Finding::doubtful("rights", format!("{user} may write into the log itself: {ADVICE}"));
    }
    Finding::good("rights", format!("{user} may not write into the log"))
}

fn a_subject_of_the_log() -> String {
    LogSubject::new(Tenant::system(), Owner::instance(0)).to_string()
}

fn may_publish(info: &UserInfo, subject: &str) -> bool {
    let Some(publish) = info.permissions.as_ref().and_then(|permissions| permissions.publish.as_ref()) else {
        return true;
    };
    let takes = |patterns: &Option<Vec<String>>, without: bool| {
        patterns.as_ref().map_or(without, |patterns| patterns.iter().any(|pattern| takes(pattern, subject)))
    };
    takes(&publish.allow, true) && !takes(&publish.deny, false)
}

/// Whether the subject is one of the pattern's: `*` is any one token, `>` all that are left.
fn takes(pattern: &str, subject: &str) -> bool {
    let (mut patterns, mut tokens) = (pattern.split('.'), subject.split('.'));
    loop {
        match (patterns.next(), tokens.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some(pattern), Some(token)) if pattern == "*" || pattern == token => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(permissions: &str) -> bool {
        let info = format!(r#"{{"user":"U","account":"A","permissions":{permissions}}}"#);
        may_publish(&serde_json::from_str(&info).expect("an answer"), &a_subject_of_the_log())
    }

    #[test]
    fn whoever_is_not_kept_from_the_log_may_write_into_it() {
        for open in [
            "null",
            "{}",
            r#"{"publish":{}}"#,
            r#"{"publish":{"allow":["es.>"]}}"#,
            r#"{"publish":{"deny":["pub.>"]}}"#,
        ] {
            assert!(may(open), "{open}");
        }
        for kept in [
            r#"{"publish":{"allow":["cmd.>","es"]}}"#,
            r#"{"publish":{"deny":["es.>"]}}"#,
            r#"{"publish":{"allow":["*"]}}"#,
        ] {
            assert!(!may(kept), "{kept}");
        }
    }
}
