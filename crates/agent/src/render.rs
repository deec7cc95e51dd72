//! `node.conf`: the file that tells a node who it is.
//!
//! The form is that of redis.conf, `name value` a line, so that a person who knows the one can read
//! the other. The node reads it at its start only; what changes later comes as an order.

use std::fmt::Write;

use crate::link::Expected;

/// What a node is told at its start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NodeConf {
    pub identity: Expected,
    /// Seeds the hash of keys: the same in all nodes of a shard, so that SCAN cursors survive a failover.
    pub hash_seed: u64,
    /// Node address, `ip:port`; port 0 lets the system choose.
    pub listen: String,
    /// Parameters of the instance, by name.
    pub parameters: Vec<(String, String)>,
}

/// A parameter that would not stay in its line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not the name of a parameter")]
pub(crate) struct BadName(String);

/// The text of the file.
pub(crate) fn node_conf(conf: &NodeConf) -> Result<String, BadName> {
    let mut text =
        String::from("# Written by the agent at every start of the node; changes here are lost.\n");
    let NodeConf { identity, hash_seed, listen, parameters } = conf;
    let own = [
        ("pollux-cluster", identity.cluster.to_string()),
        ("pollux-shard", identity.shard.to_string()),
        ("pollux-node", identity.node.to_string()),
        ("pollux-incarnation", identity.incarnation.to_string()),
        ("pollux-secret", identity.secret.clone()),
        ("pollux-hash-seed", hash_seed.to_string()),
        ("pollux-listen", listen.clone()),
    ];
    for (name, value) in own {
        push_line(&mut text, name, &value);
    }
    for (name, value) in parameters {
        if !is_name(name) {
            return Err(BadName(name.clone()));
        }
        push_line(&mut text, name, value);
    }
    Ok(text)
}

/// One line. A value is quoted when it is empty or holds anything but plain characters.
fn push_line(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push(' ');
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\' | b'#');
    if !value.is_empty() && value.bytes().all(plain) {
        text.push_str(value);
    } else {
        push_quoted(text, value);
    }
    text.push('\n');
}

/// Double quotes with the escapes of redis.conf.
fn push_quoted(text: &mut String, value: &str) {
    text.push('"');
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' => text.push(char::from(byte)),
            other => {
                write!(text, "\\x{other:02x}").expect("writing to a string cannot fail");
            }
        }
    }
    text.push('"');
}

/// Whether `name` can stand at the beginning of a line.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{ClusterId, Incarnation, NodeId, ShardId};

    #[test]
    fn a_file_names_the_node_and_quotes_what_needs_it() {
        let conf = NodeConf {
            identity: Expected {
                cluster: ClusterId(0xab),
                shard: ShardId(1),
                node: NodeId(2),
                incarnation: Incarnation(3),
                secret: "s3cret".into(),
            },
            hash_seed: 7,
            listen: "127.0.0.1:0".into(),
            parameters: vec![
                ("save".into(), "900 1".into()),
                ("requirepass".into(), "a \"b\"\n#\u{e9}".into()),
                ("logfile".into(), String::new()),
            ],
        };
        let want = "\
pollux-cluster 000000000000000000000000000000ab
pollux-shard shard-1
pollux-node node-2
pollux-incarnation 3
pollux-secret s3cret
pollux-hash-seed 7
pollux-listen 127.0.0.1:0
save \"900 1\"
requirepass \"a \\\"b\\\"\\n#\\xc3\\xa9\"
logfile \"\"
";
        let text = node_conf(&conf).unwrap();
        assert_eq!(text.split_once('\n').unwrap().1, want);
    }

    #[test]
    fn a_value_cannot_start_a_line_of_its_own() {
        let mut text = String::new();
        push_line(&mut text, "requirepass", "x\npollux-node node-9");
        assert_eq!(text.lines().count(), 1);
        for name in ["", "a b", "save\npollux-node", "#"] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
