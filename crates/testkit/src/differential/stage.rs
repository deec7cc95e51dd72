//! The stage of a duel: pairs of connections, each to both servers, and what is known of their state.
//!
//! ```text
//!   actor 0..2 (workers) --+-- redis-server     a reply of the one is compared with that of the other
//!   actor 3 (subscriber) --+
//!   control              --+-- Pollux           asks who is parked, and looks at the keyspace
//! ```
//!
//! Invariants
//! - Nothing is guessed from time: whether a client is parked is asked of `CLIENT LIST`, and what a subscriber has heard
//!   ends with the answer to a PING.

use std::io;

use super::compare::{self, Promise, Release};
use super::coverage::{Said, command_name};
use super::differences;
use super::duel::{Duel, Report};
use super::frame::Frame;
use super::keyspace::{self, Scope};
use super::script::{CLIENTS, SUBSCRIBER, Script, Step};
use super::values::client_of;
use crate::client::Client;

/// Deadlines of blocking commands that are waited for are at most so long.
const SHORT_SECONDS: f64 = 0.05;
/// The same for those that count in milliseconds.
const SHORT_MS: i64 = 100;
/// Types of payloads that say elements in the order of a table: sets and hashes.
const TYPES_OF_TABLES: [u8; 2] = [2, 4];
/// Steps that a parked client misses before it is woken.
const MISSED_MAX: usize = 6;

/// What the servers answered differently.
#[derive(Debug)]
pub(super) struct Unlike {
    /// What was asked after the step; empty: the step itself.
    pub(super) question: Vec<Vec<u8>>,
    pub(super) redis: String,
    pub(super) pollux: String,
}

impl Unlike {
    fn new(redis: &impl ToString, pollux: &impl ToString) -> Unlike {
        Unlike { question: Vec::new(), redis: redis.to_string(), pollux: pollux.to_string() }
    }
}

/// A client of both servers.
struct Actor {
    redis: Client,
    pollux: Client,
    /// `CLIENT ID` at redis-server and at Pollux.
    ids: (i64, i64),
    /// Commands queued since MULTI.
    queued: Option<Vec<Said>>,
    /// The command that waits for a key on both servers.
    parked: Option<Vec<Vec<u8>>>,
    /// Steps that it could not take meanwhile.
    missed: usize,
}

impl Actor {
    fn new(duel: &Duel, is_resp3: bool) -> io::Result<Actor> {
        let (redis, pollux) = duel.clients()?;
        let mut actor = Actor { redis, pollux, ids: (0, 0), queued: None, parked: None, missed: 0 };
        let (a, b) = actor.both(&[b"CLIENT", b"ID"])?;
        actor.ids = (a.integer().unwrap_or(0), b.integer().unwrap_or(0));
        if is_resp3 {
            actor.both(&[b"HELLO", b"3"])?;
        }
        Ok(actor)
    }

    fn both(&mut self, args: &[&[u8]]) -> io::Result<(Frame, Frame)> {
        self.send(args, args)?;
        self.receive()
    }

