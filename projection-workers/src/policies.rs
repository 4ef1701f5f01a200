//! Every policy there is.

use crate::policy::Policy;

/// None yet: no event there is today has a reaction.
pub(crate) const ALL: &[&dyn Policy] = &[];
