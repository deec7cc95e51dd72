//! Orders: which are accepted. An order is noted at once and carried out between turns.

use std::net::SocketAddr;

use base::{Epoch, NodeId, Tick};
use wire::resp::reply::ErrorReply;

use super::{Data, Replication, Role};
use crate::keyspace::Keyspace;

/// The role that a node is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Master {
        epoch: Epoch,
        /// Where clients are served; `None`: nowhere.
        endpoint: Option<SocketAddr>,
    },
    Replica {
        epoch: Epoch,
        master: NodeId,
        /// The master's node address.
        address: SocketAddr,
    },
}

impl Order {
    fn epoch(&self) -> Epoch {
        match self {
            Order::Master { epoch, .. } | Order::Replica { epoch, .. } => *epoch,
        }
    }
}

fn stale(text: &str) -> ErrorReply {
    ErrorReply::from(format!("STALE {text}"))
}

impl Replication {
    /// Takes an order. Said twice it changes nothing; of an older epoch, or against what this epoch
    /// already decided, it is refused with `-STALE`.
    pub(crate) fn accept(&mut self, order: Order, keys: &Keyspace) -> Result<(), ErrorReply> {
        let epoch = order.epoch();
        let newest = self.epoch.max(self.epoch_on_disk(keys));
        if epoch < newest {
            return Err(stale(&format!("epoch {epoch} is over, this is epoch {newest}")));
        }
        let is_same_epoch = epoch == self.epoch;
        match (&order, &mut self.role) {
            (Order::Master { endpoint, .. }, Role::Master(lead)) if is_same_epoch => {
                lead.move_endpoint(*endpoint);
                return Ok(());
            }
            (Order::Replica { .. }, Role::Master(_)) if is_same_epoch => {
                return Err(stale(&format!("this node is the master of epoch {epoch}")));
            }
            (Order::Master { .. }, _) if epoch == newest => {
                return Err(stale(&format!("epoch {epoch} had its master already")));
            }
            (Order::Replica { master, address, .. }, Role::Replica(upstream))
                if is_same_epoch && upstream.is_behind(*master, *address) =>
            {
                return Ok(());
            }
            _ => {}
        }
        self.epoch = epoch;
        self.order = Some(order);
        Ok(())
    }

    /// The newest epoch that this directory was ever told of.
    fn epoch_on_disk(&self, keys: &Keyspace) -> Epoch {
        match (&self.data, keys.log()) {
            (Data::Waiting(directory), _) => directory.epoch(),
            (Data::Loading(loading), _) => loading.directory.epoch(),
            (_, Some(log)) => log.log().manifest().epoch,
            (Data::Running | Data::Lost, None) => Epoch(0),
        }
    }

    /// Whether this node is the master of `epoch` with complete data, and says so.
    pub(crate) fn check_master(&self, epoch: Epoch) -> Result<(), ErrorReply> {
        let is_leading = matches!(self.role, Role::Master(_)) && self.order.is_none();
        if !is_leading || epoch != self.epoch {
            let role = if is_leading { "the master" } else { "no master" };
            return Err(stale(&format!(
                "this node is {role} in epoch {}, not {epoch}",
                self.epoch
            )));
        }
        Ok(())
    }

    /// Whether replicas can be served.
    pub(crate) fn check_complete(&self) -> Result<(), ErrorReply> {
        match self.data {
            Data::Running => Ok(()),
            _ => Err(ErrorReply::new("LOADING the data is being loaded")),
        }
    }

    /// The config server's leave to be master.
    pub(crate) fn grant(
        &mut self,
        nonce: u64,
        epoch: Epoch,
        ttl_ms: u64,
    ) -> Result<(), ErrorReply> {
        self.check_master(epoch)?;
        self.lease.grant(nonce, ttl_ms).map_err(|error| stale(&error.to_string()))
    }

    /// Names the instant of a report.
    pub(crate) fn ask(&mut self, now: Tick) -> u64 {
        self.lease.ask(now)
    }
}
