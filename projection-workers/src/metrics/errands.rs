//! What the errands do: how far each was when this process had it last, and how much it sent.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::lock;

#[derive(Debug, Default)]
pub(super) struct Errands(Mutex<BTreeMap<String, Told>>);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// When this process had it last; none when it never had it, or it has no position.
    pub(super) position: Option<u64>,
    /// Messages that were kept.
    pub(super) sent: u64,
}

impl Errands {
    pub(super) fn at(&self, errand: &str, position: u64) {
        self.change(errand, |told| told.position = Some(position));
    }

    pub(super) fn sent(&self, errand: &str, messages: usize) {
        self.change(errand, |told| told.sent += messages as u64);
    }

    pub(super) fn each(&self) -> Vec<(String, Told)> {
        lock(&self.0).iter().map(|(errand, told)| (errand.clone(), *told)).collect()
    }

    fn change(&self, errand: &str, change: impl FnOnce(&mut Told)) {
        let mut errands = lock(&self.0);
        if let Some(told) = errands.get_mut(errand) {
            change(told);
        } else {
            change(errands.entry(errand.to_owned()).or_default());
        }
    }
}
