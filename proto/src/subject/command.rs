//! Where commands are sent: to be answered, or to be kept until they are carried out.

use std::fmt;

use super::{InvalidSubject, Tenant};

/// Every command subject.
pub const COMMAND_SUBJECTS: &str = "cmd.>";
/// On which NATS tools ask what a service is and does (ADR-32 of NATS).
pub const DISCOVERY_SUBJECTS: &str = "$SRV.>";
/// The stream that keeps commands until they are carried out.
pub const INTAKE_STREAM: &str = "CMD";
/// Every subject of the durable intake.
pub const INTAKE_SUBJECTS: &str = "cmdq.*.*.*";
/// The stream of what the intake could not carry out.
pub const DEAD_LETTER_STREAM: &str = "CMD_DEAD";
/// Every subject of a dead letter.
pub const DEAD_LETTER_SUBJECTS: &str = "dead.cmdq.*";

/// `cmd.<tenant>.<facet>.<command>[.<owner>]`, or without owner `cmdq.<tenant>.<facet>.<command>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSubject<'a> {
    pub tenant: &'a str,
    pub facet: &'a str,
    pub command: &'a str,
    pub owner: Option<&'a str>,
}

impl<'a> CommandSubject<'a> {
    /// Reads a subject of either way.
    pub fn parse(text: &'a str) -> Result<Self, InvalidSubject> {
        let mut tokens = text.split('.');
        let mut next = || tokens.next();
        match [next(), next(), next(), next(), next(), next()] {
            [Some("cmd"), Some(tenant), Some(facet), Some(command), owner, None] => {
                Ok(Self { tenant, facet, command, owner })
            }
            [Some("cmdq"), Some(tenant), Some(facet), Some(command), None, None] => {
                Ok(Self { tenant, facet, command, owner: None })
            }
            _ => Err(InvalidSubject),
        }
    }

    /// The same command for the durable intake.
    pub fn durable(&self) -> String {
        format!("cmdq.{}.{}.{}", self.tenant, self.facet, self.command)
    }
}

impl fmt::Display for CommandSubject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cmd.{}.{}.{}", self.tenant, self.facet, self.command)?;
        self.owner.map_or(Ok(()), |owner| write!(f, ".{owner}"))
    }
}

/// Every command of the tenant.
pub fn commands_of(tenant: &Tenant) -> String {
    format!("cmd.{tenant}.>")
}

/// Every command of the tenant for the durable intake.
pub fn durable_commands_of(tenant: &Tenant) -> String {
    format!("cmdq.{tenant}.*.*")
}

/// `dead.cmdq.<tenant>`: where a command of the intake is kept that could not be carried out; `_` for one of no tenant.
pub fn dead_letter(intake_subject: &str) -> String {
    let tenant = CommandSubject::parse(intake_subject).ok().and_then(|subject| subject.tenant.parse::<Tenant>().ok());
    tenant.map_or_else(|| "dead.cmdq._".to_owned(), |tenant| format!("dead.cmdq.{tenant}"))
}

/// Wherever an instance shows that it empties the intake.
pub const INTAKE_HOLDERS: &str = "intake.holder.*";

/// Where an instance that empties the intake shows under this name that it is there.
pub fn intake_holder(name: &str) -> String {
    format!("intake.holder.{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_name_the_same_command() {
        let asked = CommandSubject::parse("cmd.demo.guest.register").expect("a command");
        assert_eq!(CommandSubject::parse(&asked.durable()), Ok(asked));
        assert_eq!(CommandSubject::parse("cmd.a.b.c.d").expect("a command").owner, Some("d"));
        for text in ["cmd.a.b", "cmdq.a.b.c.d", "cmdx.a.b.c", "cmd.a.b.c.d.e", ""] {
            assert_eq!(CommandSubject::parse(text), Err(InvalidSubject), "{text}");
        }
    }

    #[test]
    fn a_dead_letter_is_its_tenants() {
        assert_eq!(dead_letter("cmdq.demo.guest.register"), "dead.cmdq.demo");
        assert_eq!(dead_letter(&format!("cmdq.{}.b.c", "x".repeat(3_000))), "dead.cmdq._");
    }
}
