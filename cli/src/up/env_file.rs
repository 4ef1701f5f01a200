//! `.run/env`: the endpoints as shell variables, there exactly while everything runs.

use super::secrets;
use super::{Endpoints, RunFolder};
use crate::servers::own_executable;

/// Readable by its owner alone, because it holds passwords and says where the key is.
pub(super) fn write(folder: &RunFolder, endpoints: &Endpoints) -> anyhow::Result<()> {
    let program = own_executable()?;
    let programs = program.parent().unwrap_or(&program).display().to_string();
    secrets::write(&folder.env_file(), text(endpoints, &programs).as_bytes())
}

pub(super) fn remove(folder: &RunFolder) {
    // It is not there when the start failed.
    let _not_there = std::fs::remove_file(folder.env_file());
}

fn text(endpoints: &Endpoints, programs: &str) -> String {
    let monitor = endpoints.nats_monitor_url.as_deref();
    let credentials = std::env::var("NATS_CREDS").ok();
    let users = endpoints.nats.users.as_ref().map(|users| users.display().to_string());
    let kek_file = endpoints.kek_file.display().to_string();
    let issuer_dir = endpoints.issuer_dir.display().to_string();
    let variables = [
        ("KEEPSAKE_URL", Some(endpoints.url.as_str())),
        ("KEEPSAKE_COMMAND_URL", Some(&endpoints.command_url)),
        ("KEEPSAKE_QUERY_URL", Some(&endpoints.query_url)),
        ("KEEPSAKE_WORKERS_URL", Some(&endpoints.workers_url)),
        ("NATS_URL", Some(&endpoints.nats.url)),
        ("KEEPSAKE_NATS_USERS", users.as_deref()),
        ("NATS_MONITOR_URL", monitor),
        ("NATS_CREDS", credentials.as_deref()),
        ("DATABASE_URL", Some(&endpoints.database_url)),
        ("KEEPSAKE_DATABASE_URL", Some(&endpoints.worker_database_url)),
        ("KEEPSAKE_VAULT_URL", Some(&endpoints.worker_vault_url)),
        ("KEEPSAKE_KEK_FILE", Some(&kek_file)),
        ("KEEPSAKE_TENANT", Some(&endpoints.tenant)),
        ("KEEPSAKE_TOKEN", Some(&endpoints.token)),
        ("KEEPSAKE_ISSUER_DIR", Some(&issuer_dir)),
    ];
    let line = |(name, value): (&str, Option<&str>)| Some(format!("export {name}={}\n", quoted(value?)));
    let lines: String = variables.into_iter().filter_map(line).collect();
    format!("{lines}export PATH={}:\"$PATH\"\n", quoted(programs))
}

/// One word of any POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_written() {
        let value = "a b'c$(d)\"e`\\";
        let script = format!("export X={}\nprintf %s \"$X\"", quoted(value));
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
    }
}
