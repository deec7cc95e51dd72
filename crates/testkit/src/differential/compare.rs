//! Making two replies comparable: byte for byte where Redis promises bytes, as a set where it promises no order, in shape
//! where it promises chance.

use super::frame::Frame;

/// Releases differ; what Pollux promises is 7.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Release {
    /// Scores in 17 digits instead of fewer, fewer encodings.
    V70,
    V72,
}

/// What a command's reply promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Promise {
    Bytes,
    /// Elements in any order.
    Unordered,
    /// Pairs in any order, flat in RESP2.
    UnorderedPairs,
    /// Of the same form and length; which elements is chance.
    Shape,
    /// Seconds or milliseconds that pass while both servers are asked.
    Time {
        slack: i64,
    },
    /// Numbers of sorted sets, which 7.0 writes in another form.
    Scores,
    /// The encoding's name, of which 7.2 knows more. Where Redis lets it depend on how a value came about, Pollux may have
    /// the more compact one, as it depends on the value alone: an integer from INCRBYFLOAT is an integer, a short string is
    /// embedded though a bit was set in it, a small set from
    /// SDIFFSTORE is a listpack though a large one stood there in between, so is a small sorted set though ZADD named a
    /// member twice, and a small list though LINSERT looked in vain. That large values leave the compact encodings is seen by transcripts.
    Encoding,
    /// `[cursor, items]`, of which only the form is known before the cursor's end.
    Cursor,
    /// Times of consumers of streams, and of what is pending for them, which pass while both servers are asked.
    Ages,
    /// Of what a server says of itself, the protocol.
    Hello,
    /// Rules of users and what they deny, which 7.0 writes in other words.
    Rules,
    /// A reply of the same type: what it says is about this server.
    Kind,
}

pub(super) fn promise(name: &str) -> Promise {
    match name {
        "KEYS"
        | "SMEMBERS"
        | "SUNION"
        | "SINTER"
        | "SDIFF"
        | "HKEYS"
        | "HVALS"
        | "PUBSUB CHANNELS"
        | "PUBSUB SHARDCHANNELS"
        | "FUNCTION LIST" => Promise::Unordered,
        "HGETALL" | "CONFIG GET" => Promise::UnorderedPairs,
        "SPOP" | "SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER" | "RANDOMKEY" | "MEMORY USAGE"
        | "OBJECT FREQ" | "OBJECT IDLETIME" | "TIME" | "INFO" | "CLIENT INFO" | "CLIENT LIST"
        | "CLIENT ID" | "LASTSAVE" | "LOLWUT" | "SLOWLOG LEN" => Promise::Shape,
        "ACL GETUSER" | "ACL LIST" | "ACL DRYRUN" => Promise::Rules,
        "ACL CAT" => Promise::Unordered,
        "ACL GENPASS" => Promise::Shape,
        "HELLO" => Promise::Hello,
        "ACL LOG" | "DUMP" | "ROLE" | "SLOWLOG GET" | "LATENCY LATEST" | "LATENCY HISTORY"
        | "LATENCY HISTOGRAM" | "LATENCY DOCTOR" | "LATENCY GRAPH" | "LATENCY RESET"
        | "MEMORY DOCTOR" | "MEMORY STATS" | "COMMAND" | "COMMAND COUNT" | "COMMAND DOCS"
        | "COMMAND INFO" | "COMMAND LIST" => Promise::Kind,
        _ if name.ends_with(" HELP") => Promise::Kind,
        "XPENDING" | "XINFO STREAM" | "XINFO GROUPS" | "XINFO CONSUMERS" => Promise::Ages,
        "SCAN" | "SSCAN" | "HSCAN" | "ZSCAN" => Promise::Cursor,
        "TTL" | "EXPIRETIME" => Promise::Time { slack: 5 },
        "PTTL" | "PEXPIRETIME" => Promise::Time { slack: 5000 },
        "OBJECT ENCODING" => Promise::Encoding,
        _ if name.starts_with('Z') || name.starts_with("BZ") => Promise::Scores,
        _ => Promise::Bytes,
    }
}

/// Commands that are not said in a transaction: chance cannot be set right there, and Redis does not answer a login
/// that fails in one.
pub(super) fn is_unfit_for_transactions(name: &str) -> bool {
    matches!(
        name,
        "SPOP" | "SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER" | "RANDOMKEY" | "AUTH" | "HELLO"
    )
}

