//! The words that open an internal link, and what follows from them. Pure: no socket, no clock.
//!
//! ```text
//!   > POLLUX HELLO 1 <cluster> <shard> <from> <incarnation> <epoch> <secret>
//!   < map: version, node, incarnation, epoch            or -IDENTITY <what differs>
//!   > POLLUX SYNC <epoch-opid> <history> [FULL]
//!   < +CONTINUE <opid>                                  cut your log after opid; frames follow
//!   < +FULL <opid> <history> <reason ...>               your history is ours up to opid; a snapshot follows
//! ```
//!
//! `<from>` is `agent` (then the incarnation is that of the node it means) or the node that speaks (then
//! it is its own). `FULL` is said by a replica that cannot build the data at the common point.
//!
//! Invariant: identity is compared before anything else is looked at or changed.

use base::{ClusterId, Epoch, Incarnation, NodeId, OpId, Position, ShardId};
use binlog::{History, Owner};
use subtle::ConstantTimeEq as _;
use wire::resp::reply::ErrorReply;

/// Version of the internal protocol. Both ends must speak the same.
pub const VERSION: u64 = 1;

/// Who this node is, and what its peers must know.
#[derive(Clone, Debug)]
pub struct Identity {
    pub owner: Owner,
    /// Shared by all nodes of the cluster and their agents.
    pub secret: Vec<u8>,
}

/// The other end of an internal link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    Agent,
    Node(NodeId),
}

/// The arguments of `POLLUX HELLO`.
#[derive(Clone, Debug)]
pub struct Hello {
    pub cluster: ClusterId,
    pub shard: ShardId,
    pub from: Peer,
    pub incarnation: Incarnation,
    pub epoch: Epoch,
    pub secret: Vec<u8>,
}

fn refuse(text: String) -> ErrorReply {
    ErrorReply::from(text)
}

fn word<T: std::str::FromStr>(bytes: &[u8], what: &str) -> Result<T, ErrorReply> {
    let text = std::str::from_utf8(bytes).ok();
    let parsed = text.and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| refuse(format!("ERR invalid {what}")))
}

impl Hello {
    /// Reads the words behind `POLLUX HELLO`.
    pub fn parse(words: &[&[u8]]) -> Result<Hello, ErrorReply> {
        let [version, cluster, shard, from, incarnation, epoch, secret] = words else {
            return Err(ErrorReply::wrong_arity("pollux|hello"));
        };
        let version: u64 = word(version, "version")?;
        if version != VERSION {
            return Err(refuse(format!("IDENTITY version is {VERSION}, not {version}")));
        }
        let from = match *from {
            b"agent" => Peer::Agent,
            node => Peer::Node(word(node, "node")?),
        };
        Ok(Hello {
            cluster: word(cluster, "cluster")?,
            shard: word(shard, "shard")?,
            from,
            incarnation: word(incarnation, "incarnation").map(Incarnation)?,
            epoch: word(epoch, "epoch").map(Epoch)?,
            secret: secret.to_vec(),
        })
    }

    /// The words of the whole command, as a replica sends them.
    pub fn words(&self) -> Vec<Vec<u8>> {
        let from = match self.from {
            Peer::Agent => "agent".to_owned(),
            Peer::Node(node) => node.to_string(),
        };
        let texts = [
            "POLLUX".to_owned(),
            "HELLO".to_owned(),
            VERSION.to_string(),
            self.cluster.to_string(),
            self.shard.to_string(),
            from,
            self.incarnation.to_string(),
            self.epoch.to_string(),
        ];
        let mut words: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
        words.push(self.secret.clone());
        words
    }

    /// Compares the speaker's facts with ours.
    pub fn check(&self, ours: &Identity) -> Result<(), ErrorReply> {
        if !bool::from(self.secret.as_slice().ct_eq(&ours.secret)) {
            return Err(ErrorReply::new("IDENTITY secret differs"));
        }
        let owner = &ours.owner;
        let differs = |what: &str, ours: String, theirs: String| -> Result<(), ErrorReply> {
            Err(refuse(format!("IDENTITY {what} is {ours}, not {theirs}")))
        };
        if self.cluster != owner.cluster {
            return differs("cluster", owner.cluster.to_string(), self.cluster.to_string());
        }
        if self.shard != owner.shard {
            return differs("shard", owner.shard.to_string(), self.shard.to_string());
        }
        match self.from {
            Peer::Agent if self.incarnation != owner.incarnation => {
                let (ours, theirs) = (owner.incarnation, self.incarnation);
                differs("incarnation", ours.to_string(), theirs.to_string())
            }
            Peer::Node(node) if node == owner.node => {
                Err(refuse(format!("IDENTITY this node is {node} itself")))
            }
            Peer::Agent | Peer::Node(_) => Ok(()),
        }
    }
}

