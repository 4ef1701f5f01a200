//! What a caller may do: scopes, and the roles that stand for several of them.

use std::fmt;

/// One thing a caller may do within its tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What is known of guests: their attributes and identifiers, too.
    ProfileRead,
    /// What guests did, one by one.
    InteractionRead,
    /// Figures over all guests, which name none.
    SummaryRead,
    /// How a command ended.
    CommandRead,
    /// Making guests known.
    GuestWrite,
    /// Recording what they did.
    InteractionWrite,
    /// Making tenants exist, suspending and resuming them.
    TenantAdmin,
    /// Issuing and revoking API keys, as far as they may do no more than whoever issues them.
    ApiKeyAdmin,
}

impl Scope {
    pub const ALL: [Self; 8] = [
        Self::ProfileRead,
        Self::InteractionRead,
        Self::SummaryRead,
        Self::CommandRead,
        Self::GuestWrite,
        Self::InteractionWrite,
        Self::TenantAdmin,
        Self::ApiKeyAdmin,
    ];

    /// The scope of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// As it stands in tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::ProfileRead => "profile:read",
            Self::InteractionRead => "interaction:read",
            Self::SummaryRead => "summary:read",
            Self::CommandRead => "command:read",
            Self::GuestWrite => "guest:write",
            Self::InteractionWrite => "interaction:write",
            Self::TenantAdmin => "tenant:admin",
            Self::ApiKeyAdmin => "api_key:admin",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::ProfileRead => 1,
            Self::InteractionRead => 1 << 1,
            Self::SummaryRead => 1 << 2,
            Self::CommandRead => 1 << 3,
            Self::GuestWrite => 1 << 4,
            Self::InteractionWrite => 1 << 5,
            Self::TenantAdmin => 1 << 6,
            Self::ApiKeyAdmin => 1 << 7,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What somebody is, said once instead of scope by scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A guest, who sees and does what is about itself and nothing else.
    Guest,
    Reader,
    /// Who reads, registers guests and records what they do.
    Writer,
    /// Who may do everything.
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Guest, Self::Reader, Self::Writer, Self::Admin];

    /// As it stands in tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What it stands for, one by one.
    pub fn all_scopes(self) -> impl Iterator<Item = Scope> {
        let scopes = self.scopes();
        Scope::ALL.into_iter().filter(move |scope| scopes.contain(*scope))
    }

    pub(super) fn scopes(self) -> Scopes {
        match self {
            Self::Guest => {
                Scopes::of(&[Scope::ProfileRead, Scope::InteractionRead, Scope::GuestWrite, Scope::InteractionWrite])
            }
            Self::Reader => {
                Scopes::of(&[Scope::ProfileRead, Scope::InteractionRead, Scope::SummaryRead, Scope::CommandRead])
            }
            Self::Writer => Self::Reader.scopes().and(Scopes::of(&[Scope::GuestWrite, Scope::InteractionWrite])),
            Self::Admin => Scopes::of(&Scope::ALL),
        }
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scopes(u8);

impl Scopes {
    pub(super) fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Those of a token's `scope`: names between blanks. Unknown ones are other services'.
    pub(super) fn named(text: &str) -> Self {
        let known = text.split_ascii_whitespace();
        let known: Vec<Scope> = known.filter_map(Scope::named).collect();
        Self::of(&known)
    }

    #[must_use]
    pub(super) fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub(super) fn contain(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_by_their_names_and_unknown_ones_give_nothing() {
        let scopes = Scopes::named("openid  profile:read guest:write profile:reader");
        for scope in Scope::ALL {
            assert_eq!(scopes.contain(scope), matches!(scope, Scope::ProfileRead | Scope::GuestWrite), "{scope}");
        }
    }

    #[test]
    fn only_an_admin_governs_tenants_and_a_guest_sees_no_figures_over_others() {
        for role in Role::ALL {
            for scope in [Scope::TenantAdmin, Scope::ApiKeyAdmin] {
                assert_eq!(role.scopes().contain(scope), role == Role::Admin);
            }
        }
        // How a command ended tells whose it was, and an id of a command can be guessed.
        for scope in [Scope::SummaryRead, Scope::CommandRead] {
            assert!(!Role::Guest.scopes().contain(scope));
        }
    }
}