/// Whether the two keep the promise; errors must always be the same bytes.
pub(super) fn equal(release: Release, promise: Promise, redis: &Frame, pollux: &Frame) -> bool {
    if redis == pollux {
        return true;
    }
    if redis.is_error() || pollux.is_error() {
        return false;
    }
    match promise {
        Promise::Bytes => false,
        Promise::Unordered => items(redis, 1).is_some_and(|seen| Some(seen) == items(pollux, 1)),
        Promise::UnorderedPairs => {
            items(redis, 2).is_some_and(|seen| Some(seen) == items(pollux, 2))
        }
        Promise::Shape => shape(redis) == shape(pollux),
        Promise::Time { slack } => match (redis.integer(), pollux.integer()) {
            (Some(a), Some(b)) => a >= 0 && b >= 0 && (a - b).abs() <= slack,
            _ => false,
        },
        Promise::Scores => same_numbers(release, redis, pollux),
        Promise::Encoding => is_better(release, redis, pollux),
        Promise::Cursor => redis.items().map(<[Frame]>::len) == pollux.items().map(<[Frame]>::len),
        Promise::Rules => release == Release::V70 && shape(redis) == shape(pollux),
        Promise::Kind => kind(redis) == kind(pollux),
        Promise::Ages => same_but_ages(release, redis, pollux),
        Promise::Hello => protocol(redis).is_some_and(|seen| Some(seen) == protocol(pollux)),
    }
}

/// Fields of XINFO that hold times, and one that 7.0 does not have.
const AGES: &[&[u8]] = &[b"idle", b"inactive", b"seen-time", b"active-time"];
const AGES_SINCE_7_2: &[&[u8]] = &[b"inactive", b"active-time"];

/// Compares what XPENDING and XINFO say. Times are in the fields of [`AGES`], and in pending entries, the only arrays
/// of an ID, perhaps an owner, and two numbers.
fn same_but_ages(release: Release, redis: &Frame, pollux: &Frame) -> bool {
    let (Frame::Items(a, Some(left)), Frame::Items(b, Some(right))) = (redis, pollux) else {
        return redis == pollux;
    };
    let comparable = |items: &[Frame]| match release {
        Release::V70 => without_new_ages(items),
        Release::V72 => items.to_vec(),
    };
    let (left, right) = (comparable(left), comparable(right));
    let is_age = |at: usize| match left.as_slice() {
        [Frame::Text(..), .., Frame::Line(b':', _), Frame::Line(b':', _)] if left.len() < 5 => {
            at + 2 == left.len()
        }
        _ => at > 0 && left[at - 1].text().is_some_and(|name| AGES.contains(&name)),
    };
    a == b
        && left.len() == right.len()
        && left.iter().zip(&right).enumerate().all(|(at, (left, right))| match is_age(at) {
            true => match (left.integer(), right.integer()) {
                // In 7.0 not every command of a consumer is one that is seen.
                (Some(a), Some(b)) => {
                    (a < 0) == (b < 0) && (release == Release::V70 || (a - b).abs() < 60_000)
                }
                _ => false,
            },
            false => same_but_ages(release, left, right),
        })
}

/// The items of a map without the fields that 7.0 does not have.
fn without_new_ages(items: &[Frame]) -> Vec<Frame> {
    let is_new = |at: usize| items[at].text().is_some_and(|name| AGES_SINCE_7_2.contains(&name));
    let kept = (0..items.len()).filter(|at| !is_new(*at) && (*at == 0 || !is_new(at - 1)));
    kept.map(|at| items[at].clone()).collect()
}

/// Whether Pollux has the more compact encoding.
fn is_better(release: Release, redis: &Frame, pollux: &Frame) -> bool {
    match (redis.text(), pollux.text()) {
        (Some(b"embstr"), Some(b"int")) | (Some(b"raw"), Some(b"embstr")) => true,
        // 7.2 looks ahead at all that ZADD and SADD bring.
        (Some(b"listpack"), Some(b"skiplist"))
        | (Some(b"intset"), Some(b"listpack" | b"hashtable")) => release == Release::V70,
        (Some(b"hashtable" | b"skiplist" | b"quicklist"), Some(b"listpack")) => true,
        _ => false,
    }
}

