//! HyperLogLogs: strings in the format of `wire::hyperloglog`.
//!
//! Invariants
//! - A change is an effect on the bytes that change: a register of a dense sketch costs two bytes in the log, not 12 KiB.
//! - A string that a client damaged is answered with an error, and stays as it was.

use store::StringRef;
use wire::effect::{Effect, Expiry};
use wire::hyperloglog::{self as sketch, Corrupt, Encoding, REGISTERS, Registers, sparse};
use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop, Turn};
use crate::keyspace::{Class, Keyspace};

pub(crate) const COMMANDS: &[Binding] = &[
    ("pfadd", Handler::Node(pfadd)),
    ("pfcount", Handler::Data(pfcount)),
    ("pfmerge", Handler::Node(pfmerge)),
    ("pfdebug", Handler::Data(pfdebug)),
    ("pfselftest", Handler::Data(pfselftest)),
];

const NOT_A_SKETCH: ErrorReply =
    ErrorReply::new("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPT: ErrorReply = ErrorReply::new("INVALIDOBJ Corrupted HLL object detected");

fn corrupt(_: Corrupt) -> Stop {
    Stop::Error(CORRUPT)
}

/// The bytes of a sketch, and how it is encoded.
fn form(string: StringRef<'_>) -> Result<(&[u8], Encoding), Stop> {
    let bytes = match string {
        StringRef::Int(_) => None,
        StringRef::Bytes { bytes, .. } => Some(bytes),
    };
    let found = bytes.and_then(|bytes| Some((bytes, sketch::encoding(bytes)?)));
    found.ok_or(Stop::Error(NOT_A_SKETCH))
}

/// Looks at a sketch that is going to be changed.
fn peek<'k>(keys: &'k mut Keyspace, key: &[u8]) -> Result<Option<(&'k [u8], Encoding)>, Stop> {
    keys.peek_string(key)?.map(form).transpose()
}

fn sparse_bytes_max(cx: &NodeTurn<'_>) -> usize {
    usize::try_from(cx.node.config.settings().hll_sparse_max_bytes).unwrap_or(usize::MAX)
}

// --- PFADD

fn pfadd(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, bytes_max) = (args.key(1), sparse_bytes_max(cx));
    let keys = &mut *cx.turn.keys;
    let encoding = peek(keys, key)?.map(|(_, encoding)| encoding);
    let is_changed = match encoding {
        Some(Encoding::Dense) => add_to_dense(keys, key, args)?,
        Some(Encoding::Sparse) | None => add_to_copy(keys, key, args, bytes_max)?,
    };
    if is_changed {
        cx.turn.keys.notify(Class::String, "pfadd", key);
    } else {
        cx.turn.keys.make_editable(key);
    }
    cx.turn.reply.integer(i64::from(is_changed));
    Ok(())
}

/// Register by register, where it stands.
fn add_to_dense(keys: &mut Keyspace, key: &[u8], args: &Args<'_>) -> Result<bool, Stop> {
    let mut is_changed = false;
    for element in args.iter_from(2) {
        let (index, rank) = sketch::place(element);
        let Some((bytes, Encoding::Dense)) = peek(keys, key)? else {
            unreachable!("raising registers leaves a dense sketch")
        };
        if sketch::dense_register(bytes, index) < rank {
            let (at, value) = sketch::dense_written(bytes, index, rank);
            keys.apply(Effect::SetRange { key, offset: at as u64, value: &value });
            is_changed = true;
        }
    }
    if is_changed && let Some((bytes, _)) = peek(keys, key)? {
        let flag = bytes[sketch::CACHE_FLAG_AT];
        let stale = sketch::stale_flag(flag);
        if stale != flag {
            let offset = sketch::CACHE_FLAG_AT as u64;
            keys.apply(Effect::SetRange { key, offset, value: &[stale] });
        }
    }
    Ok(is_changed)
}

