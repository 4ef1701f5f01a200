//! `keepsake nats-users`: who may sign in at nats-server, and the part of its configuration that says what each may do.

mod config;
mod folder;

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use event_log::User;
use event_log::permissions::Caller;
use proto::subject::Tenant;

pub use self::config::{Account, text};
pub use self::folder::{Known, UsersFolder};

/// Makes the NATS users, and writes what nats-server must know of them.
///
/// Each user has an nkey: its seed is a file `<user>.nk` in the folder, readable by its owner alone and never overwritten. What
/// nats-server is to include holds public keys only and is written anew each time; `nats-server --signal reload` makes a running
/// server read it. Give each process a folder with its own seeds: appender, door and intake are command-service's, workers is
/// projection-workers', migrate is for `keepsake migrate`, operator for every other subcommand.
#[derive(Args, Debug)]
pub struct NatsUsersArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// Folder of the users
    #[arg(long, env = "KEEPSAKE_NATS_USERS", global = true, default_value = ".run/secrets/nats")]
    dir: PathBuf,
    /// What nats-server is to include [default: users.conf in the folder]
    #[arg(long, global = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Lets another service send commands of its tenants and hear their events; said again, it has these tenants and no others.
    /// A running nats-server is to be reloaded twice, since it connects a new account with ours at the second time; then
    /// `keepsake migrate` makes its consumer of published events
    Caller(CallerArgs),
    /// Takes a caller's rights away and deletes its seed
    Revoke {
        /// The caller
        name: String,
    },
    /// Shows who there is
    List,
}

#[derive(Args, Debug)]
struct CallerArgs {
    /// Of A-Z, a-z, 0-9, _ and -
    name: String,
    /// Whose commands and events; several times for several
    #[arg(long = "tenant", required = true)]
    tenants: Vec<Tenant>,
    /// Its public user nkey (U...), when it made its seed itself and keeps it
    #[arg(long)]
    public_key: Option<String>,
}

pub fn run(args: &NatsUsersArgs) -> anyhow::Result<()> {
    let folder = UsersFolder::at(&args.dir);
    match &args.action {
        None => folder.make()?,
        Some(Action::Caller(caller)) => add(&folder, caller)?,
        Some(Action::Revoke { name }) => folder.revoke(name)?,
        Some(Action::List) => return list(&folder),
    }
    let path = args.config.clone().unwrap_or_else(|| folder.config());
    folder.write_config(&path)?;
    anstream::eprintln!("seeds in {}, for nats-server: include {}", args.dir.display(), path.display());
    Ok(())
}

fn add(folder: &UsersFolder, args: &CallerArgs) -> anyhow::Result<()> {
    if let Some(tenant) = args.tenants.iter().find(|tenant| tenant.is_system()) {
        bail!("{tenant} is no tenant: the services keep it for themselves");
    }
    let caller = Caller { name: args.name.clone(), tenants: args.tenants.iter().cloned().collect() };
    folder.make()?;
    folder.admit(&caller, args.public_key.as_deref())?;
    anstream::eprintln!(
        "reload nats-server twice: it connects a new account with ours at the second time; then `keepsake migrate`"
    );
    Ok(())
}

fn list(folder: &UsersFolder) -> anyhow::Result<()> {
    for user in User::ALL {
        let found = folder.public_key(user)?;
        anstream::println!("{:<16}  {}", user.name(), found.as_deref().unwrap_or("its seed is not here"));
    }
    for Known { caller, public_key } in folder.callers()? {
        let tenants = caller.tenants.iter().map(Tenant::as_str).collect::<Vec<_>>().join(", ");
        anstream::println!("{:<16}  {public_key}  {tenants}", caller.name);
    }
    Ok(())
}
