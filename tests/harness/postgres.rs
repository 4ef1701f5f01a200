//! One Postgres for all tests of this run, and one that is durable for what is measured; two databases for each test.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use keepsake_cli::servers::{Postgres, PostgresOptions};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::tools;

const FOLDER_PREFIX: &str = "keepsake-tests-postgres-";
const LOGIN_PASSWORD: &str = "test";

/// What a Postgres does with what it commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Keeps it for as long as the machine runs.
    Forgetful,
    /// Has it on disk first.
    Durable,
}

/// The URLs of one test's databases.
pub struct Databases {
    pub admin: String,
    pub writer: String,
    pub reader: String,
    pub command_reader: String,
    pub vault_keeper: String,
    pub vault_opener: String,
    pub vault_lookup: String,
    /// The read models, as the administrator.
    pub read_admin: String,
}

impl Databases {
    /// The vault, as the administrator.
    pub fn vault_admin(&self) -> String {
        let (_, vault) = self.vault_keeper.rsplit_once('/').expect("a database");
        let (server, _) = self.read_admin.rsplit_once('/').expect("a database");
        format!("{server}/{vault}")
    }

    /// A connection of the test's own.
    pub async fn connect(&self, url: &str) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("connects");
        tokio::spawn(connection);
        client
    }
}

/// URLs of databases nobody used yet; migration creates them.
pub async fn fresh() -> Databases {
    fresh_on(Memory::Forgetful).await
}

/// The same on one of the two.
pub async fn fresh_on(memory: Memory) -> Databases {
    static TESTS: AtomicU32 = AtomicU32::new(0);
    let admin = tokio::task::spawn_blocking(move || admin_url(memory)).await.expect("Postgres starts");
    databases(admin, TESTS.fetch_add(1, Ordering::Relaxed))
}

/// A Postgres of one test's own, in its folder, and the URLs of its databases.
pub async fn own(folder: &Path) -> (Postgres, Databases) {
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("ours");
    let folder = folder.join("postgres");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("ours");
    let postgres = Postgres::start(&tools(), &options(folder, Memory::Forgetful)).await.expect("Postgres starts");
    let databases = databases(postgres.admin_url().to_owned(), 0);
    (postgres, databases)
}

fn databases(admin: String, test: u32) -> Databases {
    let (read, vault) = (format!("keepsake_{test}"), format!("keepsake_{test}_vault"));
    let (scheme, address) = admin.split_once("://").expect("a URL");
    let host = address.rsplit_once('@').expect("a login").1.split('/').next().expect("a host").to_owned();
    let login = |login: &str, database: &str| format!("{scheme}://{login}:{LOGIN_PASSWORD}@{host}/{database}");
    let read_admin = format!("{}/{read}", admin.rsplit_once('/').expect("a database").0);
    Databases {
        writer: login("keepsake_writer_login", &read),
        reader: login("keepsake_reader_login", &read),
        command_reader: login("keepsake_command_reader_login", &read),
        vault_keeper: login("keepsake_vault_keeper_login", &vault),
        vault_opener: login("keepsake_vault_opener_login", &vault),
        vault_lookup: login("keepsake_vault_lookup_login", &vault),
        read_admin,
        admin,
    }
}

/// Starts Postgres on a thread that outlives every single test; its guard ends it with this process.
fn admin_url(memory: Memory) -> String {
    static FORGETFUL: OnceLock<String> = OnceLock::new();
    static DURABLE: OnceLock<String> = OnceLock::new();
    let url = match memory {
        Memory::Forgetful => &FORGETFUL,
        Memory::Durable => &DURABLE,
    };
    url.get_or_init(|| {
        let (started, url) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let postgres =
                    Postgres::start(&tools(), &options(folder(memory), memory)).await.expect("Postgres starts");
                started.send(postgres.admin_url().to_owned()).expect("the test waits");
                std::future::pending::<()>().await;
            });
        });
        url.recv().expect("Postgres starts")
    })
    .clone()
}

/// A folder of this process, which cannot remove it at its end: the next run does.
fn folder(memory: Memory) -> PathBuf {
    let all = std::env::temp_dir();
    for entry in std::fs::read_dir(&all).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(FOLDER_PREFIX).and_then(|pid| pid.parse().ok()).map(Pid::from_raw);
        if owner.is_some_and(|owner| kill(owner, None).is_err()) {
            // Somebody else's leftovers are not ours to remove.
            let _not_ours = std::fs::remove_dir_all(entry.path());
        }
    }
    let folder = all.join(format!("{FOLDER_PREFIX}{}", std::process::id()));
    let of_one = folder.join(match memory {
        Memory::Forgetful => "forgetful",
        Memory::Durable => "durable",
    });
    std::fs::create_dir_all(&of_one).expect("a folder");
    for folder in [folder, of_one.clone()] {
        // Postgres runs under another account when the tests run as root.
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("ours");
    }
    of_one
}

/// Tests run side by side, each with the pools of three services.
fn options(folder: PathBuf, memory: Memory) -> PostgresOptions {
    let password = LOGIN_PASSWORD.to_owned();
    let mut options = match memory {
        Memory::Forgetful => PostgresOptions::for_tests(folder, password),
        Memory::Durable => PostgresOptions::new(folder, password),
    };
    options.settings.push(("max_connections".to_owned(), "400".to_owned()));
    options
}
