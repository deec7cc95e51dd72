//! What every change needs besides the database it changes.

use crate::access::Access;
use crate::graveyard::Graveyard;
use crate::rng::Rng;
use crate::snapshot::Capture;
use crate::thresholds::Thresholds;
use crate::value::Body;

/// The parts of a [`Store`](crate::Store) that its databases share.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) thresholds: Thresholds,
    pub(crate) access: Access,
    pub(crate) capture: Capture,
    pub(crate) graveyard: Graveyard,
    /// For the chances of LFU counters only; no data depends on it.
    pub(crate) rng: Rng,
}

impl Environment {
    /// Frees a value, in the background if that takes long.
    pub(crate) fn bury(&self, body: Option<Body<'static>>) {
        if let Some(body) = body
            && body.is_dear_to_free()
        {
            self.graveyard.bury(body, 1);
        }
    }
}
