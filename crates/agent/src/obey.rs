//! What to say to a node so that it becomes what was ordered: a pure function of order and state.
//!
//! Level-triggered: it compares and repeats, it does not remember a plan. All commands are idempotent
//! and carry the epoch, so that one said twice, or said after a restart of the agent, does no harm,
//! and the node refuses what is older than what it knows.

use base::{Epoch, NodeId};
use cluster::api::{LeaseGrant, NodeOrder, NodeRole, NodeState, ProcessId, Role};

/// One command on the node's link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    Master { epoch: Epoch, endpoint: String },
    Replica { epoch: Epoch, master: NodeId, address: String },
    Fence { epoch: Epoch, timeout_ms: u64 },
    Unfence { epoch: Epoch },
    Lease { nonce: u64, epoch: Epoch, ttl_ms: u64 },
}

impl Command {
    /// The words of the command.
    pub(crate) fn words(&self) -> Vec<String> {
        let words: &[&dyn ToString] = match self {
            Command::Master { epoch, endpoint } => &[&"ROLE", &"MASTER", epoch, endpoint],
            Command::Replica { epoch, master, address } => {
                &[&"ROLE", &"REPLICA", epoch, master, address]
            }
            Command::Fence { epoch, timeout_ms } => &[&"FENCE", epoch, timeout_ms],
            Command::Unfence { epoch } => &[&"UNFENCE", epoch],
            Command::Lease { nonce, epoch, ttl_ms } => &[&"LEASE", nonce, epoch, ttl_ms],
        };
        std::iter::once("POLLUX".to_owned())
            .chain(words.iter().map(|word| word.to_string()))
            .collect()
    }
}

/// What was said to this process already; forgotten with the process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Said {
    /// The last role that the node accepted. Its state does not show every part of it (the address of
    /// the master), so a different one is said although the state looks right.
    pub role: Option<Command>,
    /// Nonce of the last lease.
    pub lease_nonce: u64,
}

/// What to say now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Orders {
    pub commands: Vec<Command>,
    /// When these commands are accepted, the node is as ordered.
    pub complete: bool,
    /// Why it will not be, in words for a person.
    pub obstacle: Option<String>,
}

impl Orders {
    fn nothing() -> Orders {
        Orders { commands: Vec::new(), complete: true, obstacle: None }
    }

    fn obstacle(why: String) -> Orders {
        Orders { commands: Vec::new(), complete: false, obstacle: Some(why) }
    }
}

/// Compares what is ordered with what the node said of itself.
pub(crate) fn orders(
    order: &NodeOrder,
    lease: Option<&LeaseGrant>,
    process: ProcessId,
    state: &NodeState,
    said: &Said,
) -> Orders {
    if order.epoch < state.epoch {
        // A newer epoch is under way to us; the older order has nothing to say any more.
        return Orders {
            obstacle: Some(format!(
                "the node is in epoch {}, the order in {}",
                state.epoch, order.epoch
            )),
            ..Orders::nothing()
        };
    }
    match &order.role {
        Role::Wait | Role::Stopped | Role::Killed | Role::Removed => Orders::nothing(),
        Role::Replica { master, address } => {
            let role =
                Command::Replica { epoch: order.epoch, master: *master, address: address.clone() };
            let shown = state.role == NodeRole::Replica && state.epoch == order.epoch;
            let commands =
                if shown && said.role.as_ref() == Some(&role) { vec![] } else { vec![role] };
            Orders { commands, ..Orders::nothing() }
        }
        Role::Master { process: meant, .. } | Role::Fenced { process: meant, .. }
            if *meant != process =>
        {
            Orders::obstacle(format!("the order is for {meant}, which is gone; this is {process}"))
        }
        Role::Master { endpoint, .. } => {
            let mut commands = master(order.epoch, endpoint, state, said);
            if state.fenced && state.epoch == order.epoch {
                commands.push(Command::Unfence { epoch: order.epoch });
            }
            commands.extend(renewal(order, lease, state, said));
            Orders { commands, ..Orders::nothing() }
        }
        Role::Fenced { endpoint, timeout_ms, .. } => {
            let mut commands = master(order.epoch, endpoint, state, said);
            if !state.fenced {
                commands.push(Command::Fence { epoch: order.epoch, timeout_ms: *timeout_ms });
            }
            commands.extend(renewal(order, lease, state, said));
            Orders { commands, ..Orders::nothing() }
        }
    }
}

fn master(epoch: Epoch, endpoint: &str, state: &NodeState, said: &Said) -> Vec<Command> {
    let role = Command::Master { epoch, endpoint: endpoint.to_owned() };
    let shown = state.role == NodeRole::Master && state.epoch == epoch;
    if shown && said.role.as_ref() == Some(&role) { vec![] } else { vec![role] }
}

