//! One Postgres for all tests of this run; two databases for each test.

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
    /// A connection of the test's own.
    pub async fn connect(&self, url: &str) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("connects");
        tokio::spawn(connection);
        client
    }
}

/// URLs of databases nobody used yet; migration creates them.
pub async fn fresh() -> Databases {
    static TESTS: AtomicU32 = AtomicU32::new(0);
    let admin = tokio::task::spawn_blocking(admin_url).await.expect("Postgres starts");
    databases(admin, TESTS.fetch_add(1, Ordering::Relaxed))
}

/// A Postgres of one test's own, in its folder, and the URLs of its databases.
pub async fn own(folder: &Path) -> (Postgres, Databases) {
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("ours");
    let folder = folder.join("postgres");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("ours");
    let postgres = Postgres::start(&tools(), &options(folder)).await.expect("Postgres starts");
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
fn admin_url() -> String {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let (started, url) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let folder = folder();
                let postgres = Postgres::start(&tools(), &options(folder)).await.expect("Postgres starts");
                started.send(postgres.admin_url().to_owned()).expect("the test waits");
                std::future::pending::<()>().await;
            });
        });
        url.recv().expect("Postgres starts")
    })
    .clone()
}

/// A folder of this process, which cannot remove it at its end: the next run does.
fn folder() -> PathBuf {
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
    std::fs::create_dir_all(&folder).expect("a folder");
    // Postgres runs under another account when the tests run as root.
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("ours");
    folder
}

/// Tests run side by side, each with the pools of three services.
fn options(folder: PathBuf) -> PostgresOptions {
    let mut options = PostgresOptions::for_tests(folder, LOGIN_PASSWORD.to_owned());
    options.settings.push(("max_connections".to_owned(), "400".to_owned()));
    options
}
