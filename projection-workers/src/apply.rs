//! Folds a batch of commits through every projection and writes it in one transaction with the checkpoints.

use deadpool_postgres::Object;
use futures_util::future::try_join_all;

use crate::checkpoint::{self, Checkpoint};
use crate::error::{Fault, Unfoldable};
use crate::open::Opened;
use crate::projection::Batch;

/// Applies `commits`, which end the log up to `position`, and moves the checkpoints there.
pub(crate) async fn apply(
    connection: &mut Object,
    checkpoints: &mut [Checkpoint],
    commits: &[Opened],
    position: i64,
) -> Result<(), Fault> {
    let batches = fold(checkpoints, commits)?;
    let transaction = connection.transaction().await?;
    // First: it locks out whoever else would write these rows, before any of them is touched.
    checkpoint::advance(&transaction, checkpoints, position).await?;
    // Polled in turn on one connection, the statements leave in one go and are answered in order.
    try_join_all(batches.iter().map(|batch| batch.flush(&transaction))).await?;
    transaction.commit().await?;
    for checkpoint in checkpoints {
        checkpoint.position = checkpoint.position.max(position);
    }
    Ok(())
}

/// A projection that is ahead, since another was made anew, passes over what it has folded already.
fn fold(checkpoints: &[Checkpoint], commits: &[Opened]) -> Result<Vec<Box<dyn Batch>>, Fault> {
    let mut batches = Vec::with_capacity(checkpoints.len());
    for checkpoint in checkpoints {
        let mut batch = (checkpoint.kind.empty)();
        for commit in commits.iter().filter(|commit| commit.position > checkpoint.position) {
            batch.fold(commit).map_err(|reason| unfoldable(commit, reason))?;
        }
        batches.push(batch);
    }
    Ok(batches)
}

fn unfoldable(commit: &Opened, reason: Unfoldable) -> Fault {
    Fault::unfoldable(commit.position.cast_unsigned(), &commit.subject, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{guest, interacted, interaction};
    use crate::projection::{Kind, Projection};

    /// Remembers nothing but refuses the commit at position 2.
    #[derive(Default)]
    struct NotTwo;

    impl Projection for NotTwo {
        const NAME: &'static str = "not_two";

        fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable> {
            if commit.position == 2 { Err(Unfoldable::Field("two")) } else { Ok(()) }
        }

        async fn flush(&self, _: &deadpool_postgres::Transaction<'_>) -> Result<(), Fault> {
            Ok(())
        }
    }

    static NOT_TWO: Kind = Kind::of::<NotTwo>();

    fn fold_two(checkpoint: i64) -> Result<usize, Fault> {
        let checkpoint = Checkpoint { kind: &NOT_TWO, position: checkpoint, epoch: 1 };
        let commits = [1, 2, 3].map(|position| interacted(position, guest(1), interaction(0, |_| {})));
        fold(&[checkpoint], &commits).map(|batches| batches.len())
    }

    #[test]
    fn a_projection_passes_over_what_it_has_folded_already() {
        assert_eq!(fold_two(2).expect("two is behind it"), 1);
    }

    #[test]
    fn a_commit_that_cannot_be_folded_is_named_by_its_position() {
        assert!(matches!(fold_two(1), Err(Fault::Unfoldable { position: 2, .. })));
    }
}
