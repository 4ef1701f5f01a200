//! The worker: holds lanes, has them folded, and decides how each goes on after a fault.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use crate::checkpoint;
use crate::crew::{self, Site, Told};
use crate::error::{Fault, Severity};
use crate::lease::{LOOK_EVERY, Lease};
use crate::seat::Seats;

const LOOK_SECONDS: u64 = 4;

pub(crate) struct Worker {
    site: Site,
    lease: Lease,
    seats: Seats,
    crews: JoinSet<()>,
    /// Whether each crew has read everything there was, by its track; gone with the crew.
    caught_up: Vec<(i64, Weak<AtomicBool>)>,
    tell: mpsc::UnboundedSender<Told>,
    told: mpsc::UnboundedReceiver<Told>,
}

impl Worker {
    /// `leases` has a connection whatever the lanes do. Fails when this worker must not fold; what is only away for now is waited for later.
    pub(crate) async fn start(site: Site, leases: Pool) -> Result<Self, Fault> {
        let lease = Lease::new(leases);
        let (tell, told) = mpsc::unbounded_channel();
        let (seats, crews, caught_up) = (Seats::default(), JoinSet::new(), Vec::new());
        let worker = Self { site, lease, seats, crews, caught_up, tell, told };
        match worker.check().await {
            Err(fault) if fault.severity() == Severity::Stop => Err(fault),
            Ok(()) | Err(_) => Ok(worker),
        }
    }

    /// Before any lane is taken: a worker pointed at the wrong log must not keep the right ones from theirs.
    async fn check(&self) -> Result<(), Fault> {
        let checked = timeout(Duration::from_secs(LOOK_SECONDS), async {
            let log = event_log::stream::info(&self.site.nats).await?;
            let connection = self.site.pool.get().await?;
            checkpoint::check_versions(&connection).await?;
            checkpoint::adopt_log(&connection, &log).await?;
            checkpoint::check_log(&connection, &log, 0).await
        });
        checked.await.unwrap_or(Err(Fault::Timeout(LOOK_SECONDS)))
    }

    /// Folds until the process stops, or until this worker must not fold any more.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            tokio::select! {
                () = stop.cancelled() => break Ok(()),
                _ = looks.tick() => {
                    if let Err(fault) = self.look().await {
                        break Err(fault);
                    }
                }
                () = self.seats.next_due() => {}
                Some(told) = self.told.recv() => {
                    if let Err(fault) = self.hear(told).await {
                        break Err(fault);
                    }
                }
            }
            self.start_crews();
        };
        self.seats.stop_all();
        while self.crews.join_next().await.is_some() {}
        // Others find out within seconds if this one cannot tell them.
        if let Ok(Err(fault)) = timeout(Duration::from_secs(LOOK_SECONDS), self.lease.end()).await {
            tracing::warn!(error = %fault, "the lanes are not given back");
        }
        ended.map_err(Into::into)
    }

    /// Renews the lease and learns which lanes are this worker's. An error means that it must stop.
    async fn look(&mut self) -> Result<(), Fault> {
        let looked = timeout(Duration::from_secs(LOOK_SECONDS), self.lease.look()).await;
        let share = match looked.unwrap_or(Err(Fault::Timeout(LOOK_SECONDS))) {
            Ok(share) => share,
            Err(fault) if fault.severity() == Severity::Stop => return Err(fault),
            Err(fault) => {
                self.site.status.looked(Err(&fault));
                return Ok(());
            }
        };
        self.site.status.looked(Ok(()));
        for (projection, pp, position) in share.verified.iter().copied() {
            self.site.metrics.verified(projection, pp, position);
        }
        for lane in self.seats.reconcile(&share) {
            self.site.status.gone(lane);
        }
        self.seats.start_anew(&share.asked);
        while let Some(ended) = self.crews.try_join_next() {
            // Whatever it held in memory is not to be trusted: the process starts anew.
            ended.map_err(|panic| Fault::Panicked(panic.to_string()))?;
        }
        self.regroup();
        Ok(())
    }

    /// Several crews of one track that have all caught up become one.
    fn regroup(&mut self) {
        self.caught_up.retain(|(_, crew)| crew.strong_count() > 0);
        let caught_up = |crew: &Weak<AtomicBool>| crew.upgrade().is_none_or(|crew| crew.load(Ordering::Relaxed));
        for track in self.caught_up.iter().map(|(track, _)| *track).collect::<BTreeSet<_>>() {
            let mut crews = self.caught_up.iter().filter(|(of, _)| *of == track);
            if crews.clone().count() > 1 && crews.all(|(_, crew)| caught_up(crew)) {
                self.seats.regroup(track);
            }
        }
    }

    /// An error means that this worker must stop.
    async fn hear(&mut self, told: Told) -> Result<(), Fault> {
        let (lane, mut ended) = match told {
            Told::Ended(lane, ended) => (lane, ended),
            Told::Unread(_, fault) if fault.severity() == Severity::Stop => return Err(fault),
            Told::Unread(lanes, fault) => {
                for lane in lanes.into_iter().filter(|lane| self.seats.holds(*lane)) {
                    self.site.status.waiting(lane, &fault);
                }
                return Ok(());
            }
        };
        match &ended.fault {
            None | Some(Fault::TakenOver) => {}
            Some(_) if ended.care.at_once || !self.seats.holds(lane) => {}
            Some(fault) => self.site.status.waiting(lane, fault),
        }
        if let Some(fault) = ended.fault.take_if(|fault| fault.severity() == Severity::Stop) {
            return Err(fault);
        }
        if self.seats.ended(lane, ended) {
            self.site.status.gone(lane);
            // Were it not given back, others would have to wait until this worker ends.
            let left = timeout(Duration::from_secs(LOOK_SECONDS), self.lease.leave(lane)).await;
            if let Err(fault) = left.unwrap_or(Err(Fault::Timeout(LOOK_SECONDS))) {
                tracing::warn!(%lane, error = %fault, "a lane is not given back");
            }
        }
        Ok(())
    }

    /// Everything of one track that is due goes into one crew.
    fn start_crews(&mut self) {
        for (track, due) in self.seats.take_due(Instant::now()) {
            let caught_up = Arc::new(AtomicBool::new(false));
            self.caught_up.push((track, Arc::downgrade(&caught_up)));
            self.crews.spawn(crew::run(self.site.clone(), due, self.tell.clone(), caught_up));
        }
    }
}
