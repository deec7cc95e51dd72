//! Both encodings against each other, and against damage.

use super::*;

const SPARSE_MAX: usize = 3000;

fn added(elements: Range<u32>, sparse_bytes_max: usize) -> Vec<u8> {
    let mut bytes = empty();
    for element in elements {
        let (index, rank) = place(&element.to_le_bytes());
        raise(&mut bytes, index, rank, sparse_bytes_max).unwrap();
    }
    bytes
}

#[test]
fn an_empty_sketch() {
    let bytes = empty();
    assert_eq!(bytes, b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
    assert_eq!(encoding(&bytes), Some(Encoding::Sparse));
    assert_eq!((cached_count(&bytes), count(&bytes)), (Some(0), Ok(0)));
}

/// What redis-server 7.2 answers to `PFADD hll a b c d e f g`, `PFCOUNT hll`, `GET hll`.
#[test]
fn bytes_of_redis() {
    let mut bytes = empty();
    for element in [b"a", b"b", b"c", b"d", b"e", b"f", b"g"] {
        let (index, rank) = place(element);
        assert_eq!(raise(&mut bytes, index, rank, SPARSE_MAX), Ok(true));
    }
    assert_eq!(cached_count(&bytes), None);
    assert_eq!(count(&bytes), Ok(7));
    let (at, cache) = cache(7);
    bytes[at..at + 8].copy_from_slice(&cache);
    let expect = b"\x48\x59\x4c\x4c\x01\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x46\x6d\x80\x56\x0c\x80\x44\x3c\x84\x38\x80\x50\xb1\x84\x49\x8c\x80\x42\x6d\x80\x42\x5a";
    assert_eq!(bytes.escape_ascii().to_string(), expect.escape_ascii().to_string());
}

#[test]
fn dense_and_sparse_have_the_same_registers() {
    for count_of in [1, 10, 500, 3000, 20_000] {
        let sparse = added(0..count_of, usize::MAX);
        let dense = added(0..count_of, 0);
        assert_eq!(encoding(&dense), Some(Encoding::Dense));
        assert_eq!(count(&sparse), count(&dense));
        let (mut a, mut b) = ([0; REGISTERS], [0; REGISTERS]);
        merge(&mut a, &sparse).unwrap();
        merge(&mut b, &dense).unwrap();
        assert!(a == b);
        assert_eq!(count_registers(&a), count(&dense).unwrap());
        assert!(
            to_dense(&sparse).is_ok_and(|bytes| bytes[HEADER_BYTES..] == dense[HEADER_BYTES..])
        );
        let error = (count(&dense).unwrap() as f64 / f64::from(count_of) - 1.0).abs();
        assert!(error < 0.05, "{count_of}: {error}");
    }
}

#[test]
fn a_sketch_becomes_dense_at_the_limit() {
    let bytes = added(0..1000, SPARSE_MAX);
    assert!(bytes.len() <= SPARSE_MAX);
    assert_eq!(encoding(&bytes), Some(Encoding::Sparse));
    assert_eq!(encoding(&added(0..3000, SPARSE_MAX)), Some(Encoding::Dense));
    let mut bytes = empty();
    assert_eq!(raise(&mut bytes, 7, 33, SPARSE_MAX), Ok(true));
    assert_eq!(encoding(&bytes), Some(Encoding::Dense), "no opcode has a rank of 33");
    assert_eq!(dense_register(&bytes, 7), 33);
}

#[test]
fn the_first_and_last_register() {
    for max in [0, SPARSE_MAX] {
        let mut bytes = empty();
        for index in [0, REGISTERS - 1] {
            assert_eq!(raise(&mut bytes, index, 5, max), Ok(true));
            assert_eq!(raise(&mut bytes, index, 5, max), Ok(false));
        }
        let mut registers = [0; REGISTERS];
        merge(&mut registers, &bytes).unwrap();
        assert_eq!((registers[0], registers[REGISTERS - 1]), (5, 5));
        assert_eq!(registers.iter().filter(|rank| **rank > 0).count(), 2);
    }
}

/// Each byte of a sketch changed to each value, each cut, and junk behind it: answers of any kind, but no panic.
#[test]
fn damage_is_survived() {
    let sound = added(0..20, SPARSE_MAX);
    let look = |bytes: &[u8]| {
        let mut registers = [0; REGISTERS];
        let merged = merge(&mut registers, bytes);
        assert!(count(bytes).is_err() || merged.is_ok());
        for (index, rank) in [(0, 1), (8000, 20), (REGISTERS - 1, 51)] {
            let mut copy = bytes.to_vec();
            let _ = raise(&mut copy, index, rank, SPARSE_MAX);
        }
    };
    for at in 0..sound.len() {
        look(&sound[..at]);
        for value in 0..=u8::MAX {
            let mut bytes = sound.clone();
            bytes[at] = value;
            look(&bytes);
        }
    }
    for junk in [b"\x00".as_slice(), b"\x40", b"\x7f\xff", b"\xff", &vec![0x7f; 40_000]] {
        look(&[&sound, junk].concat());
    }
    let mut dense = added(0..10, 0);
    dense[HEADER_BYTES..].fill(0xff);
    assert_eq!(count(&dense), Ok(1 << 63));
    look(&dense);
    look(&dense[..dense.len() - 1]);
    assert_eq!(count(&dense[..dense.len() - 1]), Err(Corrupt));
}
