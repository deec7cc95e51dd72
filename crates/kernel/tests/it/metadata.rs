//! What Pollux says of its commands, beside what redis-server says: COMMAND, COMMAND DOCS, COMMAND LIST, and the keys that
//! COMMAND GETKEYSANDFLAGS finds.
//!
//! ```text
//!   reply -> facts: (command, field) -> value as text     both servers' -> equal | a listed change since 7.0 | a mistake
//! ```
//!
//! What Pollux says is that of 7.2, so beside a redis-server 7.0 the changes since then are listed, each with its reason;
//! beside 7.2 everything must be equal. `REDIS_SERVER` names the server.

use std::collections::{BTreeMap, BTreeSet};

use testkit::client::Client;
use testkit::differential::{RedisServer, Script};
use wire::resp::response::Response;

use crate::server::Server;

/// By command (`config|get`) and field.
type Facts = BTreeMap<(String, &'static str), String>;

/// Something that 7.2 says otherwise than 7.0.
struct Change {
    field: &'static str,
    /// `*`: any.
    commands: &'static [&'static str],
    reason: &'static str,
}

/// Names of what COMMAND says, in its order; `subcommands` are facts of their own, too.
const FIELDS: [&str; 10] = [
    "name",
    "arity",
    "flags",
    "first",
    "last",
    "step",
    "categories",
    "tips",
    "keys",
    "subcommands",
];

/// Fields of COMMAND DOCS but for the arguments and subcommands.
const DOCS: [&str; 8] = [
    "summary",
    "since",
    "group",
    "complexity",
    "doc_flags",
    "deprecated_since",
    "replaced_by",
    "history",
];

const CHANGES: &[Change] = &[
    Change { field: "summary", commands: &["*"], reason: "7.2: written anew, as sentences" },
    Change { field: "display", commands: &["*"], reason: "7.2: arguments have a text to display" },
    Change { field: "arguments", commands: RENAMED, reason: "7.2: named, or nested, anew" },
    Change { field: "arguments", commands: &["zrank", "zrevrank"], reason: "7.2: WITHSCORE" },
    Change { field: "arity", commands: &["zrank", "zrevrank"], reason: "7.2: WITHSCORE" },
    Change {
        field: "arity",
        commands: &["command|getkeys", "command|getkeysandflags"],
        reason: "7.2: a command without arguments may be asked about",
    },
    Change {
        field: "flags",
        commands: &["blmove", "blpop", "brpop", "brpoplpush", "bzpopmax", "bzpopmin", "wait"],
        reason: "7.2: scripts may say it, and it does not block there",
    },
    Change {
        field: "flags",
        commands: &["cluster|shards", "cluster|slots"],
        reason: "7.2.5: answered while data is loaded",
    },
    Change {
        field: "subcommands",
        commands: &["client", "cluster"],
        reason: "7.2: CLIENT NO-TOUCH and SETINFO, CLUSTER MYSHARDID",
    },
    Change {
        field: "tips",
        commands: &[
            "acl|deluser",
            "acl|save",
            "acl|setuser",
            "client|setname",
            "config|resetstat",
            "config|rewrite",
        ],
        reason: "7.2: to be said to every node",
    },
    Change {
        field: "tips",
        commands: &["latency|reset", "msetnx", "randomkey", "scan"],
        reason: "7.2: the policies of a cluster's clients put right",
    },
    Change {
        field: "history",
        commands: &["acl|log", "xinfo|consumers", "xinfo|stream", "zrank", "zrevrank"],
        reason: "7.2: what is new in it",
    },
    Change { field: "since", commands: &["client|pause"], reason: "7.2: a mistake put right" },
    Change {
        field: "complexity",
        commands: &[
            "cluster|getkeysinslot",
            "cluster|replicas",
            "cluster|slaves",
            "geodist",
            "geohash",
            "geopos",
            "hscan",
            "psubscribe",
            "punsubscribe",
            "sscan",
            "sunsubscribe",
            "unsubscribe",
            "xread",
            "zrandmember",
            "zscan",
        ],
        reason: "7.2: put right, or in other words",
    },
    Change { field: "doc_flags", commands: DEPRECATED, reason: "7.2: deprecated" },
    Change { field: "deprecated_since", commands: DEPRECATED, reason: "7.2: deprecated" },
    Change { field: "replaced_by", commands: DEPRECATED, reason: "7.2: deprecated" },
];

const DEPRECATED: &[&str] = &["psetex", "quit", "setex", "setnx"];

