//! Whoever could send any SQL as a role that reads would not see another tenant's rows, nor read of them in an error.
//!
//! But for `set_config` with the other tenant's name: who may choose the tenant sees it, by design. Row-level security backs bound
//! parameters up; it does not replace them.

mod statements;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt as _, stream};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::{AsyncMessage, Client as Postgres, NoTls, SimpleQueryMessage};

use super::fixture::{OURS, THEIR_WORD, THEIRS, Two, may_select};
use keepsake_tests::harness::Dice;
use statements::Attacker;

const SEED: u64 = 20_261_122;
const TRIES: usize = 20_000;
/// Statements on their way at once.
const PIPELINED: usize = 32;

/// A function that tells everything it is given, and is so cheap that the planner calls it first if it may.
const PREPARE: &str = "
SET statement_timeout = '5s';
SET client_min_messages = 'notice';
CREATE FUNCTION pg_temp.tell(said text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
  $$ BEGIN RAISE NOTICE 'told: %', said; RETURN true; END $$;
CREATE FUNCTION pg_temp.fail(said text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
  $$ BEGIN RAISE EXCEPTION 'told: %', said USING DETAIL = said, HINT = said; END $$;
CREATE OPERATOR pg_temp.<<< (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.textlike, RESTRICT = eqsel);";

/// What came back of what was tried.
#[derive(Default)]
struct Outcome {
    /// Statements with something of our own in their rows.
    answered: usize,
    /// By SQLSTATE.
    refused: BTreeMap<String, usize>,
    leaks: Vec<String>,
}

/// A connection that also keeps what the server says beside its answers.
async fn connect(url: &str) -> (Postgres, Arc<Mutex<String>>) {
    let (client, mut connection) = tokio_postgres::connect(url, NoTls).await.expect("connects");
    let notices: Arc<Mutex<String>> = Arc::default();
    let kept = Arc::clone(&notices);
    tokio::spawn(async move {
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            let said = match message {
                AsyncMessage::Notice(notice) => of_error(&notice),
                AsyncMessage::Notification(notification) => notification.payload().to_owned(),
                _ => continue,
            };
            kept.lock().unwrap_or_else(PoisonError::into_inner).push_str(&said);
        }
    });
    client.batch_execute(PREPARE).await.expect("a session");
    client.query_one("SELECT set_config('keepsake.tenant', $1, false)", &[&OURS]).await.expect("sets");
    (client, notices)
}

fn of_error(error: &DbError) -> String {
    let parts = [Some(error.message()), error.detail(), error.hint(), error.where_()];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// Everything that the server said in answer to a statement; of an error its SQLSTATE, too.
async fn say(client: &Postgres, statement: &str) -> (String, Option<String>) {
    match client.simple_query(statement).await {
        Ok(messages) => {
            let mut cells = Vec::new();
            for message in &messages {
                if let SimpleQueryMessage::Row(row) = message {
                    cells.extend((0..row.len()).filter_map(|at| row.get(at)));
                }
            }
            (cells.join("\n"), None)
        }
        Err(error) => match error.as_db_error() {
            Some(refusal) => (of_error(refusal), Some(refusal.code().code().to_owned())),
            None => panic!("{statement}: {error}"),
        },
    }
}

/// `never` is what must be in no answer.
async fn attack(two: &Two, url: &str, never: &[&str]) -> Outcome {
    let (client, notices) = connect(url).await;
    let mut readable = Vec::new();
    for relation in &two.relations {
        if may_select(&client, relation).await {
            readable.push(relation.clone());
        }
    }
    let mut attacker = Attacker::new(&two.relations, &readable, Dice::new(SEED));
    let tries = (0..TRIES).map(|_| attacker.statement()).collect::<Vec<_>>();
    let said = stream::iter(&tries).map(async |statement| (statement, say(&client, statement).await));
    let mut said = Box::pin(said.buffered(PIPELINED));
    let mut outcome = Outcome::default();
    while let Some((statement, (text, refusal))) = said.next().await {
        let is_plan = statement.starts_with("EXPLAIN");
        outcome.answered += usize::from(refusal.is_none() && !is_plan && text.contains(OURS));
        if let Some(code) = refusal {
            assert_ne!(code, SqlState::SYNTAX_ERROR.code(), "no attack, but a slip: {statement}: {text}");
            *outcome.refused.entry(code).or_default() += 1;
        }
        outcome
            .leaks
            .extend(never.iter().filter(|word| text.contains(**word)).map(|word| format!("{word}: {statement}")));
    }
    let notices = notices.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(notices.contains("told: "), "what functions tell was heard");
    outcome
        .leaks
        .extend(never.iter().filter(|word| notices.contains(**word)).map(|word| format!("{word}: in a notice")));
    outcome
}

fn assert_tight(outcome: &Outcome) {
    let shown: Vec<_> = outcome.leaks.iter().take(5).collect();
    assert!(outcome.leaks.is_empty(), "{} leaks with seed {SEED}: {shown:#?}", outcome.leaks.len());
    let Outcome { answered, refused, .. } = outcome;
    eprintln!("{answered} of {TRIES} were answered, refused were {refused:?}");
    let often = |code: &SqlState| refused.get(code.code()).is_some_and(|times| *times > TRIES / 200);
    let in_earnest = *answered > TRIES / 20
        && [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::INVALID_TEXT_REPRESENTATION, SqlState::RAISE_EXCEPTION]
            .iter()
            .all(often);
    assert!(in_earnest, "no attack: {answered} answered, refused {refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sql_of_a_reader_shows_anything_of_another_tenant() {
    let two = Two::start().await;
    let guests = two.their_guests.iter().map(String::as_str);
    let never: Vec<&str> = [THEIRS, THEIR_WORD].into_iter().chain(guests).collect();
    assert_tight(&attack(&two, &two.world.database.reader, &never).await);
}

/// It sees which commands were carried out for whom, of all tenants, and nothing of what was in them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sql_of_the_command_side_shows_anything_about_a_person() {
    let two = Two::start().await;
    assert_tight(&attack(&two, &two.world.database.command_reader, &[THEIR_WORD, "oursword"]).await);
}
