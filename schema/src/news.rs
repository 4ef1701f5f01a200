//! What workers tell those who serve the read models, by NOTIFY: in which partitions something was folded. News may be lost, so whoever
//! listens looks for itself at times.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::str::FromStr;

use runtime::config::Secret;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::error::SchemaError;
use crate::pool::connecting;

/// Of the database the workers write to.
pub const NEWS_CHANNEL: &str = "keepsake_folded";

/// What a connection that listens is called.
const LISTENER: &str = "keepsake news";

/// A set of virtual partitions; as text 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Partitions(u64);

/// Not 16 hexadecimal digits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no set of partitions")]
pub struct NotPartitions;

impl Partitions {
    pub const ALL: Self = Self(u64::MAX);

    pub fn contains(self, pp: i16) -> bool {
        self.0 & bit(pp) != 0
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// None of a partition there is not.
fn bit(pp: i16) -> u64 {
    u32::try_from(pp).ok().and_then(|pp| 1_u64.checked_shl(pp)).unwrap_or_default()
}

impl FromIterator<i16> for Partitions {
    fn from_iter<T: IntoIterator<Item = i16>>(partitions: T) -> Self {
        Self(partitions.into_iter().fold(0, |set, pp| set | bit(pp)))
    }
}

impl fmt::Display for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Partitions {
    type Err = NotPartitions;

    fn from_str(text: &str) -> Result<Self, NotPartitions> {
        let digits = Some(text).filter(|text| text.len() == 16 && !text.starts_with('+'));
        digits.and_then(|text| u64::from_str_radix(text, 16).ok()).map(Self).ok_or(NotPartitions)
    }
}

/// Listens until the connection ends. What may have been folded before is told first, as everything.
pub async fn listen(url: &Secret, mut heard: impl FnMut(Partitions)) -> Result<(), SchemaError> {
    let (client, mut connection) = connecting(url)?.application_name(LISTENER).connect(NoTls).await?;
    let listen = format!("LISTEN {NEWS_CHANNEL}");
    let mut listening = pin!(client.batch_execute(&listen));
    let mut is_listening = false;
    loop {
        tokio::select! {
            begun = listening.as_mut(), if !is_listening => {
                begun?;
                is_listening = true;
                heard(Partitions::ALL);
            }
            message = poll_fn(|context| connection.poll_message(context)) => match message.transpose()? {
                Some(AsyncMessage::Notification(news)) => heard(news.payload().parse().unwrap_or(Partitions::ALL)),
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NotPartitions, Partitions};

    #[test]
    fn a_set_reads_back_as_it_was_written() {
        let set: Partitions = [0, 7, 63].into_iter().collect();
        assert_eq!(set.to_string(), "8000000000000081");
        assert_eq!(set.to_string().parse(), Ok(set));
        assert!(set.contains(63) && !set.contains(62) && !set.contains(-1) && !set.contains(64));
        assert!(set.meet(Partitions::ALL) && !set.meet(Partitions::default()));
        assert_eq!("".parse::<Partitions>(), Err(NotPartitions));
        assert_eq!("+000000000000081".parse::<Partitions>(), Err(NotPartitions));
    }
}
