use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::Rng;

fn limits() -> Thresholds {
    Thresholds {
        set_max_intset_entries: 8,
        set_max_listpack_entries: 6,
        set_max_listpack_value: 10,
        ..Thresholds::default()
    }
}

fn set_of(members: &[&str]) -> Set {
    let members: Vec<&[u8]> = members.iter().map(|member| member.as_bytes()).collect();
    let mut set = Set::new();
    set.add_all(&members, &limits());
    set
}

fn members(set: &Set) -> Vec<String> {
    set.iter().map(|member| String::from_utf8(member.to_vec()).unwrap()).collect()
}

#[test]
fn encodings_and_their_order() {
    let check = |members: &[&str], expect: &str| assert_eq!(set_of(members).encoding(), expect);
    check(&["1", "2"], "intset");
    check(&["1", "a"], "listpack");
    check(&["a", "1"], "listpack");
    check(&["a", "a member of more than ten"], "hashtable");
    check(&["1", "2", "3", "4", "5", "6", "7", "8"], "intset");
    check(&["1", "2", "3", "4", "5", "6", "7", "8", "9"], "hashtable");
    check(&["a", "b", "c", "d", "e", "f"], "listpack");
    check(&["a", "a", "a", "a", "a", "a", "a"], "hashtable");
    check(&["12345678901", "a"], "hashtable");
    assert_eq!(members(&set_of(&["3", "1", "2"])), ["1", "2", "3"]);
    assert_eq!(members(&set_of(&["3", "1", "b", "a"])), ["1", "3", "b", "a"]);
}

#[test]
fn one_by_one_crosses_the_same_limits() {
    let mut set = Set::new();
    for number in 0..8 {
        set.add(number.to_string().as_bytes(), &limits());
    }
    assert_eq!(set.encoding(), "intset");
    let mut larger = set.clone();
    assert!(larger.add(b"8", &limits()) && !larger.add(b"8", &limits()));
    assert_eq!((larger.encoding(), larger.len()), ("hashtable", 9));
    assert!(set.add(b"x", &limits()));
    assert_eq!((set.encoding(), set.len()), ("hashtable", 9), "too many for a listpack");
}

#[test]
fn foreign_forms_are_checked() {
    let pack = |values: &[&str]| values.iter().map(|v| v.as_bytes()).collect::<Listpack>();
    assert!(Set::from_listpack(pack(&["a", "1", "a"]), &limits()).is_none());
    assert_eq!(Set::from_listpack(pack(&["a", "1"]), &limits()).unwrap().encoding(), "listpack");
    let mut ints = Intset::new();
    (0..9).for_each(|value| assert!(ints.insert(value)));
    let set = Set::from_intset(ints, &limits());
    assert_eq!((set.encoding(), set.len()), ("hashtable", 9));
}

#[test]
fn random_members_are_distinct() {
    for count in [3usize, 7, 500] {
        let mut set = Set::new();
        (0..count).for_each(|at| assert!(set.add(at.to_string().as_bytes(), &limits())));
        let mut rng = Rng::new(3);
        for wanted in [0, 1, count / 5, count - 1, count + 1] {
            let picked: BTreeSet<_> =
                set.random_distinct(wanted, &mut rng).iter().map(Element::to_vec).collect();
            assert_eq!(picked.len(), wanted.min(count));
        }
    }
}

proptest! {
    #[test]
    fn behaves_as_a_set(
        steps in proptest::collection::vec(
            (0u8..4, prop_oneof![3 => "[0-9]{1,2}", 1 => "[a-d]{1,2}", 1 => "[a-b]{10,11}"]),
            0..60,
        ),
    ) {
        let (mut set, mut model) = (Set::new(), BTreeSet::new());
        for (kind, member) in steps {
            let member = member.into_bytes();
            if kind == 0 {
                prop_assert_eq!(set.remove(&member), model.remove(&member));
            } else {
                prop_assert_eq!(set.add(&member, &limits()), model.insert(member.clone()));
            }
            prop_assert_eq!(set.contains(&member), model.contains(&member));
            prop_assert_eq!(set.len(), model.len());
        }
        let (mut scanned, mut cursor) = (BTreeSet::new(), 0);
        loop {
            cursor = set.scan(cursor, |member| assert!(scanned.insert(member.to_vec())));
            if cursor == 0 {
                break;
            }
        }
        prop_assert_eq!(&scanned, &model);
        prop_assert_eq!(set.clone().iter().map(|member| member.to_vec()).collect::<BTreeSet<_>>(), model);
    }
}
