//! Where NATS is, and as whom to sign in: the same options for every subcommand that asks it something.

use std::path::PathBuf;

use clap::Args;
use event_log::NatsAddress;

#[derive(Args, Clone, Debug)]
pub struct NatsArgs {
    /// nats-server
    #[arg(long, env = "NATS_URL", hide_env_values = true, default_value = "nats://127.0.0.1:4222", global = true)]
    pub nats_url: String,
    /// Folder with the seeds of NATS users, as `keepsake nats-users` makes it [default: sign in as nobody]
    #[arg(long, env = "KEEPSAKE_NATS_USERS", global = true)]
    pub nats_users: Option<PathBuf>,
    /// Sign in as this one of them, a caller for instance [default: whom the subcommand is for, mostly operator]
    #[arg(long, env = "KEEPSAKE_NATS_USER", global = true)]
    pub nats_user: Option<String>,
}

impl NatsArgs {
    pub fn address(&self) -> NatsAddress {
        let Self { nats_url, nats_users, nats_user } = self.clone();
        NatsAddress { url: nats_url, users: nats_users, user: nats_user }
    }
}

impl From<NatsAddress> for NatsArgs {
    fn from(NatsAddress { url, users, user }: NatsAddress) -> Self {
        Self { nats_url: url, nats_users: users, nats_user: user }
    }
}
