//! Making two replies comparable: byte for byte where Redis promises bytes, as a set where it promises no order, in shape
//! where it promises chance.

use wire::resp::response::Response;

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
    /// The encoding's name, of which 7.2 knows more.
    Encoding,
}

pub(super) fn promise(name: &str) -> Promise {
    match name {
        "KEYS" | "SMEMBERS" | "SUNION" | "SINTER" | "SDIFF" | "HKEYS" | "HVALS"
        | "PUBSUB CHANNELS" => Promise::Unordered,
        "HGETALL" | "CONFIG GET" => Promise::UnorderedPairs,
        "SPOP" | "SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER" | "RANDOMKEY" | "MEMORY USAGE"
        | "HELLO" | "ROLE" | "COMMAND GETKEYS" => Promise::Shape,
        "TTL" | "EXPIRETIME" => Promise::Time { slack: 3 },
        "PTTL" | "PEXPIRETIME" => Promise::Time { slack: 3000 },
        "OBJECT ENCODING" => Promise::Encoding,
        _ => Promise::Bytes,
    }
}

/// Whether the two keep the promise; errors must always be the same bytes.
pub(super) fn equal(promise: Promise, redis: &Response, pollux: &Response) -> bool {
    if redis == pollux {
        return true;
    }
    if matches!(redis, Response::Error(_)) || matches!(pollux, Response::Error(_)) {
        return false;
    }
    match promise {
        Promise::Bytes => false,
        Promise::Unordered => sorted(redis) == sorted(pollux),
        Promise::UnorderedPairs => sorted_pairs(redis) == sorted_pairs(pollux),
        Promise::Shape => shape(redis) == shape(pollux),
        Promise::Time { slack } => match (redis, pollux) {
            (Response::Integer(a), Response::Integer(b)) => {
                *a > 0 && *b > 0 && (a - b).abs() <= slack
            }
            _ => false,
        },
        Promise::Encoding => match (redis.as_bytes(), pollux.as_bytes()) {
            (Some(a), Some(b)) => encoding_of_7_2(a, b),
            _ => false,
        },
    }
}

/// Redis 7.2 keeps small lists and sets as listpacks, where 7.0 has a quicklist and a table.
fn encoding_of_7_2(redis: &[u8], pollux: &[u8]) -> bool {
    matches!((redis, pollux), (b"quicklist" | b"hashtable", b"listpack"))
}

fn text(value: &Response) -> String {
    format!("{value:?}")
}

fn sorted(value: &Response) -> Vec<String> {
    let mut items: Vec<String> = match value {
        Response::Array(items) => items.iter().map(text).collect(),
        other => vec![text(other)],
    };
    items.sort();
    items
}

fn sorted_pairs(value: &Response) -> Vec<String> {
    let mut pairs: Vec<String> = match value {
        Response::Map(pairs) => pairs.iter().map(|(a, b)| text(a) + &text(b)).collect(),
        Response::Array(items) => {
            items.chunks(2).map(|pair| pair.iter().map(text).collect()).collect()
        }
        other => vec![text(other)],
    };
    pairs.sort();
    pairs
}

fn shape(value: &Response) -> String {
    match value {
        Response::Null => "null".into(),
        Response::Simple(_) => "simple".into(),
        Response::Error(error) => error.clone(),
        Response::Integer(_) => "integer".into(),
        Response::Double(_) => "double".into(),
        Response::Boolean(_) => "boolean".into(),
        Response::Bulk(_) => "bulk".into(),
        Response::Array(items) | Response::Push(items) => format!("array of {}", items.len()),
        Response::Map(pairs) => format!("map of {}", pairs.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(items: &[&str]) -> Response {
        Response::Array(items.iter().map(|s| Response::Bulk(s.as_bytes().to_vec())).collect())
    }

    #[test]
    fn only_what_is_promised_may_differ() {
        assert!(equal(Promise::Unordered, &array(&["a", "b"]), &array(&["b", "a"])));
        assert!(!equal(Promise::Bytes, &array(&["a", "b"]), &array(&["b", "a"])));
        assert!(equal(
            Promise::UnorderedPairs,
            &array(&["a", "1", "b", "2"]),
            &array(&["b", "2", "a", "1"])
        ));
        assert!(!equal(
            Promise::UnorderedPairs,
            &array(&["a", "1", "b", "2"]),
            &array(&["b", "1", "a", "2"])
        ));
        assert!(equal(Promise::Time { slack: 3 }, &Response::Integer(100), &Response::Integer(99)));
        assert!(!equal(Promise::Time { slack: 3 }, &Response::Integer(-1), &Response::Integer(1)));
        let error = Response::Error("ERR x".into());
        assert!(!equal(Promise::Shape, &error, &Response::Null));
    }
}
