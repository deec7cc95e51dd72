//! The JSON of the contract, as others write and read it.

use base::{ClusterId, Incarnation, NodeId, ShardId};
use cluster::api::{
    ApiError, CreateInstance, Edition, ErrorCode, NodePhase, NodeRole, NodeState, ProcessState,
    Role, StateWord, ValidationError,
};

#[test]
fn a_node_state_needs_only_its_identity() {
    let cluster = ClusterId(0xabc);
    let text = format!(
        r#"{{"cluster":"{cluster}","shard":0,"node":"node-2","incarnation":1,"role":"replica",
            "phase":"syncing","phase_percent":40,"opid":7,"opid_epoch":2,"later_field":1}}"#
    );
    let state: NodeState = serde_json::from_str(&text).expect("state");
    assert_eq!((state.node, state.shard), (NodeId(2), ShardId(0)));
    assert_eq!((state.role, state.phase), (NodeRole::Replica, NodePhase::Syncing));
    let again: NodeState =
        serde_json::from_str(&serde_json::to_string(&state).expect("json")).expect("state");
    assert_eq!(again, state);
    let waiting = NodeState::waiting(cluster, ShardId(0), NodeId(2), Incarnation(1));
    let json = serde_json::to_value(&waiting).expect("json");
    assert_eq!((&json["node"], &json["role"]), (&"node-2".into(), &"none".into()));
}

#[test]
fn words_are_kebab_case() {
    let json = |value| serde_json::to_string(&value).expect("json");
    assert_eq!(json(StateWord::InSync), r#""in-sync""#);
    let role = Role::Replica { master: NodeId(1), address: "h:1".into() };
    assert_eq!(
        serde_json::to_string(&role).expect("json"),
        r#"{"is":"replica","master":"node-1","address":"h:1"}"#
    );
    let process: ProcessState =
        serde_json::from_str(r#"{"is":"exited","process":{"pid":9,"started":1},"signal":9}"#)
            .expect("process");
    assert!(process.running().is_none());
}

#[test]
fn instances_are_checked_before_anything_is_done() {
    let instance = |text: &str| serde_json::from_str::<CreateInstance>(text);
    let good = instance(r#"{"name":"cache","port":7000}"#).expect("good");
    assert_eq!((good.edition, good.validate()), (Edition::Standard, Ok(1)));
    assert_eq!(good.endpoint(), "127.0.0.1:7000");
    assert_eq!(CreateInstance { edition: Edition::Single, ..good.clone() }.validate(), Ok(0));
    let refused = |change: fn(&mut CreateInstance)| {
        let mut request = good.clone();
        change(&mut request);
        request.validate().expect_err("refused")
    };
    assert!(matches!(refused(|r| r.name = "-x".into()), ValidationError::Name(_)));
    assert!(matches!(refused(|r| r.name = String::new()), ValidationError::Name(_)));
    assert!(matches!(refused(|r| r.port = 0), ValidationError::Port));
    assert!(matches!(refused(|r| r.bind = "example.org".into()), ValidationError::Bind(_)));
    assert!(matches!(refused(|r| r.replicas = Some(6)), ValidationError::Replicas { .. }));
    assert!(matches!(refused(|r| r.replicas = Some(0)), ValidationError::Replicas { .. }));
    instance(r#"{"name":"cache","port":7000,"prot":1}"#).expect_err("unknown fields are mistakes");
}

#[test]
fn errors_say_what_to_do() {
    let error = ApiError::new(ErrorCode::NoLeader, "no leader").hint("ask again");
    assert_eq!(error.to_string(), "no leader (ask again)");
    assert_eq!((error.status(), error.is_retryable()), (503, true));
}
