//! What the system tests (`system/`) and the benchmark stand on: real servers, started privately, and the three services.

#![expect(clippy::missing_panics_doc, reason = "a harness that cannot go on fails the test with a sentence")]

pub mod harness;

/// Tests of one scenario, an async function of a world: on one server, and on three that each keep the whole log.
#[macro_export]
macro_rules! on_one_and_on_three {
    ($($one:ident, $three:ident: $scenario:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $one() {
            $scenario($crate::harness::World::start().await).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $three() {
            $scenario($crate::harness::World::start_replicated().await).await;
        }
    )*};
}