/// A sparse sketch is small: it is changed as a copy, and the difference is written.
fn add_to_copy(
    keys: &mut Keyspace,
    key: &[u8],
    args: &Args<'_>,
    bytes_max: usize,
) -> Result<bool, Stop> {
    let old = peek(keys, key)?.map(|(bytes, _)| bytes.to_vec());
    let mut new = match &old {
        Some(bytes) => bytes.clone(),
        None => {
            let mut bytes = sketch::empty();
            sketch::invalidate(&mut bytes);
            bytes
        }
    };
    let mut is_changed = old.is_none();
    for element in args.iter_from(2) {
        let (index, rank) = sketch::place(element);
        is_changed |= sketch::raise(&mut new, index, rank, bytes_max).map_err(corrupt)?;
    }
    if is_changed {
        write(keys, key, old.as_deref(), &new);
    }
    Ok(is_changed)
}

/// Turns `old`, which the key holds (`None`: it is missing), into `new`.
fn write(keys: &mut Keyspace, key: &[u8], old: Option<&[u8]>, new: &[u8]) {
    let old = old.unwrap_or_default();
    if new.len() < old.len() {
        // In two parts, as a string that was appended to stays one that can be edited.
        let (last, start) = new.split_last().expect("a sketch has a header");
        keys.apply(Effect::SetString { key, value: start, expiry: Expiry::Keep });
        keys.apply(Effect::Append { key, value: &[*last] });
        return;
    }
    let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let mut changed = &new[same..];
    if old.len() == new.len() {
        let tail = old[same..].iter().rev().zip(changed.iter().rev());
        changed = &changed[..changed.len() - tail.take_while(|(old, new)| old == new).count()];
    }
    keys.apply(Effect::SetRange { key, offset: same as u64, value: changed });
}

// --- PFCOUNT

fn pfcount(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let count = if args.len() == 2 { count_one(cx, args.key(1))? } else { count_all(cx, args)? };
    cx.reply.integer(count.cast_signed());
    Ok(())
}

/// The count of one sketch, which remembers it.
fn count_one(cx: &mut Turn<'_>, key: &[u8]) -> Result<u64, Stop> {
    let Some((bytes, _)) = cx.keys.string(key)?.map(form).transpose()? else { return Ok(0) };
    if let Some(count) = sketch::cached_count(bytes) {
        return Ok(count);
    }
    let count = sketch::count(bytes).map_err(corrupt)?;
    // A replica, and a master whose writes are held, only answer.
    if cx.keys.may_clean_up() {
        let (at, value) = sketch::cache(count);
        cx.keys.apply(Effect::SetRange { key, offset: at as u64, value: &value });
    }
    Ok(count)
}

fn count_all(cx: &mut Turn<'_>, args: &Args<'_>) -> Result<u64, Stop> {
    let mut registers = Box::new([0; REGISTERS]);
    for key in args.iter_from(1) {
        if let Some((bytes, _)) = cx.keys.string(key)?.map(form).transpose()? {
            sketch::merge(&mut registers, bytes).map_err(corrupt)?;
        }
    }
    Ok(sketch::count_registers(&registers))
}

// --- PFMERGE

fn pfmerge(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let bytes_max = sparse_bytes_max(cx);
    let keys = &mut *cx.turn.keys;
    let mut registers: Box<Registers> = Box::new([0; REGISTERS]);
    let mut has_dense = false;
    for key in args.iter_from(1) {
        if let Some((bytes, encoding)) = keys.string(key)?.map(form).transpose()? {
            has_dense |= encoding == Encoding::Dense;
            sketch::merge(&mut registers, bytes).map_err(corrupt)?;
        }
    }
    let key = args.key(1);
    let old = peek(keys, key)?.map(|(bytes, encoding)| (bytes.to_vec(), encoding));
    let mut new = match &old {
        Some((bytes, _)) => bytes.clone(),
        None => sketch::empty(),
    };
    let is_sparse = sketch::encoding(&new) == Some(Encoding::Sparse);
    if has_dense && is_sparse {
        new = sketch::to_dense(&new).map_err(corrupt)?;
    }
    for (index, rank) in registers.iter().enumerate().filter(|(_, rank)| **rank > 0) {
        sketch::raise(&mut new, index, *rank, bytes_max).map_err(corrupt)?;
    }
    sketch::invalidate(&mut new);
    // Also when nothing changes: who watches the destination is told, as in Redis.
    write(keys, key, old.as_ref().map(|(bytes, _)| bytes.as_slice()), &new);
    // It is told as what happened to the registers.
    cx.turn.keys.notify(Class::String, "pfadd", key);
    cx.turn.reply.ok();
    Ok(())
}

