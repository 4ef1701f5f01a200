//! The read models: which Postgres keeps them, and how far behind the log each is.

use runtime::config::Secret;
use tokio_postgres::Client;

use super::Finding;
use crate::migrate;

const POSITIONS: &str = "
-- doctor_positions()
SELECT projection, min(position) AS position
FROM keepsake.progress
GROUP BY projection
ORDER BY projection";

pub(super) async fn examine(url: &Secret, last_position: Option<u64>, findings: &mut Vec<Finding>) {
    let client = match migrate::connect(url, None).await {
        Ok(client) => client,
        Err(error) => return findings.push(Finding::bad("postgres", format!("{error:#}"))),
    };
    match version(&client).await {
        Ok(version) => findings.push(Finding::good("postgres", format!("PostgreSQL {version}"))),
        Err(error) => return findings.push(Finding::bad("postgres", error.to_string())),
    }
    match client.query(POSITIONS, &[]).await {
        Ok(rows) => findings.extend(rows.iter().map(|row| lag(row.get(0), row.get(1), last_position))),
        Err(_) => {
            findings.push(Finding::bad("read models", "no tables here: run `keepsake migrate`, and see DATABASE_URL"));
        }
    }
}

async fn version(client: &Client) -> Result<String, tokio_postgres::Error> {
    Ok(client.query_one("SHOW server_version", &[]).await?.get(0))
}

fn lag(projection: &str, position: i64, last_position: Option<u64>) -> Finding {
    let behind = last_position.map(|last| last.saturating_sub(position.unsigned_abs()));
    match behind {
        Some(0) => Finding::good("read model", format!("{projection}: at position {position}, up to date")),
        Some(behind) => {
            Finding::doubtful("read model", format!("{projection}: at position {position}, {behind} commits behind"))
        }
        None => {
            Finding::doubtful("read model", format!("{projection}: at position {position}; the log cannot be asked"))
        }
    }
}
