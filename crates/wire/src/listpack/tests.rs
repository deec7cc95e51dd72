use proptest::prelude::*;

use super::*;

fn pack(values: &[&str]) -> Listpack {
    values.iter().map(|value| value.as_bytes()).collect()
}

fn texts(pack: &Listpack) -> Vec<Vec<u8>> {
    pack.iter().map(|element| element.to_vec()).collect()
}

/// Bytes as redis-server 7.0 writes them (taken from DUMP of a hash).
#[test]
fn bytes_are_those_of_redis() {
    assert_eq!(Listpack::new().as_bytes(), [7, 0, 0, 0, 0, 0, 0xff]);
    assert_eq!(
        pack(&["f", "1", "g", "-5"]).as_bytes(),
        [
            18, 0, 0, 0, 4, 0, // header
            0x81, b'f', 2, 1, 1, // "f", 7-bit 1
            0x81, b'g', 2, 0xdf, 0xfb, 2, // "g", 13-bit -5
            0xff
        ]
    );
}

#[test]
fn integers_take_the_smallest_form_and_come_back() {
    let check = |value: i64, entry_bytes: usize| {
        let pack = pack(&[&value.to_string()]);
        assert_eq!(pack.byte_len(), 7 + entry_bytes + 1, "{value}");
        assert_eq!(pack.get(pack.begin()), Some(Element::Integer(value)));
        assert!(validate(pack.as_bytes()));
    };
    for (value, entry_bytes) in [
        (0, 1),
        (127, 1),
        (128, 2),
        (-1, 2),
        (4095, 2),
        (-4096, 2),
        (4096, 3),
        (-4097, 3),
        (32_767, 3),
        (32_768, 4),
        (-8_388_608, 4),
        (8_388_608, 5),
        (i64::from(i32::MIN), 5),
        (i64::from(i32::MAX) + 1, 9),
        (i64::MIN, 9),
    ] {
        check(value, entry_bytes);
    }
    for text in ["", "-0", "01", "+1", " 1", "9223372036854775808"] {
        let pack = pack(&[text]);
        assert_eq!(pack.get(pack.begin()), Some(Element::Bytes(text.as_bytes())));
    }
}

#[test]
fn strings_of_every_width_walk_both_ways() {
    let lengths = [0, 63, 64, 125, 126, 4095, 4096, 16_377, 16_378, 16_379, 2_097_146, 2_097_147];
    let values: Vec<Vec<u8>> = lengths.iter().map(|&length| vec![b'x'; length]).collect();
    let pack: Listpack = values.iter().map(Vec::as_slice).collect();
    assert!(validate(pack.as_bytes()));
    assert_eq!(texts(&pack), values);
    let backwards: Vec<_> = pack.iter().rev().map(|element| element.to_vec()).collect();
    assert_eq!(backwards, values.into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn more_entries_than_the_header_counts() {
    let mut pack = Listpack::new();
    for at in 0..65_536u32 {
        pack.push_back(at.to_string().as_bytes());
    }
    assert_eq!(pack.as_bytes()[4..6], [0xff, 0xff]);
    assert_eq!(pack.len(), 65_536);
    assert!(validate(pack.as_bytes()));
    assert_eq!(pack.remove(pack.begin(), 2), 2);
    assert_eq!(pack.len(), 65_534);
    assert_eq!(pack.as_bytes()[4..6], [0xfe, 0xff]);
}

#[test]
fn finds_fields_but_not_values() {
    let pack = pack(&["a", "b", "b", "7"]);
    let find = |text: &str| pack.find(pack.begin(), &Needle::new(text.as_bytes()), 2);
    assert_eq!(find("b"), pack.at(2));
    assert_eq!(find("7"), None);
    assert_eq!(pack.find(pack.begin(), &Needle::new(b"7"), 1), pack.at(3));
}

#[test]
fn splits_and_joins() {
    let mut left = pack(&["a", "1", "c", "d"]);
    let right = left.split_off(left.at(1).unwrap());
    assert_eq!(left, pack(&["a"]));
    assert_eq!(right, pack(&["1", "c", "d"]));
    left.append(&right);
    assert_eq!(left, pack(&["a", "1", "c", "d"]));
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        (-5000i64..5000).prop_map(|value| value.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..200),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (any::<usize>(), value()).prop_map(|(at, value)| Step::Insert(at, value)),
        1 => (any::<usize>(), value()).prop_map(|(at, value)| Step::Replace(at, value)),
        1 => (any::<usize>(), 0usize..4).prop_map(|(at, count)| Step::Remove(at, count)),
    ]
}

proptest! {
    #[test]
    fn behaves_as_a_vector(steps in proptest::collection::vec(step(), 0..60)) {
        let (mut pack, mut model) = (Listpack::new(), Vec::<Vec<u8>>::new());
        for step in steps {
            match step {
                Step::Insert(at, value) => {
                    let at = at % (model.len() + 1);
                    pack.insert(pack.at(at).unwrap_or(pack.end()), &value);
                    model.insert(at, value);
                }
                Step::Replace(at, value) if !model.is_empty() => {
                    let at = at % model.len();
                    pack.replace(pack.at(at).unwrap(), &value);
                    model[at] = value;
                }
                Step::Remove(at, count) if !model.is_empty() => {
                    let at = at % model.len();
                    let end = (at + count).min(model.len());
                    prop_assert_eq!(pack.remove(pack.at(at).unwrap(), count), end - at);
                    model.drain(at..end);
                }
                Step::Replace(..) | Step::Remove(..) => {}
            }
            prop_assert!(validate(pack.as_bytes()));
            prop_assert_eq!(pack.len(), model.len());
        }
        prop_assert_eq!(texts(&pack), model);
    }

    /// Whatever `validate` lets in can be walked from both ends.
    #[test]
    fn damaged_bytes_are_refused_or_harmless(
        values in proptest::collection::vec(value(), 0..8),
        at in any::<usize>(),
        byte in any::<u8>(),
        cut in any::<usize>(),
    ) {
        let pack: Listpack = values.iter().map(Vec::as_slice).collect();
        let mut bytes = pack.as_bytes().to_vec();
        prop_assert!(!validate(&bytes[..cut % bytes.len()]));
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Some(pack) = Listpack::from_bytes(&bytes) {
            prop_assert_eq!(pack.iter().count(), pack.iter().rev().count());
        }
    }

    #[test]
    fn noise_is_refused(mut bytes in proptest::collection::vec(any::<u8>(), 6..64)) {
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        if let Some(pack) = Listpack::from_bytes(&bytes) {
            prop_assert_eq!(pack.iter().count(), pack.iter().rev().count());
        }
    }
}