const RENAMED: &[&str] = &[
    "acl|cat",
    "bitcount",
    "bitfield",
    "bitfield_ro",
    "bitop",
    "bitpos",
    "client|kill",
    "client|list",
    "client|reply",
    "client|unblock",
    "cluster|addslotsrange",
    "cluster|delslotsrange",
    "cluster|meet",
    "cluster|reset",
    "cluster|setslot",
    "command|getkeys",
    "command|getkeysandflags",
    "config|get",
    "config|set",
    "flushall",
    "flushdb",
    "function|flush",
    "geoadd",
    "geohash",
    "geopos",
    "georadius",
    "georadius_ro",
    "georadiusbymember",
    "georadiusbymember_ro",
    "geosearch",
    "geosearchstore",
    "hello",
    "hmset",
    "hset",
    "lcs",
    "migrate",
    "module|loadex",
    "mset",
    "msetnx",
    "pfmerge",
    "psubscribe",
    "script|flush",
    "shutdown",
    "sort",
    "sort_ro",
    "xadd",
    "xclaim",
    "xgroup|create",
    "xgroup|createconsumer",
    "xgroup|delconsumer",
    "xgroup|destroy",
    "xgroup|setid",
    "xinfo|consumers",
    "xinfo|stream",
    "xreadgroup",
    "xsetid",
    "zadd",
    "zrange",
    "zrangebylex",
    "zrangebyscore",
    "zrangestore",
    "zrevrangebylex",
    "zrevrangebyscore",
];

/// Scripts whose commands COMMAND GETKEYSANDFLAGS is asked about.
const SEEDS: std::ops::Range<u64> = 1..4;
const STEPS: usize = 2000;

struct Asked {
    client: Client,
    version: Vec<u32>,
}

impl Asked {
    /// Speaks RESP3, which tells maps from arrays.
    fn connect(address: &str) -> Asked {
        let mut client = Client::connect(address).unwrap();
        let hello = client.call(&[b"HELLO", b"3"]).unwrap();
        let version = version(&text(hello.get("version").unwrap()));
        Asked { client, version }
    }

    fn ask(&mut self, words: &[&[u8]]) -> Response {
        self.client.call(words).unwrap()
    }

    fn facts(&mut self) -> Facts {
        let mut facts = Facts::new();
        for command in items(&self.ask(&[b"COMMAND"])) {
            note_info(command, &mut facts);
        }
        for (name, docs) in pairs(&self.ask(&[b"COMMAND", b"DOCS"])) {
            note_docs(&text(name), docs, &mut facts);
        }
        facts
    }

    fn list(&mut self, filter: &[&str]) -> BTreeSet<String> {
        let words = ["COMMAND", "LIST"].iter().chain(filter).map(|word| word.as_bytes());
        items(&self.ask(&words.collect::<Vec<_>>())).iter().map(text).collect()
    }
}

fn version(text: &str) -> Vec<u32> {
    text.split('.').map(|part| part.parse().unwrap()).collect()
}

fn text(value: &Response) -> String {
    String::from_utf8_lossy(value.as_bytes().unwrap()).into_owned()
}

fn items(value: &Response) -> &[Response] {
    if let Response::Array(items) = value { items } else { panic!("no array: {value:?}") }
}

fn pairs(value: &Response) -> &[(Response, Response)] {
    if let Response::Map(pairs) = value { pairs } else { panic!("no map: {value:?}") }
}

/// A value in one form, whatever the order of maps and of flags is.
fn canonical(value: &Response) -> String {
    match value {
        Response::Map(pairs) => {
            let one = |(name, value): &(Response, Response)| {
                let is_set = text(name) == "flags";
                format!("{}: {}", text(name), if is_set { sorted(value) } else { canonical(value) })
            };
            let all: BTreeSet<String> = pairs.iter().map(one).collect();
            format!("{all:?}")
        }
        Response::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(", "))
        }
        other => match other.as_bytes() {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None => format!("{other:?}"),
        },
    }
}

fn sorted(value: &Response) -> String {
    format!("{:?}", items(value).iter().map(canonical).collect::<BTreeSet<_>>())
}

/// An item of COMMAND, and its subcommands.
fn note_info(command: &Response, facts: &mut Facts) {
    let fields = items(command);
    assert_eq!(fields.len(), FIELDS.len(), "{command:?}");
    let name = text(&fields[0]);
    for (field, value) in FIELDS.into_iter().zip(fields).skip(1) {
        let value = match field {
            "flags" | "categories" => sorted(value),
            "subcommands" => {
                items(value).iter().for_each(|subcommand| note_info(subcommand, facts));
                let names: BTreeSet<String> =
                    items(value).iter().map(|subcommand| text(&items(subcommand)[0])).collect();
                format!("{names:?}")
            }
            _ => canonical(value),
        };
        assert_eq!(facts.insert((name.clone(), field), value), None, "{name} is there twice");
    }
}

