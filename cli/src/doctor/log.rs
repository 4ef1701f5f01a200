//! The log: is it there, which server keeps it, what does an acknowledgement survive.

use event_log::{NatsAddress, User, durability, intake, published, stream};

use super::{Finding, rights};

/// Adds what it finds; the log's last position when it can be asked.
pub(super) async fn examine(nats: &NatsAddress, monitors: &[String], findings: &mut Vec<Finding>) -> Option<u64> {
    let client = match event_log::connect(nats, User::Operator, "keepsake doctor").await {
        Ok(client) => client,
        Err(error) => {
            findings.push(Finding::bad("nats", error.to_string()));
            return None;
        }
    };
    let server = client.server_info();
    findings.push(Finding::good("nats", format!("nats-server {} at {}:{}", server.version, server.host, server.port)));
    findings.push(rights::examine(&client).await);
    match stream::info(&client).await {
        Ok(info) => {
            let text = format!("{} commits, {} replica(s), log id {}", info.last_position, info.replicas, info.log_id);
            findings.push(Finding::good("log", text));
            findings.push(match durability::probe(&info, monitors, None).await {
                Ok(level) => Finding::good("durability", level.name()),
                Err(error) => Finding::doubtful("durability", error.to_string()),
            });
            findings.push(match intake::info(&client).await {
                Ok(intake) if intake.dead > 0 => {
                    Finding::doubtful("intake", format!("dead letters: {}, see `keepsake intake list`", intake.dead))
                }
                Ok(intake) => Finding::good("intake", format!("commands waiting: {}", intake.waiting)),
                Err(error) => Finding::bad("intake", error.to_string()),
            });
            findings.push(match published::info(&client).await {
                Ok(published) => Finding::good("published", format!("events of the last 7 days: {}", published.events)),
                Err(error) => Finding::bad("published", error.to_string()),
            });
            Some(info.last_position)
        }
        Err(error) => {
            findings.push(Finding::bad("log", error.to_string()));
            None
        }
    }
}