/// A lease is handed on once, and only to a node that is master in its epoch already.
fn renewal(
    order: &NodeOrder,
    lease: Option<&LeaseGrant>,
    state: &NodeState,
    said: &Said,
) -> Option<Command> {
    let lease = lease?;
    let fits = lease.epoch == order.epoch
        && state.role == NodeRole::Master
        && state.epoch == lease.epoch
        && lease.nonce != said.lease_nonce;
    fits.then_some(Command::Lease { nonce: lease.nonce, epoch: lease.epoch, ttl_ms: lease.ttl_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{ClusterId, Incarnation, ShardId};

    const PROCESS: ProcessId = ProcessId { pid: 10, started: 1 };
    const OTHER: ProcessId = ProcessId { pid: 10, started: 2 };

    fn order(epoch: u64, role: Role) -> NodeOrder {
        NodeOrder {
            node: NodeId(1),
            shard: ShardId(0),
            instance: "default".into(),
            incarnation: Incarnation(1),
            epoch: Epoch(epoch),
            role,
            params: Default::default(),
            hash_seed: 0,
            had_data: false,
        }
    }

    fn state(epoch: u64, role: NodeRole, fenced: bool) -> NodeState {
        let json = serde_json::json!({
            "cluster": ClusterId(1), "shard": ShardId(0), "node": NodeId(1),
            "incarnation": Incarnation(1), "epoch": epoch, "role": role, "fenced": fenced,
        });
        serde_json::from_value(json).unwrap()
    }

    fn to_master(process: ProcessId) -> Role {
        Role::Master { endpoint: "e:1".into(), process }
    }

    fn to_fenced() -> Role {
        Role::Fenced { endpoint: "e:1".into(), process: PROCESS, timeout_ms: 5 }
    }

    fn to_replica(address: &str) -> Role {
        Role::Replica { master: NodeId(2), address: address.into() }
    }

    fn said(role: Role, epoch: u64) -> Said {
        let blank = state(0, NodeRole::None, false);
        let orders = orders(&order(epoch, role), None, PROCESS, &blank, &Said::default());
        Said { role: orders.commands.first().cloned(), lease_nonce: 0 }
    }

    fn check(order: &NodeOrder, state: &NodeState, said: &Said, want: &[&str], complete: bool) {
        let got = orders(order, None, PROCESS, state, said);
        let words: Vec<String> =
            got.commands.iter().map(|command| command.words().join(" ")).collect();
        assert_eq!(words, want, "{order:?}\n{state:?}\n{said:?}");
        assert_eq!(got.complete, complete, "{order:?}\n{state:?}");
    }

    #[test]
    fn a_new_process_is_told_its_role() {
        let nothing = Said::default();
        let new = state(0, NodeRole::None, false);
        check(&order(3, Role::Wait), &new, &nothing, &[], true);
        check(&order(3, to_master(PROCESS)), &new, &nothing, &["POLLUX ROLE MASTER 3 e:1"], true);
        check(
            &order(3, to_replica("a:1")),
            &new,
            &nothing,
            &["POLLUX ROLE REPLICA 3 node-2 a:1"],
            true,
        );
    }

    #[test]
    fn a_mastership_ends_with_its_process() {
        let new = state(0, NodeRole::None, false);
        check(&order(3, to_master(OTHER)), &new, &Said::default(), &[], false);
    }

    #[test]
    fn nothing_is_said_to_a_node_that_is_as_ordered() {
        check(
            &order(3, to_master(PROCESS)),
            &state(3, NodeRole::Master, false),
            &said(to_master(PROCESS), 3),
            &[],
            true,
        );
        check(
            &order(3, to_replica("a:1")),
            &state(3, NodeRole::Replica, false),
            &said(to_replica("a:1"), 3),
            &[],
            true,
        );
        check(
            &order(3, to_fenced()),
            &state(3, NodeRole::Master, true),
            &said(to_fenced(), 3),
            &[],
            true,
        );
    }

    #[test]
    fn a_master_that_moved_is_followed_to_its_new_address() {
        check(
            &order(3, to_replica("a:2")),
            &state(3, NodeRole::Replica, false),
            &said(to_replica("a:1"), 3),
            &["POLLUX ROLE REPLICA 3 node-2 a:2"],
            true,
        );
    }

    #[test]
    fn fence_and_unfence_follow_the_order() {
        let said = said(to_master(PROCESS), 3);
        let open = state(3, NodeRole::Master, false);
        let held = state(3, NodeRole::Master, true);
        check(&order(3, to_fenced()), &open, &said, &["POLLUX FENCE 3 5"], true);
        check(&order(3, to_master(PROCESS)), &held, &said, &["POLLUX UNFENCE 3"], true);
    }

    #[test]
    fn an_old_order_is_not_passed_on() {
        let newer = state(4, NodeRole::Replica, false);
        let got = orders(&order(3, to_master(PROCESS)), None, PROCESS, &newer, &Said::default());
        assert_eq!(got.commands, []);
        assert!(got.obstacle.is_some());
    }

    #[test]
    fn a_lease_is_passed_on_once_and_only_to_the_master_of_its_epoch() {
        let lease = LeaseGrant { node: NodeId(1), nonce: 9, epoch: Epoch(3), ttl_ms: 3000 };
        let master = state(3, NodeRole::Master, false);
        let order = order(3, to_master(PROCESS));
        let mut said = said(to_master(PROCESS), 3);
        let words = |state: &NodeState, said: &Said| {
            let got = orders(&order, Some(&lease), PROCESS, state, said);
            got.commands.iter().map(|command| command.words().join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(words(&master, &said), ["POLLUX LEASE 9 3 3000"]);
        said.lease_nonce = 9;
        assert_eq!(words(&master, &said), [""; 0]);
        let promoted = state(2, NodeRole::Master, false);
        said.lease_nonce = 0;
        assert_eq!(words(&promoted, &said), ["POLLUX ROLE MASTER 3 e:1"], "not yet in epoch 3");
    }
}