/// An item of COMMAND DOCS, and its subcommands. What is not there is empty.
fn note_docs(name: &str, docs: &Response, facts: &mut Facts) {
    let known = DOCS.iter().chain(&["arguments", "subcommands"]);
    let known: BTreeSet<&str> = known.copied().collect();
    for (field, _) in pairs(docs) {
        assert!(known.contains(&*text(field)), "{name} has an unknown field {field:?}");
    }
    for field in DOCS {
        let value = docs.get(field).map_or_else(String::new, |value| match field {
            "doc_flags" => sorted(value),
            _ => canonical(value),
        });
        facts.insert((name.to_owned(), field), value);
    }
    let (mut arguments, mut displayed) = (String::new(), Vec::new());
    if let Some(tree) = docs.get("arguments") {
        arguments = canonical(&without_display(tree, &mut displayed));
    }
    facts.insert((name.to_owned(), "arguments"), arguments);
    facts.insert((name.to_owned(), "display"), format!("{displayed:?}"));
    if let Some(subcommands) = docs.get("subcommands") {
        for (name, docs) in pairs(subcommands) {
            note_docs(&text(name), docs, facts);
        }
    }
}

/// The tree of arguments, and apart from it the texts to be displayed.
fn without_display(tree: &Response, displayed: &mut Vec<String>) -> Response {
    match tree {
        Response::Array(items) => {
            Response::Array(items.iter().map(|item| without_display(item, displayed)).collect())
        }
        Response::Map(pairs) => {
            let mut kept = Vec::new();
            for (name, value) in pairs {
                match text(name).as_str() {
                    "display_text" => displayed.push(text(value)),
                    _ => kept.push((name.clone(), without_display(value, displayed))),
                }
            }
            Response::Map(kept)
        }
        other => other.clone(),
    }
}

/// Names that the facts are about.
fn names(facts: &Facts) -> BTreeSet<String> {
    facts.keys().map(|(name, _)| name.clone()).collect()
}

/// Needs a redis-server on `PATH`, or named by `REDIS_SERVER`.
#[test]
fn processes_say_the_same_of_their_commands() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let pollux = Server::start();
    let mut redis = Asked::connect(&redis.address());
    let mut pollux = Asked::connect(pollux.address());
    let (theirs, ours) = (redis.facts(), pollux.facts());
    let missing: Vec<String> = names(&theirs).difference(&names(&ours)).cloned().collect();
    assert!(missing.is_empty(), "Pollux does not know {missing:?}");
    // More than theirs are only commands of later releases.
    let added: BTreeSet<String> = names(&ours).difference(&names(&theirs)).cloned().collect();
    for name in &added {
        let since = version(&ours[&(name.clone(), "since")]);
        assert!(since > redis.version, "redis-server does not know {name}");
    }
    let changes = if redis.version.starts_with(&[7, 0]) { CHANGES } else { &[] };
    let mut needed = BTreeSet::new();
    let mut mistakes = Vec::new();
    for ((name, field), said) in theirs.iter() {
        let heard = &ours[&(name.clone(), *field)];
        if said == heard {
            continue;
        }
        let is_listed = |change: &Change| {
            change.field == *field
                && change.commands.iter().any(|listed| *listed == "*" || listed == name)
        };
        match changes.iter().position(is_listed) {
            Some(at) => {
                let listed = |listed: &&&str| **listed == "*" || **listed == name;
                let entry = changes[at].commands.iter().find(listed).unwrap();
                needed.insert((at, *entry));
            }
            None => mistakes.push(format!("{name} {field}\n  redis:  {said}\n  pollux: {heard}")),
        }
    }
    assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
    for (at, change) in changes.iter().enumerate() {
        for name in change.commands {
            let (field, reason) = (change.field, change.reason);
            assert!(needed.contains(&(at, *name)), "not needed: {field} of {name} ({reason})");
        }
    }
    lists_are_equal(&mut redis, &mut pollux, &added);
}