/// The arguments of `POLLUX SYNC`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncRequest {
    /// Where the replica's log ends.
    pub position: Position,
    pub history: History,
    /// The replica wants a snapshot, because it cannot go back to the common point.
    pub wants_full: bool,
}

impl SyncRequest {
    /// Reads the words behind `POLLUX SYNC`.
    pub fn parse(words: &[&[u8]]) -> Result<SyncRequest, ErrorReply> {
        let (position, history, wants_full) = match words {
            [position, history] => (position, history, false),
            [position, history, full] if full.eq_ignore_ascii_case(b"full") => {
                (position, history, true)
            }
            _ => return Err(ErrorReply::SYNTAX),
        };
        let position: Position = word(position, "position")?;
        let history: History = word(history, "history")?;
        if history.position(position.opid) != position {
            return Err(ErrorReply::new("ERR position and history contradict each other"));
        }
        Ok(SyncRequest { position, history, wants_full })
    }

    /// The words of the whole command.
    pub fn words(&self) -> Vec<Vec<u8>> {
        let mut words = vec![
            b"POLLUX".to_vec(),
            b"SYNC".to_vec(),
            self.position.to_string().into_bytes(),
            self.history.to_string().into_bytes(),
        ];
        if self.wants_full {
            words.push(b"FULL".to_vec());
        }
        words
    }
}

/// Why a replica gets a snapshot and not only the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FullReason {
    /// It holds nothing yet.
    Empty,
    /// The records that it lacks are no longer in the log.
    LogTooShort,
    /// Its history and ours have nothing in common.
    Unrelated,
    /// It asked for one.
    Asked,
}

impl FullReason {
    pub fn text(self) -> &'static str {
        match self {
            FullReason::Empty => "the replica is empty",
            FullReason::LogTooShort => "the log does not reach back that far",
            FullReason::Unrelated => "the histories have nothing in common",
            FullReason::Asked => "the replica cannot rebuild the common point",
        }
    }
}

/// The answer to `POLLUX SYNC`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The log behind `after` follows.
    Continue { after: u64 },
    /// Up to `common` the replica's history is ours; a snapshot follows.
    Full { common: u64, reason: FullReason },
}

impl Answer {
    /// What a master answers whose log ends at `end` with `history` and can be read from `oldest` on. `is_long`: the
    /// whole of it is more to send, and to apply, than a snapshot.
    pub fn decide(
        history: &History,
        end: u64,
        oldest: Option<OpId>,
        is_long: bool,
        request: &SyncRequest,
    ) -> Answer {
        let common = history.common_point(end, &request.history, request.position.opid);
        let is_readable = common == end || oldest.is_some_and(|oldest| oldest.get() <= common + 1);
        let is_empty = request.position.opid == 0;
        let reason = if request.wants_full {
            FullReason::Asked
        } else if is_readable && !(is_empty && is_long) {
            return Answer::Continue { after: common };
        } else if is_empty {
            FullReason::Empty
        } else if common == 0 {
            FullReason::Unrelated
        } else {
            FullReason::LogTooShort
        };
        Answer::Full { common, reason }
    }

    /// The line that the master sends.
    pub fn line(&self, history: &History) -> String {
        match self {
            Answer::Continue { after } => format!("+CONTINUE {after}\r\n"),
            Answer::Full { common, reason } => {
                format!("+FULL {common} {history} {}\r\n", reason.text())
            }
        }
    }
}

/// The answer as the replica reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    Continue { after: u64 },
    Full { common: u64, history: History, reason: String },
}

