//! Turns the desired state into the orders for one host. Pure: orders depend on nothing but the state, so that
//! equal revisions mean equal orders.

use crate::api::{NodeOrder, Role};
use crate::state::{Mastership, Node, Shard, State, SwitchoverPhase};
use crate::switchover::fence_timeout_ms;

/// The orders for all nodes of a host, by node.
pub fn orders(desired: &State, host: &str) -> Vec<NodeOrder> {
    let order = |node: &Node| {
        let shard = desired.shards.get(&node.shard)?;
        let instance = desired.instances.get(&shard.instance)?;
        let role = match instance.deleting {
            true => Role::Removed,
            false => role(desired, shard, node, &instance.endpoint),
        };
        Some(NodeOrder {
            node: node.id,
            shard: shard.id,
            instance: instance.name.clone(),
            incarnation: node.incarnation,
            epoch: shard.epoch,
            role,
            params: instance.params.clone(),
            hash_seed: shard.hash_seed,
            had_data: node.had_data,
        })
    };
    desired.nodes_of(host).filter_map(order).collect()
}

fn role(desired: &State, shard: &Shard, node: &Node, endpoint: &str) -> Role {
    let endpoint = endpoint.to_owned();
    match shard.mastership {
        Mastership::Vacant => Role::Wait,
        Mastership::Held { node: master, process } if master == node.id => {
            match shard.switchover.map(|switchover| switchover.phase) {
                Some(SwitchoverPhase::Fence { .. }) => {
                    let timeout_ms = fence_timeout_ms(&desired.timing);
                    Role::Fenced { endpoint, process, timeout_ms }
                }
                Some(SwitchoverPhase::CatchUp) | None => Role::Master { endpoint, process },
            }
        }
        Mastership::Ending { node: master, .. } if master == node.id => Role::Killed,
        // While a mastership ends its replicas go on following: what the old master still sends is not lost.
        Mastership::Held { node: master, .. } | Mastership::Ending { node: master, .. } => {
            match desired.nodes.get(&master).and_then(|master| master.address.clone()) {
                Some(address) => Role::Replica { master, address },
                None => Role::Wait,
            }
        }
    }
}
