//! `keepsake token`: a token for development, to paste into a request.

use std::path::PathBuf;

use runtime::auth::{Role, Scope};

use crate::dev_issuer::{Bearer, DevIssuer, Grant};

const DAY_SECONDS: i64 = 86_400;

/// Print a token for development
///
/// It is signed by an issuer of this machine, which `keepsake up` makes its services trust and which nothing trusts where
/// `KEEPSAKE_ENV=production`. Without --role and --scope its bearer may do everything in the tenant.
#[derive(clap::Args, Clone, Debug)]
pub struct TokenArgs {
    /// Tenant the bearer may act for; a service's token takes several
    #[arg(long = "tenant", env = "KEEPSAKE_TENANT", default_value = "demo")]
    tenants: Vec<String>,
    /// Who bears it; with --role guest the `user_id` of the guest
    #[arg(long, default_value = "developer", conflicts_with = "service")]
    subject: String,
    /// Make it a service's token, which lives at most 10 minutes
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// guest, reader, writer or admin; may be given several times
    #[arg(long = "role", value_parser = role)]
    roles: Vec<Role>,
    /// One thing it may do, such as profile:read; may be given several times
    #[arg(long = "scope", value_parser = scope)]
    scopes: Vec<Scope>,
    /// Seconds it lives
    #[arg(long, default_value_t = DAY_SECONDS, value_parser = clap::value_parser!(i64).range(1..))]
    seconds: i64,
    /// Folder of the issuer; made when it is not there
    #[arg(long, env = "KEEPSAKE_ISSUER_DIR", default_value = ".run/issuer")]
    issuer_dir: PathBuf,
}

pub(crate) fn role(name: &str) -> Result<Role, String> {
    let names = || Role::ALL.map(Role::name).join(", ");
    Role::named(name).ok_or_else(|| format!("roles are {}", names()))
}

pub(crate) fn scope(name: &str) -> Result<Scope, String> {
    let names = || Scope::ALL.map(Scope::name).join(", ");
    Scope::named(name).ok_or_else(|| format!("scopes are {}", names()))
}

/// Prints the token alone, for `$(…)`.
pub fn run(args: TokenArgs) -> anyhow::Result<()> {
    let issuer = DevIssuer::open(&args.issuer_dir)?;
    anstream::println!("{}", issuer.token(&args.grant()?));
    Ok(())
}

impl TokenArgs {
    fn grant(self) -> anyhow::Result<Grant> {
        let Self { tenants, subject, service, mut roles, scopes, seconds, .. } = self;
        if roles.is_empty() && scopes.is_empty() {
            roles.push(Role::Admin);
        }
        let bearer = if let Some(service_id) = service {
            Bearer::Service { tenants, service_id }
        } else {
            let [tenant] = <[String; 1]>::try_from(tenants)
                .map_err(|_| anyhow::anyhow!("a person's token is for one tenant; --service NAME takes several"))?;
            Bearer::Person { tenant, subject }
        };
        Ok(Grant { bearer, roles, scopes, seconds })
    }
}