/// COMMAND LIST with each filter, and COMMAND COUNT.
fn lists_are_equal(redis: &mut Asked, pollux: &mut Asked, added: &BTreeSet<String>) {
    let categories = redis.ask(&[b"ACL", b"CAT"]);
    let mut filters: Vec<Vec<String>> = vec![Vec::new()];
    let filter = |kind: &str, word: &str| ["FILTERBY", kind, word].map(str::to_owned).to_vec();
    filters.extend(items(&categories).iter().map(|category| filter("ACLCAT", &text(category))));
    filters.extend(
        ["*", "x*", "*GET*", "[a-c]*", "config|*", "?????", "no"]
            .map(|glob| filter("PATTERN", glob)),
    );
    filters.extend([filter("MODULE", "x"), filter("ACLCAT", "x")]);
    for filter in filters {
        let filter: Vec<&str> = filter.iter().map(String::as_str).collect();
        let (theirs, ours) = (redis.list(&filter), pollux.list(&filter));
        let shared: BTreeSet<String> = ours.difference(added).cloned().collect();
        assert_eq!(theirs, shared, "COMMAND LIST {filter:?}");
    }
    let count = |asked: &mut Asked| match asked.ask(&[b"COMMAND", b"COUNT"]) {
        Response::Integer(count) => usize::try_from(count).unwrap(),
        other => panic!("COMMAND COUNT answers {other:?}"),
    };
    let whole = added.iter().filter(|name| !name.contains('|')).count();
    assert_eq!(count(redis) + whole, count(pollux));
}

/// Of every command that the differential tester says.
#[test]
fn processes_find_the_same_keys() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let pollux = Server::start();
    let mut redis = Asked::connect(&redis.address());
    let mut pollux = Asked::connect(pollux.address());
    let is_old = redis.version.starts_with(&[7, 0]);
    let newer: BTreeSet<String> = {
        let (theirs, ours) = (names(&redis.facts()), names(&pollux.facts()));
        ours.difference(&theirs).cloned().collect()
    };
    let (mut found, mut mistakes) = (BTreeSet::new(), Vec::new());
    for step in SEEDS.flat_map(|seed| Script::generate(seed, STEPS).steps) {
        let words: Vec<String> =
            step.args().iter().take(2).map(|word| text_of(word).to_lowercase()).collect();
        let is_newer = newer.contains(&words[0]) || newer.contains(&words.join("|"));
        if is_newer || is_old && is_of_7_2(step.args()) || stores_nothing(step.args()) {
            continue;
        }
        for question in [&b"GETKEYS"[..], b"GETKEYSANDFLAGS"] {
            let words = [&b"COMMAND"[..], question].into_iter();
            let words: Vec<&[u8]> = words.chain(step.args().iter().map(Vec::as_slice)).collect();
            let (theirs, ours) = (redis.ask(&words), pollux.ask(&words));
            let is_same = match (&theirs, &ours) {
                (Response::Error(theirs), Response::Error(ours)) => theirs == ours,
                (Response::Array(_), Response::Array(_)) => keys(&theirs) == keys(&ours),
                // Where the number of keys is no number, or too large, redis-server guesses.
                (Response::Array(_), Response::Error(ours)) => {
                    ours == "ERR Invalid arguments specified for command"
                }
                _ => false,
            };
            if !is_same {
                mistakes.push(format!("{step}\n  redis:  {theirs:?}\n  pollux: {ours:?}"));
            } else if let Response::Array(_) = ours {
                found.insert(step.args()[0].to_ascii_uppercase());
            }
        }
    }
    assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
    // SORT, XREAD, ZUNIONSTORE and the like among them.
    assert!(found.len() > 100, "keys of few commands were found: {found:?}");
}

fn text_of(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

fn is_named(args: &[Vec<u8>], names: &[&str]) -> bool {
    names.iter().any(|name| args[0].eq_ignore_ascii_case(name.as_bytes()))
}

/// WITHSCORE; and 7.0 says of one word that COMMAND was misused.
fn is_of_7_2(args: &[Vec<u8>]) -> bool {
    args.len() < 2 || is_named(args, &["ZRANK", "ZREVRANK"]) && args.len() != 3
}

/// The target is a key, but to redis-server all arguments are invalid when there is no source.
fn stores_nothing(args: &[Vec<u8>]) -> bool {
    let counted = ["ZDIFFSTORE", "ZINTERSTORE", "ZUNIONSTORE"];
    is_named(args, &["PFMERGE"]) && args.len() == 2
        || is_named(args, &counted)
            && args.get(2).is_some_and(|count| text_of(count).parse().is_ok_and(|n: i64| n <= 0))
}

/// Keys with their flags, if those are given.
fn keys(reply: &Response) -> Vec<String> {
    let one = |item: &Response| match item {
        Response::Array(parts) => format!("{} {}", canonical(&parts[0]), sorted(&parts[1])),
        key => canonical(key),
    };
    items(reply).iter().map(one).collect()
}
