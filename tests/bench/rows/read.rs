//! `read.*`: readers over HTTP, beside reading by hand, beside hello, beside an early page.

mod library;

use std::sync::Arc;

use axum::http::{HeaderName, StatusCode, header};

use super::Spec;
use crate::bench::{Bench, ROUNDS, conditions_of_folding};
use crate::by_hand::CONNECTIONS;
use crate::contestant::gets::Gets;
use crate::contestant::http::OverHttp;
use crate::load::Sample;
use crate::row::{Rounds, Row};
use library::{DEPTH, GUESTS, Library};

const MIN_POSITION: HeaderName = HeaderName::from_static("x-min-position");
/// Of a guest's profile, ours and by hand.
const HOLDS: &str = r#""interaction_count":1,"#;
/// Of a page.
const PAGE: &str = r#""has_more":true,"limit":50}"#;
/// Readers of pages.
const PAGERS: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// So many callers.
    Profile(usize),
    NotModified,
    Page,
}

/// Measures all of these rows on one library.
pub(super) async fn measure(bench: &mut Bench, wanted: &[(&Spec, Reading)]) -> anyhow::Result<()> {
    let mut library = Box::pin(Library::open(&bench.progress)).await?;
    for (spec, reading) in wanted {
        let row = match reading {
            Reading::Profile(callers) => profile(bench, &mut library, spec, *callers).await?,
            Reading::NotModified => not_modified(bench, &library, spec).await?,
            Reading::Page => page(bench, &library, spec).await?,
        };
        bench.finish(row.held_to(spec.must))?;
    }
    Ok(())
}

async fn profile(bench: &Bench, library: &mut Library, spec: &Spec, callers: usize) -> anyhow::Result<Row> {
    let ours = Arc::new(profiles(library)?.holding(HOLDS));
    let fresh = Arc::new(profiles(library)?.holding(HOLDS).with(MIN_POSITION, &library.token)?);
    let by_hand = Arc::new(Gets::new(library.by_hand_url(), &library.bearer, library.profiles())?.holding(HOLDS));
    let (mut rounds, mut without) = (Rounds::default(), [const { Vec::new() }; 3]);
    for number in 1..=ROUNDS {
        let label = |who: &str| format!("{} {number}/{ROUNDS} {who}", spec.name);
        let measured = rate(bench, &ours, callers, &label("ours")).await?;
        rounds.ours.push(measured.rate);
        rounds.p50_ms.extend(measured.percentile_ms(500));
        rounds.p99_ms.extend(measured.percentile_ms(990));
        let measured = rate(bench, &by_hand, callers, &label("by hand")).await?;
        rounds.limit.push(measured.rate);
        rounds.limit_p99_ms.extend(measured.percentile_ms(990));
        without[0].push(rate(bench, &fresh, callers, &label("with a token of freshness")).await?.rate);
        library.row_security(false).await?;
        without[1].push(rate(bench, &ours, callers, &label("without row-level security")).await?.rate);
        library.row_security(true).await?;
        library.serve_without_tokens().await;
        without[2].push(rate(bench, &ours, callers, &label("without tokens")).await?.rate);
        library.serve().await;
    }
    let [fresh, unsecured, unasked] = without.map(|rates| share(&rounds.ours, &rates));
    let what = format!(
        "{callers} readers over HTTP/1.1, each on a connection it keeps, of {GUESTS} profiles by id; limit = a service by hand, axum \
         and deadpool over {CONNECTIONS} connections to the same Postgres, one row by its primary key, no token, no tenant, no row-level \
         security; ours answers {unasked} as many without tokens, {unsecured} without row-level security, {fresh} when every request \
         brings a token of freshness"
    );
    Ok(Row::new(spec.name, "reads/s", &rounds, conditions_of_folding(ROUNDS, &what)))
}

/// `1.04 times`
fn share(ours: &[f64], other: &[f64]) -> String {
    crate::figures::median_ratio(other, ours).map_or_else(String::new, |ratio| format!("{ratio:.2} times"))
}

async fn not_modified(bench: &Bench, library: &Library, spec: &Spec) -> anyhow::Result<Row> {
    const CALLERS: usize = 64;
    let tags = library.tags.iter().cloned();
    let ours = Arc::new(profiles(library)?.each_with(&header::IF_NONE_MATCH, tags, StatusCode::NOT_MODIFIED)?);
    let hello = std::iter::repeat_n("/hello".to_owned(), GUESTS);
    let hello = Arc::new(Gets::new(library.by_hand_url(), &library.bearer, hello)?.holding("hello"));
    let what = format!(
        "{CALLERS} readers who have each of {GUESTS} profiles already and ask with If-None-Match; limit = an axum handler that says hello"
    );
    beside(bench, spec, CALLERS, (&ours, "ours"), (&hello, "hello"), &what).await
}

async fn page(bench: &Bench, library: &Library, spec: &Spec) -> anyhow::Result<Row> {
    let pages = |query: String| {
        let path = format!("/api/v1/guests/{}/interactions?limit=50{query}", library.busiest);
        Gets::new(&library.url(), &library.bearer, std::iter::repeat_n(path, PAGERS)).map(|gets| gets.holding(PAGE))
    };
    let deep = Arc::new(pages(library.deep.clone())?);
    let first = Arc::new(pages(String::new())?);
    let what = format!(
        "{PAGERS} readers of a page of 50 interactions that comes after {DEPTH} others of the same guest; limit = the guest's first page"
    );
    beside(bench, spec, PAGERS, (&deep, "deep"), (&first, "first"), &what).await
}

async fn beside(
    bench: &Bench,
    spec: &Spec,
    callers: usize,
    (ours, our_name): (&Arc<Gets>, &str),
    (limit, limit_name): (&Arc<Gets>, &str),
    what: &str,
) -> anyhow::Result<Row> {
    let mut rounds = Rounds::default();
    for number in 1..=ROUNDS {
        let measured = rate(bench, ours, callers, &format!("{} {number}/{ROUNDS} {our_name}", spec.name)).await?;
        rounds.ours.push(measured.rate);
        rounds.p50_ms.extend(measured.percentile_ms(500));
        rounds.p99_ms.extend(measured.percentile_ms(990));
        let label = format!("{} {number}/{ROUNDS} {limit_name}", spec.name);
        rounds.limit.push(rate(bench, limit, callers, &label).await?.rate);
    }
    Ok(Row::new(spec.name, "reads/s", &rounds, conditions_of_folding(ROUNDS, what)))
}

fn profiles(library: &Library) -> anyhow::Result<Gets> {
    Gets::new(&library.url(), &library.bearer, library.profiles())
}

async fn rate(bench: &Bench, contestant: &Arc<Gets>, callers: usize, label: &str) -> anyhow::Result<Sample> {
    bench.progress.measuring(label);
    let (owners, contestant): (_, Arc<dyn OverHttp>) = (contestant.owners(), contestant.clone());
    let sample = bench.reads(callers, owners, &contestant).await?;
    bench.progress.measured(&format!("{label}: {sample}"));
    Ok(sample)
}
