//! Oracle writers: clients that remember what was acknowledged, and a judge who compares.
//!
//! ```text
//!   writer c: RPUSH oracle:<c> 1, 2, 3, ...     acknowledged | refused | unknown (no reply)
//!   judge:    LRANGE oracle:<c> 0 -1            each acknowledged once and in order,
//!                                               each unknown at most once, nothing else
//! ```
//!
//! An append shows what a SET hides: a lost write is a gap, a repeated one a double, a resurrected tail a
//! number out of order. Unknown is neither lost nor written: both are right.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wire::resp::response::Response;

use crate::client::Client;

/// Pause of a writer that found no server.
const RECONNECT: Duration = Duration::from_millis(5);

/// What one writer knows.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Serials with a reply that was no error, ascending.
    pub acknowledged: Vec<u64>,
    /// Serials that were sent and got no reply.
    pub unknown: Vec<u64>,
    /// Number of error replies, and the last one.
    pub refused: u64,
    pub last_refusal: Option<String>,
}

/// Writers at full speed against one endpoint.
#[derive(Debug)]
pub struct Oracle {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<Account>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    acknowledged: AtomicU64,
    /// Longest time between two acknowledgements of one writer since it was last taken, microseconds.
    gap_us: AtomicU64,
}

impl Oracle {
    /// Starts `count` writers against `address`.
    pub fn start(address: &str, count: usize) -> Oracle {
        let shared = Arc::new(Shared::default());
        let writers = (0..count)
            .map(|writer| {
                let address = address.to_owned();
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || write(&address, writer, &shared))
            })
            .collect();
        Oracle { shared, writers }
    }

    /// Writes acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Longest time that a writer went without an acknowledgement since this was last asked. A wait counts when it
    /// is over.
    pub fn take_longest_gap(&self) -> Duration {
        Duration::from_micros(self.shared.gap_us.swap(0, Ordering::Relaxed))
    }

    /// Returns when `count` more writes were acknowledged.
    pub fn wait_for(&self, count: u64) {
        let target = self.acknowledged() + count;
        crate::site::eventually(&format!("{count} more acknowledged writes"), || {
            (self.acknowledged() >= target).then_some(())
        });
    }

    /// Stops the writers and returns what they know.
    pub fn stop(self) -> Vec<Account> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.writers.into_iter().map(|writer| writer.join().expect("a writer")).collect()
    }
}

fn key(writer: usize) -> String {
    format!("oracle:{writer}")
}

fn write(address: &str, writer: usize, shared: &Shared) -> Account {
    let key = key(writer);
    let mut account = Account::default();
    let mut client = None;
    let mut serial = 0;
    let mut last = Instant::now();
    while !shared.stop.load(Ordering::Relaxed) {
        let Some(connection) = &mut client else {
            client = Client::connect(address).ok();
            if client.is_none() {
                std::thread::sleep(RECONNECT);
            }
            continue;
        };
        serial += 1;
        match connection.call(&[b"RPUSH", key.as_bytes(), serial.to_string().as_bytes()]) {
            Ok(Response::Error(text)) => {
                account.refused += 1;
                account.last_refusal = Some(text);
                std::thread::sleep(RECONNECT);
            }
            Ok(_) => {
                account.acknowledged.push(serial);
                let gap_us = u64::try_from(last.elapsed().as_micros()).unwrap_or(u64::MAX);
                shared.gap_us.fetch_max(gap_us, Ordering::Relaxed);
                last = Instant::now();
                shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                account.unknown.push(serial);
                client = None;
            }
        }
    }
    account
}

/// What the judge found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// Acknowledged and not there.
    pub lost: u64,
    /// There more than once.
    pub doubled: u64,
    /// There behind a later one.
    pub reordered: u64,
    /// There though never sent, or refused.
    pub invented: u64,
}

impl Verdict {
    /// Nothing acknowledged is missing, and nothing is there that should not be.
    pub fn is_clean(&self) -> bool {
        *self == Verdict::default()
    }
}

/// Compares what the writers know with what the server behind `client` holds.
pub fn judge(client: &mut Client, accounts: &[Account]) -> Verdict {
    let mut verdict = Verdict::default();
    for (writer, account) in accounts.iter().enumerate() {
        let key = key(writer);
        let reply = client.call(&[b"LRANGE", key.as_bytes(), b"0", b"-1"]).expect("a reply");
        let Response::Array(items) = reply else { panic!("LRANGE {key}: {reply:?}") };
        let held: Vec<u64> = items
            .iter()
            .map(|item| {
                let text = item.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
                text.and_then(|text| text.parse().ok()).expect("a serial")
            })
            .collect();
        compare(&held, account, &mut verdict);
    }
    verdict
}

fn compare(held: &[u64], account: &Account, verdict: &mut Verdict) {
    let mut sorted = held.to_vec();
    sorted.sort_unstable();
    verdict.reordered += held.windows(2).filter(|pair| pair[0] > pair[1]).count() as u64;
    verdict.doubled += sorted.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
    let is_missing = |serial: &&u64| sorted.binary_search(serial).is_err();
    verdict.lost += account.acknowledged.iter().filter(is_missing).count() as u64;
    let is_known = |serial: &u64| {
        account.acknowledged.binary_search(serial).is_ok()
            || account.unknown.binary_search(serial).is_ok()
    };
    verdict.invented += held.iter().filter(|serial| !is_known(serial)).count() as u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(held: &[u64], acknowledged: &[u64], unknown: &[u64], want: (u64, u64, u64, u64)) {
        let account = Account {
            acknowledged: acknowledged.to_vec(),
            unknown: unknown.to_vec(),
            ..Account::default()
        };
        let mut verdict = Verdict::default();
        compare(held, &account, &mut verdict);
        let got = (verdict.lost, verdict.doubled, verdict.reordered, verdict.invented);
        assert_eq!(got, want, "{held:?}");
    }

    #[test]
    fn the_judge_sees_each_kind_of_fault() {
        check(&[1, 2, 3], &[1, 2, 3], &[], (0, 0, 0, 0));
        check(&[1, 3], &[1, 3], &[2], (0, 0, 0, 0));
        check(&[1, 2, 3], &[1, 3], &[2], (0, 0, 0, 0));
        check(&[1, 3], &[1, 2, 3], &[], (1, 0, 0, 0));
        check(&[1, 2, 2, 3], &[1, 2, 3], &[], (0, 1, 0, 0));
        check(&[1, 3, 2], &[1, 2, 3], &[], (0, 0, 1, 0));
        check(&[1, 2, 9], &[1, 2], &[], (0, 0, 0, 1));
    }
}
