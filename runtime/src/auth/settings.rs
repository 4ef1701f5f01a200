//! Which issuers are trusted, or that nobody is asked who they are.

use std::path::PathBuf;

use crate::config::Env;

const ISSUERS_FILE: &str = "KEEPSAKE_ISSUERS_FILE";
const PRODUCTION: &str = "production";
const DEVELOPMENT: &str = "development";
const OFF: &str = "off";

/// How callers of a service prove who they are.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// `None`: they need not.
    pub(super) issuers_file: Option<PathBuf>,
    /// Then neither that nor an issuer for development is taken.
    pub(super) is_production: bool,
}

impl AuthSettings {
    /// Reads `KEEPSAKE_ISSUERS_FILE`, `KEEPSAKE_AUTH` and `KEEPSAKE_ENV`.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let environment: String = env.or("KEEPSAKE_ENV", DEVELOPMENT.to_owned(), "`production` or `development`");
        let auth: Option<String> = env.optional("KEEPSAKE_AUTH", "`off`, or absent");
        // A word nobody knows must not mean the laxer of the two.
        if ![PRODUCTION, DEVELOPMENT].contains(&environment.as_str()) {
            return env.refuse("KEEPSAKE_ENV is not readable: `production` or `development`");
        }
        let is_production = environment == PRODUCTION;
        match auth.as_deref() {
            None => {
                let what = "the file of the issuers whose tokens are taken (docs/access.md), or KEEPSAKE_AUTH=off";
                let issuers_file = env.required(ISSUERS_FILE, what)?;
                Some(Self { issuers_file: Some(issuers_file), is_production })
            }
            Some(OFF) if !is_production => Some(Self { issuers_file: None, is_production }),
            Some(OFF) => env.refuse("KEEPSAKE_AUTH=off is not for KEEPSAKE_ENV=production"),
            Some(_) => env.refuse("KEEPSAKE_AUTH is not readable: `off`, or absent"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<AuthSettings, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut env = Env::from(variables.iter().map(owned).collect::<BTreeMap<_, _>>());
        let settings = AuthSettings::from_env(&mut env);
        env.finish(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn nobody_is_let_in_unasked_by_an_oversight() {
        assert!(settings(&[]).unwrap_err().contains("KEEPSAKE_ISSUERS_FILE is not set"));
        assert!(settings(&[("KEEPSAKE_AUTH", "of")]).unwrap_err().contains("KEEPSAKE_AUTH is not readable"));
        assert!(settings(&[("KEEPSAKE_AUTH", "off")]).unwrap().issuers_file.is_none());
        assert!(settings(&[("KEEPSAKE_AUTH", "off"), ("KEEPSAKE_ENV", "prod")]).is_err());
        let in_production = settings(&[("KEEPSAKE_AUTH", "off"), ("KEEPSAKE_ENV", "production")]).unwrap_err();
        assert!(in_production.contains("not for KEEPSAKE_ENV=production"), "{in_production}");
    }
}