impl Heard {
    /// Reads the text of the reply; `None` when it is none of the answers.
    pub fn parse(text: &str) -> Option<Heard> {
        let mut words = text.splitn(4, ' ');
        match words.next()? {
            "CONTINUE" => Some(Heard::Continue { after: words.next()?.parse().ok()? }),
            "FULL" => Some(Heard::Full {
                common: words.next()?.parse().ok()?,
                history: words.next()?.parse().ok()?,
                reason: words.next().unwrap_or_default().to_owned(),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        let owner = Owner {
            cluster: ClusterId(0xc1),
            shard: ShardId(0),
            node: NodeId(1),
            incarnation: Incarnation(7),
        };
        Identity { owner, secret: b"secret".to_vec() }
    }

    fn hello(from: Peer) -> Hello {
        Hello {
            cluster: ClusterId(0xc1),
            shard: ShardId(0),
            from,
            incarnation: Incarnation(7),
            epoch: Epoch(3),
            secret: b"secret".to_vec(),
        }
    }

    #[test]
    fn hello_round_trips() {
        for from in [Peer::Agent, Peer::Node(NodeId(2))] {
            let words = hello(from).words();
            let words: Vec<&[u8]> = words[2..].iter().map(Vec::as_slice).collect();
            let parsed = Hello::parse(&words).unwrap();
            assert_eq!((parsed.from, parsed.epoch), (from, Epoch(3)));
            parsed.check(&identity()).unwrap();
            assert!(Hello::parse(&words[..6]).is_err());
        }
    }

    #[test]
    fn every_difference_is_refused_by_name() {
        let check = |change: fn(&mut Hello), expect: &str| {
            let mut hello = hello(Peer::Agent);
            change(&mut hello);
            let refused = hello.check(&identity()).unwrap_err();
            assert_eq!(refused.0, expect);
        };
        check(|hello| hello.secret = b"guess".to_vec(), "IDENTITY secret differs");
        check(
            |hello| hello.cluster = ClusterId(0xc2),
            "IDENTITY cluster is 000000000000000000000000000000c1, not \
             000000000000000000000000000000c2",
        );
        check(|hello| hello.shard = ShardId(1), "IDENTITY shard is shard-0, not shard-1");
        check(|hello| hello.incarnation = Incarnation(8), "IDENTITY incarnation is 7, not 8");
        check(|hello| hello.from = Peer::Node(NodeId(1)), "IDENTITY this node is node-1 itself");
    }

    #[test]
    fn sync_answers() {
        let check = |ours: &str, end: u64, oldest: u64, theirs: &str, wants: bool, expect: &str| {
            let (position, history) = theirs.split_once(' ').unwrap();
            let request = SyncRequest {
                position: position.parse().unwrap(),
                history: history.parse().unwrap(),
                wants_full: wants,
            };
            let ours: History = ours.parse().unwrap();
            let answer = Answer::decide(&ours, end, OpId::new(oldest), false, &request);
            // However long the log is, what is there already is not sent again.
            if request.position.opid > 0 {
                assert_eq!(Answer::decide(&ours, end, OpId::new(oldest), true, &request), answer);
            }
            let line = answer.line(&ours);
            assert_eq!(line.trim_end(), expect);
            assert!(Heard::parse(&line[1..line.len() - 2]).is_some());
        };
        check("1:1", 100, 1, "1-90 1:1", false, "+CONTINUE 90");
        check("1:1", 100, 91, "1-90 1:1", false, "+CONTINUE 90");
        check("1:1", 100, 0, "1-100 1:1", false, "+CONTINUE 100");
        check("1:1,2:81", 100, 1, "1-90 1:1", false, "+CONTINUE 80");
        check("1:1", 100, 1, "0-0 -", false, "+CONTINUE 0");
        let full = |common: u64, why: &str| format!("+FULL {common} 1:1 {why}");
        check("1:1", 100, 92, "1-90 1:1", false, &full(90, "the log does not reach back that far"));
        check("1:1", 100, 92, "0-0 -", false, &full(0, "the replica is empty"));
        check("1:1", 100, 92, "9-5 9:1", false, &full(0, "the histories have nothing in common"));
        let asked = full(90, "the replica cannot rebuild the common point");
        check("1:1", 100, 1, "1-90 1:1", true, &asked);
    }

    #[test]
    fn an_empty_replica_is_spared_a_long_log() {
        let ours: History = "1:1".parse().unwrap();
        let request = SyncRequest {
            position: Position::default(),
            history: History::default(),
            wants_full: false,
        };
        let decide = |is_long| Answer::decide(&ours, 100, OpId::new(1), is_long, &request);
        assert_eq!(decide(false), Answer::Continue { after: 0 });
        assert_eq!(decide(true), Answer::Full { common: 0, reason: FullReason::Empty });
    }

    #[test]
    fn contradictions_are_refused() {
        let parse = |words: &[&str]| {
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            SyncRequest::parse(&words)
        };
        assert!(parse(&["1-90", "1:1"]).is_ok());
        assert!(parse(&["1-90", "1:1", "full"]).unwrap().wants_full);
        assert!(parse(&["2-90", "1:1"]).is_err());
        assert!(parse(&["1-90", "1:1", "please"]).is_err());
        assert!(parse(&["1-90"]).is_err());
    }
}