/// Kind, and items of `width` frames in some order that depends on them alone.
pub(super) fn items(value: &Frame, width: usize) -> Option<(u8, Vec<Vec<Frame>>)> {
    let Frame::Items(kind, Some(items)) = value else { return None };
    let mut chunks: Vec<Vec<Frame>> = items.chunks(width).map(<[Frame]>::to_vec).collect();
    chunks.sort();
    Some((*kind, chunks))
}

/// In 7.2 only zero may be written in two ways: whether its sign is kept depends on the encoding.
fn same_numbers(release: Release, redis: &Frame, pollux: &Frame) -> bool {
    match (redis, pollux) {
        (Frame::Items(a, Some(left)), Frame::Items(b, Some(right))) => {
            a == b
                && left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| same_numbers(release, left, right))
        }
        (Frame::Line(a, left), Frame::Line(b, right))
        | (Frame::Text(a, Some(left)), Frame::Text(b, Some(right))) => {
            let may_differ = release == Release::V70;
            let is_same = |left: f64, right: f64| left == right && (may_differ || left == 0.0);
            let numbers = number(left).zip(number(right));
            a == b && (left == right || numbers.is_some_and(|(left, right)| is_same(left, right)))
        }
        _ => redis == pollux,
    }
}

pub(super) fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn protocol(hello: &Frame) -> Option<&Frame> {
    hello.items()?.chunks(2).find(|pair| pair[0].text() == Some(b"proto")).map(|pair| &pair[1])
}

/// The type of a reply, and whether there is one.
fn kind(value: &Frame) -> (u8, bool) {
    match value {
        Frame::Line(kind, _) => (*kind, true),
        Frame::Text(kind, text) => (*kind, text.is_some()),
        Frame::Items(kind, items) => (*kind, items.is_some()),
    }
}

fn shape(value: &Frame) -> String {
    match value {
        Frame::Line(b'-', error) => error.escape_ascii().to_string(),
        Frame::Line(kind, _) => char::from(*kind).to_string(),
        Frame::Text(kind, text) => format!("{}{}", char::from(*kind), text.is_some()),
        Frame::Items(kind, items) => {
            format!("{}{:?}", char::from(*kind), items.as_ref().map(Vec::len))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(items: &[&str]) -> Frame {
        let text = |text: &&str| Frame::Text(b'$', Some(text.as_bytes().to_vec()));
        Frame::Items(b'*', Some(items.iter().map(text).collect()))
    }

    #[test]
    fn only_what_is_promised_may_differ() {
        let equal = |promise, a: &Frame, b: &Frame| equal(Release::V72, promise, a, b);
        let integer = |digits: &str| Frame::Line(b':', digits.as_bytes().to_vec());
        assert!(equal(Promise::Unordered, &array(&["a", "b"]), &array(&["b", "a"])));
        assert!(!equal(Promise::Unordered, &array(&["a", "b"]), &array(&["a", "a"])));
        assert!(!equal(Promise::Bytes, &array(&["a", "b"]), &array(&["b", "a"])));
        let (map, other) = (array(&["a", "1", "b", "2"]), array(&["b", "2", "a", "1"]));
        assert!(equal(Promise::UnorderedPairs, &map, &other));
        assert!(!equal(Promise::UnorderedPairs, &map, &array(&["b", "1", "a", "2"])));
        assert!(equal(Promise::Time { slack: 3 }, &integer("100"), &integer("99")));
        assert!(!equal(Promise::Time { slack: 3 }, &integer("-1"), &integer("1")));
        let error = Frame::Line(b'-', b"ERR x".to_vec());
        assert!(!equal(Promise::Shape, &error, &Frame::Text(b'$', None)));
    }

    #[test]
    fn scores_of_7_0_are_compared_as_numbers() {
        let (old, new) = (array(&["m", "0.10000000000000001"]), array(&["m", "0.1"]));
        assert!(equal(Release::V70, Promise::Scores, &old, &new));
        assert!(!equal(Release::V72, Promise::Scores, &old, &new));
        assert!(!equal(Release::V72, Promise::Scores, &new, &old));
        let [zero, negative] = ["0", "-0"].map(|n| array(&["m", n]));
        assert!(equal(Release::V72, Promise::Scores, &zero, &negative));
        assert!(!equal(Release::V70, Promise::Scores, &old, &array(&["m", "0.2"])));
    }
}