    fn send(&mut self, to_redis: &[&[u8]], to_pollux: &[&[u8]]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for (client, args) in [(&mut self.redis, to_redis), (&mut self.pollux, to_pollux)] {
            bytes.clear();
            wire::resp::response::encode_command(&mut bytes, args);
            client.send(&bytes)?;
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<(Frame, Frame)> {
        let from = |who: &str, client: &mut Client| match client.receive() {
            Ok((_, raw)) => Ok(Frame::decode(&raw)),
            Err(error) => Err(io::Error::new(error.kind(), format!("{who}: {error}"))),
        };
        Ok((from("redis-server", &mut self.redis)?, from("pollux", &mut self.pollux)?))
    }

    /// Whether the command goes by an order of members that Redis leaves open; unknown in a transaction.
    fn is_order_open(&mut self, name: &str, args: &[Vec<u8>]) -> io::Result<bool> {
        let lexical = differences::lexical_key(name, args);
        let nearest = differences::nearest_key(name, args);
        if self.is_queueing() {
            return Ok(lexical.is_some() || nearest.is_some());
        }
        let is_by_text = match lexical {
            Some(key) => {
                let scores = self.scores(key)?;
                scores.first() != scores.last()
            }
            None => false,
        };
        let is_cut_among_equals = match nearest {
            Some(key) => self.scores(key)?.windows(2).any(|pair| pair[0] == pair[1]),
            None => false,
        };
        Ok(is_by_text || is_cut_among_equals)
    }

    /// The scores of a sorted set, in its order, as redis-server writes them; none where the client may not look.
    fn scores(&mut self, key: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let raw = self.redis.call_raw(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"])?.1;
        let mut texts = vec![];
        flatten(&Frame::decode(&raw), &mut texts);
        Ok(texts.into_iter().skip(1).step_by(2).collect())
    }

    fn is_queueing(&self) -> bool {
        self.queued.is_some()
    }
}

pub(super) struct Stage<'a> {
    duel: &'a Duel,
    release: Release,
    control: Actor,
    actors: Vec<Actor>,
    /// Tells the PINGs of the subscriber apart.
    pings: usize,
    /// Errors among what the subscriber has heard.
    heard_errors: usize,
    /// Every command may give the subscriber something to hear.
    tells_events: bool,
}

impl<'a> Stage<'a> {
    /// Only the control connections: both servers as they are.
    pub(super) fn connect(duel: &'a Duel) -> io::Result<Stage<'a>> {
        let mut control = Actor::new(duel, false)?;
        let info = control.redis.call(&[b"INFO", b"server"])?;
        let info = String::from_utf8_lossy(info.as_bytes().unwrap_or_default()).into_owned();
        let release = if info.contains("redis_version:7.0.") { Release::V70 } else { Release::V72 };
        Ok(Stage {
            duel,
            release,
            control,
            actors: Vec::new(),
            pings: 0,
            heard_errors: 0,
            tells_events: false,
        })
    }

    /// Empties both servers and connects the clients of the script.
    pub(super) fn new(duel: &'a Duel, script: &Script) -> io::Result<Stage<'a>> {
        let mut stage = Stage::connect(duel)?;
        // The keyspaces are compared in either protocol.
        if script.seed % 2 == 1 {
            stage.control.both(&[b"HELLO", b"3"])?;
        }
        stage.control.both(&[b"FLUSHALL"])?;
        stage.tells_events = script.tells_events();
        stage.remove_users()?;
        // Else it is chance whether a key that is due falls to a command or to those who look for such keys.
        stage.control.both(&[b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0"])?;
        stage.control.both(&[b"FUNCTION", b"FLUSH"])?;
        stage.control.both(&[b"SCRIPT", b"FLUSH"])?;
        for (name, value) in &script.settings {
            stage.control.both(&[b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()])?;
        }
        for client in 0..CLIENTS {
            stage.actors.push(Actor::new(duel, script.resp3[client])?);
        }
        Ok(stage)
    }

    /// All users but the default one, which no script changes.
    fn remove_users(&mut self) -> io::Result<()> {
        let (redis, pollux) = self.control.both(&[b"ACL", b"USERS"])?;
        let names = redis.items().into_iter().chain(pollux.items()).flatten();
        for name in names.filter_map(Frame::text).filter(|name| *name != b"default") {
            self.control.both(&[b"ACL", b"DELUSER", name])?;
        }
        self.control.both(&[b"ACL", b"LOG", b"RESET"]).map(drop)
    }

    pub(super) fn release(&self) -> Release {
        self.release
    }

    /// Closes all clients, and waits until the servers know: a parked client must not take what the next run pushes.
    pub(super) fn end(mut self) -> io::Result<()> {
        for actor in std::mem::take(&mut self.actors) {
            self.dismiss(&actor)?;
        }
        Ok(())
    }

    fn dismiss(&mut self, actor: &Actor) -> io::Result<()> {
        let (redis, pollux) = (actor.ids.0.to_string(), actor.ids.1.to_string());
        let kill = |id| -> [&[u8]; 4] { [b"CLIENT", b"KILL", b"ID", id] };
        self.control.send(&kill(redis.as_bytes()), &kill(pollux.as_bytes()))?;
        self.control.receive()?;
        Ok(())
    }

    pub(super) fn compare_keyspace(
        &mut self,
        scope: Scope,
        report: &mut Report,
    ) -> io::Result<Option<Unlike>> {
        let control = &mut self.control;
        let unlike = keyspace::compare(
            self.release,
            &mut control.redis,
            &mut control.pollux,
            scope,
            &mut report.compared,
        )?;
        Ok(unlike.map(|unlike| Unlike {
            question: unlike.question,
            redis: unlike.redis.to_string(),
            pollux: unlike.pollux.to_string(),
        }))
    }

    /// Says one line on both servers, and hears everything that follows from it.
    pub(super) fn perform(
        &mut self,
        step: &Step,
        report: &mut Report,
    ) -> io::Result<Option<Unlike>> {
        let name = command_name(&step.args);
        let actor = &mut self.actors[step.client];
        let consumers = differences::consumers_made(self.release, &name, &step.args);
        let is_unfit = actor.is_queueing()
            && (compare::is_unfit_for_transactions(&name) || !consumers.is_empty())
            || differences::is_open(&name, &step.args)
            || step.client != SUBSCRIBER && differences::is_tracking(&name, &step.args)
            || actor.parked.is_none() && actor.is_order_open(&name, &step.args)?;
        if is_unfit || differences::is_newer(self.release, &name, &step.args) {
            return Ok(None);
        }
        if actor.parked.is_some() {
            actor.missed += 1;
            // Somebody must be left to do something.
            return if actor.missed < MISSED_MAX {
                Ok(None)
            } else {
                self.wake(step.client, report)
            };
        }
        report.commands += 1;
        if step.client == SUBSCRIBER {
            return self.perform_subscriber(step, report);
        }
        let is_simple = !matches!(
            name.as_str(),
            "QUIT" | "RESET" | "SELECT" | "SWAPDB" | "MULTI" | "MEMORY USAGE"
        );
        let expired = step.expired.as_ref().filter(|_| is_simple && !actor.is_queueing());
        if let Some(key) = expired {
            // So late that no server finds it passed already when it is busy.
            actor.both(&[b"PEXPIRE", key, b"10"])?;
            // The next millisecond but one has begun on both servers' clocks: it is this machine's.
            std::thread::sleep(std::time::Duration::from_millis(12));
        }
        for [key, group, consumer] in consumers {
            let actor = &mut self.actors[step.client];
            actor.both(&[b"XGROUP", b"CREATECONSUMER", key, group, consumer])?;
        }
        let mut unlike = self.perform_worker(step, &name, report)?;
        if let Some(key) = expired {
            // Also behind a difference that is known: RANDOMKEY would meet it by chance.
            let left = self.bury(step.client, key)?;
            unlike = unlike.or(left);
        }
        if unlike.is_none() {
            unlike = self.hear_served(report)?;
        }
        let is_heard =
            self.tells_events || matches!(name.as_str(), "PUBLISH" | "SPUBLISH" | "EXEC");
        if unlike.is_none() && is_heard {
            unlike = self.hear_subscriber()?;
        }
        Ok(unlike)
    }

    fn perform_worker(
        &mut self,
        step: &Step,
        name: &str,
        report: &mut Report,
    ) -> io::Result<Option<Unlike>> {
        let to_redis = self.fill(name, &step.args, |ids| ids.0);
        let to_pollux = self.fill(name, &step.args, |ids| ids.1);
        let (to_redis, to_pollux) = (slices(&to_redis), slices(&to_pollux));
        self.actors[step.client].send(&to_redis, &to_pollux)?;
        if may_wait_for_ever(name, &step.args) && !self.actors[step.client].is_queueing() {
            match self.waits(step.client)? {
                (true, true) => {
                    let actor = &mut self.actors[step.client];
                    (actor.parked, actor.missed) = (Some(step.args.clone()), 0);
                    return Ok(None);
                }
                (false, false) => {}
                (redis, pollux) => {
                    let say = |waits| if waits { "(waits)" } else { "(replies)" };
                    return Ok(Some(Unlike::new(&say(redis), &say(pollux))));
                }
            }
        }
        let said = Said::of(&step.args);
        let actor = &mut self.actors[step.client];
        let (redis, pollux) = actor.receive()?;
        match (&actor.queued, redis.items()) {
            (Some(queued), Some(replies)) if name == "EXEC" => {
                report.count(&said, true);
                queued
                    .iter()
                    .zip(replies)
                    .for_each(|(said, reply)| report.count(said, !reply.is_error()));
            }
            (Some(_), _) if redis.is_line("QUEUED") => {}
            _ => report.count(&said, !redis.is_error()),
        }
        let is_same = same(self.release, actor, name, &to_redis, (&redis, &pollux))?;
        let unlike = (!is_same).then(|| {
            let queued = actor.queued.as_deref().filter(|_| name == "EXEC");
            let inside =
                queued.and_then(|queued| unlike_inside(self.release, queued, &redis, &pollux));
            inside.unwrap_or_else(|| Unlike::new(&redis, &pollux))
        });
        track_queue(actor, said, &redis);
        if name == "QUIT" {
            let gone = std::mem::replace(actor, Actor::new(self.duel, false)?);
            self.dismiss(&gone)?;
        }
        Ok(unlike)
    }

    /// Puts the ids of clients where the script names clients.
    fn fill(&self, name: &str, args: &[Vec<u8>], pick: impl Fn((i64, i64)) -> i64) -> Vec<Vec<u8>> {
        let fill = |arg: &Vec<u8>| match client_of(arg).filter(|_| name == "CLIENT UNBLOCK") {
            Some(client) => match self.actors.get(client) {
                Some(actor) => pick(actor.ids).to_string().into_bytes(),
                None => b"0".to_vec(),
            },
            None => arg.clone(),
        };
        args.iter().map(fill).collect()
    }

    /// Removes a key that was let expire: DBSIZE counts it as long as nobody has looked.
    fn bury(&mut self, client: usize, key: &[u8]) -> io::Result<Option<Unlike>> {
        let (line, _) = self.lines(client)?;
        let db = line.split(' ').find_map(|word| word.strip_prefix("db=")).unwrap_or("0");
        self.control.both(&[b"SELECT", db.as_bytes()])?;
        let (redis, pollux) = self.control.both(&[b"EXISTS", key])?;
        self.control.both(&[b"SELECT", b"0"])?;
        let question = vec![b"EXISTS".to_vec(), key.to_vec()];
        Ok((redis != pollux).then(|| Unlike { question, ..Unlike::new(&redis, &pollux) }))
    }

    /// Whether the client is parked on redis-server, and on Pollux.
    fn waits(&mut self, client: usize) -> io::Result<(bool, bool)> {
        let (redis, pollux) = self.lines(client)?;
        let waits = |line: &str| {
            let flags = line.split(' ').find_map(|word| word.strip_prefix("flags="));
            flags.is_some_and(|flags| flags.contains('b'))
        };
        Ok((waits(&redis), waits(&pollux)))
    }

    /// Ends a wait that nobody has served.
    fn wake(&mut self, client: usize, report: &mut Report) -> io::Result<Option<Unlike>> {
        let (redis, pollux) = self.actors[client].ids;
        let (redis, pollux) = (redis.to_string(), pollux.to_string());
        let unblock = |id| -> [&[u8]; 3] { [b"CLIENT", b"UNBLOCK", id] };
        self.control.send(&unblock(redis.as_bytes()), &unblock(pollux.as_bytes()))?;
        let (redis, pollux) = self.control.receive()?;
        if redis != pollux {
            return Ok(Some(Unlike::new(&redis, &pollux)));
        }
        self.hear_served(report)
    }

    /// What CLIENT LIST says of a client. Asked twice: the first answer may have been written before the client's last
    /// command, which came in the same instant, was read.
    fn lines(&mut self, client: usize) -> io::Result<(String, String)> {
        let (redis, pollux) = self.actors[client].ids;
        let (redis, pollux) = (redis.to_string(), pollux.to_string());
        let list = |id| -> [&[u8]; 4] { [b"CLIENT", b"LIST", b"ID", id] };
        let mut answer = (String::new(), String::new());
        for _ in 0..2 {
            self.control.send(&list(redis.as_bytes()), &list(pollux.as_bytes()))?;
            let (redis, pollux) = self.control.receive()?;
            let text = |frame: &Frame| {
                String::from_utf8_lossy(frame.text().unwrap_or_default()).into_owned()
            };
            answer = (text(&redis), text(&pollux));
        }
        Ok(answer)
    }

    /// Replies to parked clients that were served, or told off, by what was just done.
    fn hear_served(&mut self, report: &mut Report) -> io::Result<Option<Unlike>> {
        for client in 0..SUBSCRIBER {
            if self.actors[client].parked.is_none() {
                continue;
            }
            match self.waits(client)? {
                (true, true) => continue,
                (false, false) => {}
                (redis, pollux) => {
                    let question = self.actors[client].parked.take().unwrap_or_default();
                    let say = |waits| if waits { "(waits)" } else { "(is served)" };
                    return Ok(Some(Unlike { question, ..Unlike::new(&say(redis), &say(pollux)) }));
                }
            }
            let actor = &mut self.actors[client];
            let question = actor.parked.take().unwrap_or_default();
            let name = command_name(&question);
            report.served += 1;
            let (redis, pollux) = actor.receive()?;
            report.count(&Said::of(&question), !redis.is_error());
            if !compare::equal(self.release, compare::promise(&name), &redis, &pollux) {
                return Ok(Some(Unlike { question, ..Unlike::new(&redis, &pollux) }));
            }
        }
        Ok(None)
    }

    fn perform_subscriber(
        &mut self,
        step: &Step,
        report: &mut Report,
    ) -> io::Result<Option<Unlike>> {
        let args = slices(&step.args);
        self.actors[SUBSCRIBER].send(&args, &args)?;
        let before = self.heard_errors;
        let unlike = self.hear_subscriber()?;
        report.count(&Said::of(&step.args), self.heard_errors == before);
        Ok(unlike)
    }

    /// Everything that the subscriber hears up to the answer of a PING.
    fn hear_subscriber(&mut self) -> io::Result<Option<Unlike>> {
        self.pings += 1;
        let token = format!("ping {}", self.pings);
        let ping: [&[u8]; 2] = [b"PING", token.as_bytes()];
        let actor = &mut self.actors[SUBSCRIBER];
        actor.send(&ping, &ping)?;
        let redis = hear_until(&mut actor.redis, &token)?;
        let pollux = hear_until(&mut actor.pollux, &token)?;
        self.heard_errors += redis.iter().filter(|frame| frame.is_error()).count();
        let is_same = redis == pollux
            || redis.len() == pollux.len()
                && redis.iter().zip(&pollux).all(|(redis, pollux)| {
                    compare::equal(self.release, Promise::Hello, redis, pollux)
                })
            // The order of the patterns that a message fits, or of channels that are left all at once, is open.
            || sorted(&redis) == sorted(&pollux);
        let show =
            |heard: &[Frame]| heard.iter().map(Frame::to_string).collect::<Vec<_>>().join("  ");
        let question = vec![b"PING".to_vec(), token.into_bytes()];
        Ok((!is_same).then(|| Unlike { question, ..Unlike::new(&show(&redis), &show(&pollux)) }))
    }
}

/// What was heard, in an order that depends on it alone: counts of what is still subscribed to depend on the order.
fn sorted(heard: &[Frame]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut counts: Vec<String> = Vec::new();
    for frame in heard {
        match frame.items() {
            Some([rest @ .., count @ Frame::Line(b':', _)]) => {
                names.push(rest.iter().map(Frame::to_string).collect());
                counts.push(count.to_string());
            }
            _ => names.push(frame.to_string()),
        }
    }
    names.sort();
    names.extend(counts);
    names
}

fn hear_until(client: &mut Client, token: &str) -> io::Result<Vec<Frame>> {
    let mut heard = Vec::new();
    loop {
        let frame = Frame::decode(&client.receive()?.1);
        let is_token = |frame: &Frame| frame.text() == Some(token.as_bytes());
        let is_last =
            is_token(&frame) || frame.items().is_some_and(|items| items.iter().any(is_token));
        heard.push(frame);
        if is_last {
            return Ok(heard);
        }
    }
}

/// Whether it is a blocking command whose deadline is not waited for.
fn may_wait_for_ever(name: &str, args: &[Vec<u8>]) -> bool {
    if matches!(name, "XREAD" | "XREADGROUP") {
        let block = args.windows(2).rfind(|pair| pair[0].eq_ignore_ascii_case(b"BLOCK"));
        let milliseconds = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<i64>().ok();
        return block.is_some_and(|pair| {
            !milliseconds(&pair[1]).is_some_and(|ms| (1..=SHORT_MS).contains(&ms))
        });
    }
    let timeout = match name {
        "BLPOP" | "BRPOP" | "BZPOPMIN" | "BZPOPMAX" => args.last(),
        "BLMPOP" | "BZMPOP" => args.get(1),
        "BRPOPLPUSH" => args.get(3),
        "BLMOVE" => args.get(5),
        _ => None,
    };
    let number = timeout.and_then(|text| std::str::from_utf8(text).ok()?.parse::<f64>().ok());
    number.is_some_and(|seconds| seconds == 0.0 || seconds > SHORT_SECONDS)
}

fn track_queue(actor: &mut Actor, said: Said, reply: &Frame) {
    match said.name.as_str() {
        "EXEC" => actor.queued = None,
        "DISCARD" | "RESET" if !reply.is_error() => actor.queued = None,
        "MULTI" if reply.is_line("OK") => actor.queued = Some(Vec::new()),
        _ => {
            if let Some(queued) = &mut actor.queued
                && reply.is_line("QUEUED")
            {
                queued.push(said);
            }
        }
    }
}

/// The first difference between two replies to EXEC.
fn unlike_inside(
    release: Release,
    queued: &[Said],
    redis: &Frame,
    pollux: &Frame,
) -> Option<Unlike> {
    let pairs = queued.iter().zip(redis.items()?.iter().zip(pollux.items()?));
    let is_unlike = |(said, (redis, pollux)): &(&Said, (&Frame, &Frame))| {
        !compare::equal(release, compare::promise(&said.name), redis, pollux)
    };
    let (said, (redis, pollux)) = pairs.into_iter().find(is_unlike)?;
    let question = vec![format!("{} (inside)", said.name).into_bytes()];
    Some(Unlike { question, ..Unlike::new(redis, pollux) })
}

/// Whether two replies are as good as the same; may ask further, and sets right what chance has done.
fn same(
    release: Release,
    actor: &mut Actor,
    name: &str,
    args: &[&[u8]],
    (redis, pollux): (&Frame, &Frame),
) -> io::Result<bool> {
    if let Some(queued) = &actor.queued {
        let equal = |((said, redis), pollux): ((&Said, &Frame), &Frame)| {
            let (theirs, ours) = (redis.to_string(), pollux.to_string());
            compare::equal(release, compare::promise(&said.name), redis, pollux)
                || differences::known(release, &said.name, &theirs, &ours).is_some()
        };
        return Ok(match (name, redis.items(), pollux.items()) {
            ("EXEC", Some(a), Some(b)) => {
                a.len() == b.len() && queued.iter().zip(a).zip(b).all(equal)
            }
            _ => redis == pollux,
        });
    }
    if !compare::equal(release, compare::promise(name), redis, pollux) {
        return Ok(false);
    }
    if redis.is_error() {
        return Ok(true);
    }
    match name {
        "SCAN" | "SSCAN" | "HSCAN" | "ZSCAN" => {
            let redis = scan_all(&mut actor.redis, name, args, redis)?;
            Ok(redis == scan_all(&mut actor.pollux, name, args, pollux)?)
        }
        "SPOP" => {
            // What one has taken is taken from the other too.
            let (mut from_redis, mut from_pollux) = (vec![], vec![]);
            flatten(redis, &mut from_redis);
            flatten(pollux, &mut from_pollux);
            if from_redis.is_empty() {
                return Ok(true);
            }
            let remove =
                |taken: Vec<Vec<u8>>| [vec![b"SREM".to_vec(), args[1].to_vec()], taken].concat();
            let (to_redis, to_pollux) = (remove(from_pollux), remove(from_redis));
            actor.send(&slices(&to_redis), &slices(&to_pollux))?;
            let (redis, pollux) = actor.receive()?;
            Ok(redis == pollux)
        }
        "DUMP" => exchange(release, actor, args[1], (redis, pollux)),
        "SRANDMEMBER" => is_chosen(actor, &[b"SMEMBERS", args[1]], 1, pollux),
        "HRANDFIELD" => {
            is_chosen(actor, &[b"HGETALL", args[1]], if args.len() > 3 { 2 } else { 1 }, pollux)
        }
        "ZRANDMEMBER" => is_chosen(
            actor,
            &[b"ZRANGE", args[1], b"0", b"-1", b"WITHSCORES"],
            if args.len() > 3 { 2 } else { 1 },
            pollux,
        ),
        _ => Ok(true),
    }
}

/// Has each server restore what the other has dumped, where it can read it; the next look at the keyspace compares them. The
/// tables of two servers have two orders, of which a value keeps one if it may be a listpack by now: both get the same one.
fn exchange(
    release: Release,
    actor: &mut Actor,
    key: &[u8],
    (redis, pollux): (&Frame, &Frame),
) -> io::Result<bool> {
    let (Some(of_redis), Some(of_pollux)) = (redis.text(), pollux.text()) else { return Ok(true) };
    let is_common = release == Release::V70 || TYPES_OF_TABLES.contains(&of_pollux[0]);
    let to_redis = if is_common { of_redis } else { of_pollux };
    let restore = |payload| -> [&[u8]; 5] { [b"RESTORE", key, b"0", payload, b"REPLACE"] };
    actor.send(&restore(to_redis), &restore(of_redis))?;
    let (redis, pollux) = actor.receive()?;
    // The user may be one who only reads.
    let is_denied = redis.to_string().starts_with("-NOPERM");
    Ok(redis == pollux && (redis.is_line("OK") || is_denied))
}

/// Whether chance has chosen among what is there. `width` is that of the items of `chosen`.
fn is_chosen(actor: &mut Actor, all: &[&[u8]], width: usize, chosen: &Frame) -> io::Result<bool> {
    let (mut content, mut picked) = (vec![], vec![]);
    let raw = actor.pollux.call_raw(all)?.1;
    flatten(&Frame::decode(&raw), &mut content);
    flatten(chosen, &mut picked);
    let step = if all[0] == b"SMEMBERS" { 1 } else { 2 };
    let is_there =
        |item: &[Vec<u8>]| content.chunks(step).any(|candidate| candidate.starts_with(item));
    Ok(picked.chunks(width).all(is_there))
}

/// All texts and numbers of a reply, in order.
fn flatten(frame: &Frame, out: &mut Vec<Vec<u8>>) {
    match frame.items() {
        Some(items) => items.iter().for_each(|item| flatten(item, out)),
        None => out.extend(frame.text().map(<[u8]>::to_vec)),
    }
}

/// Follows the cursor to its end; what came, sorted and without repetitions.
fn scan_all(
    client: &mut Client,
    name: &str,
    args: &[&[u8]],
    first: &Frame,
) -> io::Result<Vec<Vec<Frame>>> {
    let cursor_at = if name == "SCAN" { 1 } else { 2 };
    let width = if matches!(name, "HSCAN" | "ZSCAN") { 2 } else { 1 };
    let mut seen = Vec::new();
    let mut reply = first.clone();
    loop {
        let Some([cursor, items]) = reply.items() else { return Ok(vec![vec![reply]]) };
        seen.extend(items.items().unwrap_or_default().chunks(width).map(<[Frame]>::to_vec));
        let cursor = cursor.text().unwrap_or_default().to_vec();
        if cursor == b"0" {
            break;
        }
        let mut next = args.to_vec();
        next[cursor_at] = &cursor;
        let raw = client.call_raw(&next)?.1;
        reply = Frame::decode(&raw);
    }
    if name == "ZSCAN" {
        // The digits of a score depend on the encoding, which may differ (see `Promise::Encoding`), and in 7.0 all have 17.
        for pair in &mut seen {
            if let [_, Frame::Text(_, Some(score))] = pair.as_mut_slice()
                && let Some(number) = compare::number(score)
            {
                *score = format!("{:?}", number + 0.0).into_bytes();
            }
        }
    }
    seen.sort();
    seen.dedup();
    Ok(seen)
}

fn slices(words: &[Vec<u8>]) -> Vec<&[u8]> {
    words.iter().map(Vec::as_slice).collect()
}
