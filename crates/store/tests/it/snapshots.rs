//! An image shows the data as it was when it began, whatever happens meanwhile.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use store::{Entry, Progress, SnapshotRunning, SnapshotSink, Store};
use wire::effect::{Effect, Expiry};

use crate::model::{Model, Op, new_store, op};

/// Collects the image; the model refuses a key that comes twice.
struct Collector(Arc<Mutex<Model>>);

impl SnapshotSink for Collector {
    fn entry(&mut self, db: u16, entry: &Entry) {
        self.0.lock().unwrap().put(db, entry.key(), entry.expiry(), entry.value());
    }
}

fn begin(store: &mut Store) -> Arc<Mutex<Model>> {
    let image = Arc::new(Mutex::new(Model::new()));
    store.begin_snapshot(Box::new(Collector(Arc::clone(&image)))).expect("none is running");
    image
}

fn finish(store: &mut Store) -> bool {
    loop {
        match store.walk(10) {
            Progress::Walking => {}
            Progress::Done(sink) => return sink.is_some(),
            Progress::Idle => panic!("no walk is running"),
        }
    }
}

/// Random effects may be refused; then they changed nothing, which is as good.
fn apply(store: &mut Store, op: &Op) {
    let _refused_or_not = store.apply(op.db, &op.effect());
}

/// What happens between two effects.
#[derive(Clone, Debug)]
enum Step {
    Apply(Op),
    Walk(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![4 => op().prop_map(Step::Apply), 1 => (1usize..6).prop_map(Step::Walk)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn an_image_is_the_state_at_its_beginning(
        before in prop::collection::vec(op(), 0..80),
        rounds in prop::collection::vec(prop::collection::vec(step(), 0..60), 1..4),
        aborted in any::<bool>(),
    ) {
        let mut store = new_store();
        for op in &before {
            apply(&mut store, op);
        }
        if aborted {
            // An image that was given up halfway must not disturb the next.
            begin(&mut store);
            store.walk(3);
            store.abort_snapshot();
            prop_assert!(!store.is_snapshot_running() || !finish(&mut store));
        }
        for steps in &rounds {
            let expect = Model::of(&store);
            let image = begin(&mut store);
            let mut is_walking = true;
            for step in steps {
                match step {
                    Step::Apply(op) => apply(&mut store, op),
                    Step::Walk(budget) => is_walking &= matches!(store.walk(*budget), Progress::Walking),
                }
            }
            prop_assert!(!is_walking || finish(&mut store));
            prop_assert!(!store.is_snapshot_running());
            prop_assert_eq!(&*image.lock().unwrap(), &expect);
        }
    }
}

fn set(store: &mut Store, db: u16, number: u32, value: &[u8]) {
    let key = number.to_le_bytes();
    store.apply(db, &Effect::SetString { key: &key, value, expiry: Expiry::Clear }).unwrap();
}

/// Many keys, so that tables grow and shrink under the walk, and a flush in the middle of a database.
#[test]
fn an_image_survives_resizes_and_a_flush_halfway() {
    let mut store = new_store();
    (0..20_000).for_each(|number| set(&mut store, 0, number, b"old"));
    (0..500).for_each(|number| set(&mut store, 1, number, b"other"));
    let expect = Model::of(&store);
    let image = begin(&mut store);
    for round in 0..20u32 {
        assert!(matches!(store.walk(300), Progress::Walking));
        (0..500).for_each(|n| set(&mut store, 0, n * 37 + round, b"new"));
        (0..1_000).for_each(|n| set(&mut store, 0, 20_000 + round * 1_000 + n, b"added"));
    }
    store.apply(0, &Effect::SwapDb { a: 0, b: 1 }).unwrap();
    store.apply(1, &Effect::FlushDb).unwrap();
    (0..3_000).for_each(|number| set(&mut store, 1, number, b"again"));
    store.apply(1, &Effect::FlushAll).unwrap();
    assert!(store.is_empty());
    assert!(finish(&mut store));
    assert!(*image.lock().unwrap() == expect, "the image differs from the state at its beginning");
}

#[test]
fn there_is_one_image_at_a_time() {
    let mut store = new_store();
    assert!(matches!(store.walk(1), Progress::Idle));
    let image = begin(&mut store);
    let second = store.begin_snapshot(Box::new(Collector(image)));
    assert_eq!(second, Err(SnapshotRunning));
    assert!(finish(&mut store));
}

#[test]
fn a_slice_ends_when_the_sink_is_full() {
    struct Full(usize);
    impl SnapshotSink for Full {
        fn entry(&mut self, _: u16, _: &Entry) {
            self.0 += 1;
        }
        fn wants_pause(&self) -> bool {
            self.0 > 0
        }
    }
    let mut store = new_store();
    (0..100).for_each(|number| set(&mut store, 0, number, b""));
    store.begin_snapshot(Box::new(Full(0))).unwrap();
    assert!(matches!(store.walk(1_000), Progress::Walking));
    assert!(matches!(store.walk(1_000), Progress::Walking));
}
