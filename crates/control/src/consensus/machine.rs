//! The state machine: the desired state, in memory, made of a snapshot on disk and the log after it.
//!
//! Readers get the state by a watch channel: whoever waits on it is woken by every change.

use std::io;
use std::sync::Arc;

use cluster::state::State;
use futures_util::{Stream, StreamExt as _};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use tokio::sync::watch;

use super::log::{Store, decode, encode};
use super::{Answer, LogId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig};

const SNAPSHOT_META: &str = "snapshot_meta";
const SNAPSHOT: &str = "snapshot";

#[derive(Debug)]
pub(crate) struct Machine {
    store: Store,
    state: watch::Sender<Arc<State>>,
    last_applied: Option<LogId>,
    membership: StoredMembership,
}

impl Machine {
    /// Starts from the snapshot in `store`; Raft applies the log after it.
    pub(crate) fn open(store: Store) -> io::Result<Machine> {
        let meta: Option<SnapshotMeta> = store.load(SNAPSHOT_META)?;
        let meta = meta.unwrap_or_default();
        let state: State = store.load(SNAPSHOT)?.unwrap_or_default();
        Ok(Machine {
            store,
            state: watch::Sender::new(Arc::new(state)),
            last_applied: meta.last_log_id,
            membership: meta.last_membership,
        })
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    fn apply_entry(&mut self, entry: &super::Entry) -> Answer {
        self.last_applied = Some(entry.log_id);
        match &entry.payload {
            EntryPayload::Blank => Answer::Nothing,
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                Answer::Nothing
            }
            EntryPayload::Normal(proposal) => {
                let mut answer = Answer::Nothing;
                self.state.send_if_modified(|state| {
                    let result = Arc::make_mut(state).apply(proposal);
                    let changed = result.is_ok();
                    answer = match result {
                        Ok(applied) => Answer::Applied(applied),
                        Err(rejected) => Answer::Rejected(rejected),
                    };
                    changed
                });
                answer
            }
        }
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = Vec<u8>;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.last_applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let answer = self.apply_entry(&entry);
            if let Some(responder) = responder {
                responder.send(answer);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            store: self.store.clone(),
            state: Arc::clone(&self.state.borrow()),
            meta: SnapshotMeta {
                last_log_id: self.last_applied,
                last_membership: self.membership.clone(),
            },
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Vec<u8>,
    ) -> Result<(), io::Error> {
        let state: State = decode(&snapshot)?;
        let values = vec![(SNAPSHOT_META, encode(meta)?), (SNAPSHOT, snapshot)];
        self.store.save(values).await?;
        self.last_applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.state.send_replace(Arc::new(state));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let Some(meta) = self.store.load::<SnapshotMeta>(SNAPSHOT_META)? else { return Ok(None) };
        let state: State = self.store.load(SNAPSHOT)?.unwrap_or_default();
        Ok(Some(Snapshot { meta, snapshot: encode(&state)? }))
    }
}

/// Writes the state as it was when the builder was made.
#[derive(Debug)]
pub(crate) struct Builder {
    store: Store,
    state: Arc<State>,
    meta: SnapshotMeta,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = Vec<u8>;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let snapshot = encode(&*self.state)?;
        let values = vec![(SNAPSHOT_META, encode(&self.meta)?), (SNAPSHOT, snapshot.clone())];
        self.store.save(values).await?;
        Ok(Snapshot { meta: self.meta.clone(), snapshot })
    }
}
