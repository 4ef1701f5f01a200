//! Interactions of one batch, summed up by guest and by topic.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Keeps;
use crate::plain::Plain;

pub(super) struct Batch<'a> {
    pub(super) keeps: Keeps,
    pub(super) interactions: Vec<Row<'a>>,
    pub(super) guests: BTreeMap<(&'a str, &'a str), Change>,
    pub(super) topics: BTreeMap<(&'a str, String), Change>,
    pub(super) topic_guests: BTreeMap<(&'a str, String, &'a str), Change>,
    /// Of the last interaction.
    pub(super) position: i64,
}

pub(super) struct Row<'a> {
    pub(super) plain: Plain<'a>,
    pub(super) topic_key: String,
    pub(super) position: i64,
}

/// What a batch changes of one row.
pub(super) struct Change {
    pub(super) interactions: i64,
    pub(super) first_at: DateTime<Utc>,
    pub(super) last_at: DateTime<Utc>,
    pub(super) position: i64,
}

impl<'a> Batch<'a> {
    pub(super) fn empty(keeps: Keeps) -> Self {
        let (guests, topics, topic_guests) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { keeps, interactions: Vec::new(), guests, topics, topic_guests, position: 0 }
    }

    pub(super) fn add(&mut self, plain: Plain<'a>, position: i64) {
        let Plain { tenant, guest_id, occurred_at, .. } = plain;
        let topic_key = plain.topic.to_lowercase();
        let none_yet = || Change { interactions: 0, first_at: occurred_at, last_at: occurred_at, position };
        self.guests.entry((tenant, guest_id)).or_insert_with(none_yet).count(occurred_at, position);
        self.topics.entry((tenant, topic_key.clone())).or_insert_with(none_yet).count(occurred_at, position);
        if self.keeps == Keeps::TopicGuests {
            let topic_guest = (tenant, topic_key.clone(), guest_id);
            self.topic_guests.entry(topic_guest).or_insert_with(none_yet).count(occurred_at, position);
        }
        self.interactions.push(Row { plain, topic_key, position });
        self.position = position;
    }
}

impl Change {
    fn count(&mut self, at: DateTime<Utc>, position: i64) {
        self.interactions += 1;
        self.first_at = self.first_at.min(at);
        self.last_at = self.last_at.max(at);
        self.position = position;
    }
}