// --- looking inside

fn pfdebug(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let key = args.key(2);
    let missing = ErrorReply::new("ERR The specified key does not exist");
    let (bytes, encoding) = peek(cx.keys, key)?.ok_or(Stop::Error(missing))?;
    if args.is(1, "getreg") {
        let dense = match encoding {
            Encoding::Dense => bytes.to_vec(),
            Encoding::Sparse => make_dense(cx.keys, key)?,
        };
        cx.reply.array(REGISTERS);
        for index in 0..REGISTERS {
            cx.reply.integer(i64::from(sketch::dense_register(&dense, index)));
        }
    } else if args.is(1, "decode") {
        if encoding == Encoding::Dense {
            return Err(ErrorReply::new("ERR HLL encoding is not sparse").into());
        }
        let runs = sparse::runs(&bytes[sketch::HEADER_BYTES..]);
        let words: Vec<String> = runs.map(describe).collect();
        cx.reply.bulk(words.join(" ").as_bytes());
    } else if args.is(1, "encoding") {
        cx.reply.simple(if encoding == Encoding::Dense { "dense" } else { "sparse" });
    } else if args.is(1, "todense") {
        if encoding == Encoding::Sparse {
            make_dense(cx.keys, key)?;
        }
        cx.reply.integer(i64::from(encoding == Encoding::Sparse));
    } else {
        let name = String::from_utf8_lossy(args.key(1));
        return Err(ErrorReply::from(format!("ERR Unknown PFDEBUG subcommand '{name}'")).into());
    }
    Ok(())
}

/// Makes the sketch of a key dense, and returns its bytes.
fn make_dense(keys: &mut Keyspace, key: &[u8]) -> Result<Vec<u8>, Stop> {
    let (bytes, _) = peek(keys, key)?.expect("the caller has looked");
    let dense = sketch::to_dense(bytes).map_err(corrupt)?;
    keys.apply_unheard(&Effect::SetString { key, value: &dense, expiry: Expiry::Keep });
    Ok(dense)
}

fn describe(run: sparse::Run) -> String {
    match run {
        sparse::Run { rank: 0, length, is_wide: false } => format!("z:{length}"),
        sparse::Run { rank: 0, length, is_wide: true } => format!("Z:{length}"),
        sparse::Run { rank, length, .. } => format!("v:{rank},{length}"),
    }
}

/// Elements that the self-test adds; few enough not to hold up the clients.
const SELF_TEST_ELEMENTS: u64 = 20_000;

fn pfselftest(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    let (mut sparse, mut dense) = (sketch::empty(), Vec::new());
    let failed = |what: &'static str| Stop::Error(ErrorReply::new(what));
    let seed = cx.keys.rng().next_u64();
    for element in 1..=SELF_TEST_ELEMENTS {
        let (index, rank) = sketch::place(&(element ^ seed).to_le_bytes());
        if dense.is_empty() {
            dense = sketch::to_dense(&sparse).map_err(corrupt)?;
        }
        sketch::raise(&mut sparse, index, rank, 3000).map_err(corrupt)?;
        sketch::raise(&mut dense, index, rank, 0).map_err(corrupt)?;
        if element.is_power_of_two() || element == SELF_TEST_ELEMENTS {
            let count = sketch::count(&dense).map_err(corrupt)?;
            if sketch::count(&sparse) != Ok(count) {
                return Err(failed("ERR TESTFAILED dense/sparse disagree"));
            }
            // Six times the standard error, 1.04 / sqrt(16,384).
            let error_max = (element as f64 * 6.0 * 1.04 / 128.0).ceil() as u64;
            if count.abs_diff(element) > error_max.max(2) {
                return Err(failed("ERR TESTFAILED Too big error."));
            }
        }
    }
    cx.reply.ok();
    Ok(())
}
