//! Where commands are sent: to be answered, or to be kept until they are carried out.

use std::fmt;

use super::InvalidSubject;

/// Every command subject.
pub const COMMAND_SUBJECTS: &str = "cmd.>";
/// The stream that keeps commands until they are carried out.
pub const INTAKE_STREAM: &str = "CMD";
/// Every subject of the durable intake.
pub const INTAKE_SUBJECTS: &str = "cmdq.>";
/// The stream of what the intake could not carry out.
pub const DEAD_LETTER_STREAM: &str = "CMD_DEAD";
/// Every subject of a dead letter.
pub const DEAD_LETTER_SUBJECTS: &str = "dead.cmdq.>";

const DEAD: &str = "dead.";

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

/// Where a command of the intake is kept that could not be carried out.
pub fn dead_letter(intake_subject: &str) -> String {
    format!("{DEAD}{intake_subject}")
}

/// The subject of the intake that a dead letter came from.
pub fn of_dead_letter(subject: &str) -> Result<&str, InvalidSubject> {
    subject.strip_prefix(DEAD).filter(|intake| intake.starts_with("cmdq.")).ok_or(InvalidSubject)
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
    fn a_dead_letter_says_where_it_came_from() {
        assert_eq!(of_dead_letter(&dead_letter("cmdq.a.b.c")), Ok("cmdq.a.b.c"));
        assert_eq!(of_dead_letter("dead.es.00.a.b"), Err(InvalidSubject));
        assert_eq!(of_dead_letter("cmdq.a.b.c"), Err(InvalidSubject));
    }
}
