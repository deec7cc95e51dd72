//! Counters of the node: what INFO, LATENCY HISTOGRAM and exporters read.
//!
//! ```text
//!   executor --record(id, ns, outcome)--> commands[id] { calls, ns, failed, histogram }
//!            --error(text)--------------> errors["WRONGTYPE"] += 1
//!   every 100 ms --sample()-------------> rings of 16 samples --> instantaneous_ops_per_sec
//! ```
//!
//! Invariants
//! - Only the executor writes, so the counters are plain integers.
//! - The set of error codes is bounded, whatever clients (or scripts) make up.

use std::collections::BTreeMap;

use base::Tick;
use catalog::{COMMAND_COUNT, COMMANDS, CommandId, CommandSpec};

/// Error codes counted apart; further ones are summed up under [`ERROR_CODES_REST`].
const ERROR_CODES_MAX: usize = 128;
const ERROR_CODES_REST: &str = "OTHER";
/// Longest code that is taken for one.
const ERROR_CODE_BYTES_MAX: usize = 64;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    Replied,
    /// It ran and replied with an error.
    Failed,
}

/// What is known of the calls of one command.
#[derive(Clone, Debug, Default)]
pub struct CommandStats {
    pub calls: u64,
    /// Execution time of all calls, nanoseconds.
    pub ns_total: u64,
    /// Calls that were refused before the command ran (arity, memory, ...).
    pub rejected: u64,
    /// Calls that ran and replied with an error.
    pub failed: u64,
    /// There from the first call on, while `latency-tracking` is on.
    pub latency: Option<Box<Histogram>>,
}

/// All counters of a node. Those that are public are added to where things happen.
#[derive(Debug)]
pub struct Stats {
    by_command: Vec<CommandStats>,
    errors: BTreeMap<String, u64>,
    pub rejected_connections: u64,
    /// Commands executed.
    pub commands: u64,
    pub reads_processed: u64,
    pub writes_processed: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// To and from replicas, or the master.
    pub repl_bytes_in: u64,
    /// Commands of a master of Redis that failed here.
    pub unexpected_error_replies: u64,
    pub repl_bytes_out: u64,
    pub error_replies: u64,
    /// Share of expired keys among those sampled last, per cent.
    pub expired_stale_percent: f64,
    pub expired_time_cap_reached: u64,
    pub evicted_clients: u64,
    pub sync_full: u64,
    pub sync_partial_ok: u64,
    pub sync_partial_refused: u64,
    /// Clients closed because of `client-query-buffer-limit` or `client-output-buffer-limit`.
    pub query_limit_closed: u64,
    pub output_limit_closed: u64,
    pub turns: u64,
    /// Largest memory in use that was sampled, bytes.
    pub memory_peak_bytes: u64,
    rates: Rates,
}

impl Default for Stats {
    fn default() -> Stats {
        Stats {
            by_command: vec![CommandStats::default(); COMMAND_COUNT],
            errors: BTreeMap::new(),
            rejected_connections: 0,
            commands: 0,
            reads_processed: 0,
            writes_processed: 0,
            bytes_in: 0,
            bytes_out: 0,
            repl_bytes_in: 0,
            unexpected_error_replies: 0,
            repl_bytes_out: 0,
            error_replies: 0,
            expired_stale_percent: 0.0,
            expired_time_cap_reached: 0,
            evicted_clients: 0,
            sync_full: 0,
            sync_partial_ok: 0,
            sync_partial_refused: 0,
            query_limit_closed: 0,
            output_limit_closed: 0,
            turns: 0,
            memory_peak_bytes: 0,
            rates: Rates::default(),
        }
    }
}

impl Stats {
    /// Counts a call that ran; `track_latency` as configured.
    #[inline]
    pub fn record(&mut self, id: CommandId, ns: u64, ended: Ended, track_latency: bool) {
        let command = &mut self.by_command[id.index()];
        command.calls += 1;
        command.ns_total += ns;
        command.failed += u64::from(ended == Ended::Failed);
        if track_latency {
            command.latency.get_or_insert_default().record(ns);
        }
        self.commands += 1;
    }

    /// Counts a call that was refused before it ran.
    pub fn reject(&mut self, id: CommandId) {
        self.by_command[id.index()].rejected += 1;
    }

    /// Counts an error reply by its code, the first word of `text`.
    pub fn error(&mut self, text: &str) {
        self.error_replies += 1;
        let code = text.split(' ').next().unwrap_or_default();
        let code = if code.len() > ERROR_CODE_BYTES_MAX { ERROR_CODES_REST } else { code };
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
            return;
        }
        let code = if self.errors.len() < ERROR_CODES_MAX { code } else { ERROR_CODES_REST };
        *self.errors.entry(code.to_owned()).or_default() += 1;
    }

    pub fn command(&self, id: CommandId) -> &CommandStats {
        &self.by_command[id.index()]
    }

    /// Commands that were called or refused, in the order of the catalog.
    pub fn commands(&self) -> impl Iterator<Item = (&'static CommandSpec, &CommandStats)> {
        COMMANDS
            .iter()
            .zip(&self.by_command)
            .filter(|(_, stats)| stats.calls > 0 || stats.rejected > 0 || stats.failed > 0)
    }

    /// Execution time of all commands, nanoseconds.
    pub fn command_ns_total(&self) -> u64 {
        self.by_command.iter().map(|command| command.ns_total).sum()
    }

    /// Codes and counts of error replies, by code.
    pub fn errors(&self) -> impl Iterator<Item = (&str, u64)> {
        self.errors.iter().map(|(code, &count)| (code.as_str(), count))
    }

    /// CONFIG RESETSTAT: everything but the peak of memory counts from 0 again.
    pub fn reset(&mut self) {
        *self = Stats { memory_peak_bytes: self.memory_peak_bytes, ..Stats::default() };
    }

    /// Call about every 100 ms: takes the samples behind the `instantaneous_*` fields and the peak of memory.
    pub fn sample(&mut self, now: Tick, memory_bytes: u64) {
        self.memory_peak_bytes = self.memory_peak_bytes.max(memory_bytes);
        let totals = [
            self.commands,
            self.bytes_in,
            self.bytes_out,
            self.repl_bytes_in,
            self.repl_bytes_out,
            self.turns,
            self.command_ns_total(),
        ];
        self.rates.sample(now, totals);
    }

    pub fn ops_per_second(&self) -> u64 {
        self.rates.per_second(0)
    }

    pub fn input_bytes_per_second(&self) -> u64 {
        self.rates.per_second(1)
    }

    pub fn output_bytes_per_second(&self) -> u64 {
        self.rates.per_second(2)
    }

    pub fn repl_input_bytes_per_second(&self) -> u64 {
        self.rates.per_second(3)
    }

    pub fn repl_output_bytes_per_second(&self) -> u64 {
        self.rates.per_second(4)
    }

    pub fn turns_per_second(&self) -> u64 {
        self.rates.per_second(5)
    }

    /// Execution time of the commands of a turn, on average (ns).
    pub fn command_ns_per_turn(&self) -> u64 {
        self.rates.per_second(6) / self.turns_per_second().max(1)
    }
}

const RATES: usize = 7;
const SAMPLES: usize = 16;

/// The last 16 samples of the rates: their mean smooths what one interval shows.
#[derive(Debug, Default)]
struct Rates {
    last: Option<(Tick, [u64; RATES])>,
    samples: [[u64; RATES]; SAMPLES],
    next: usize,
}

impl Rates {
    fn sample(&mut self, now: Tick, totals: [u64; RATES]) {
        if let Some((then, before)) = self.last {
            let ns = now.0.saturating_sub(then.0).max(1);
            let rate = |rate: usize| {
                let grown = u128::from(totals[rate].saturating_sub(before[rate]));
                u64::try_from(grown * 1_000_000_000 / u128::from(ns)).unwrap_or(u64::MAX)
            };
            self.samples[self.next] = std::array::from_fn(rate);
            self.next = (self.next + 1) % SAMPLES;
        }
        self.last = Some((now, totals));
    }

    fn per_second(&self, rate: usize) -> u64 {
        self.samples.iter().map(|sample| sample[rate]).sum::<u64>() / SAMPLES as u64
    }
}

/// Sub-buckets of each power of two: values are kept to within 1/64, better than two digits.
const FINE: usize = 64;
const FINE_BITS: u32 = FINE.trailing_zeros();
/// Values above 2^30 ns, about a second, are counted as that.
const VALUE_MAX: u64 = (1 << 30) - 1;
const BUCKETS: usize = FINE * (30 - FINE_BITS as usize + 1);

/// A distribution of durations in nanoseconds.
///
/// ```text
///   0..64: one bucket a value | 64..128: 64 buckets | 128..256: 64 buckets | ... | 2^29..2^30
/// ```
#[derive(Clone, Debug)]
pub struct Histogram {
    count: u64,
    buckets: Box<[u32; BUCKETS]>,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { count: 0, buckets: Box::new([0; BUCKETS]) }
    }
}

impl Histogram {
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.count += 1;
        let bucket = &mut self.buckets[bucket_of(ns.min(VALUE_MAX))];
        *bucket = bucket.saturating_add(1);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// The duration that `percent` of the calls did not exceed, nanoseconds; 0 without calls.
    pub fn percentile_ns(&self, percent: f64) -> u64 {
        let wanted = ((percent / 100.0 * self.count as f64).round() as u64).max(1);
        let mut seen = 0;
        for (index, &count) in self.buckets.iter().enumerate() {
            seen += u64::from(count);
            if seen >= wanted {
                return highest_of(index);
            }
        }
        0
    }

    /// Upper bound in nanoseconds (1024, 2048, ...) and how many calls lay at or below it, for each
    /// power of two that adds calls.
    pub fn by_power_of_two(&self) -> Vec<(u64, u64)> {
        let mut points: Vec<(u64, u64)> = Vec::new();
        let mut seen = 0;
        for (index, &count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            seen += u64::from(count);
            let bound = (highest_of(index) + 1).next_power_of_two().max(1024);
            match points.last_mut() {
                Some(last) if last.0 == bound => last.1 = seen,
                _ => points.push((bound, seen)),
            }
        }
        points
    }
}

/// `value` is at most [`VALUE_MAX`].
#[inline]
fn bucket_of(value: u64) -> usize {
    let octave = (64 - value.leading_zeros()).saturating_sub(FINE_BITS + 1);
    octave as usize * FINE + (value >> octave) as usize
}

/// The largest value of a bucket.
fn highest_of(bucket: usize) -> u64 {
    let octave = (bucket / FINE).saturating_sub(1);
    let fine = (bucket - octave * FINE) as u64;
    ((fine + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_their_values() {
        for value in (0..100_000).chain([1 << 20, (1 << 29) - 1, VALUE_MAX - 1, VALUE_MAX]) {
            let bucket = bucket_of(value);
            assert!(bucket < BUCKETS, "{value}");
            assert!(highest_of(bucket) >= value, "{value}");
            assert!(bucket == 0 || highest_of(bucket - 1) < value, "{value}");
            assert!(highest_of(bucket) - value <= value / 32, "{value}");
        }
    }

    #[test]
    fn percentiles_and_powers() {
        let mut histogram = Histogram::default();
        for us in 1..=100u64 {
            histogram.record(us * 1000);
        }
        histogram.record(u64::MAX);
        let near = |ns: u64, expect: u64| {
            assert!(ns.abs_diff(expect) <= expect / 32, "{ns} is not {expect}");
        };
        near(histogram.percentile_ns(50.0), 51_000);
        near(histogram.percentile_ns(99.0), 100_000);
        near(histogram.percentile_ns(100.0), VALUE_MAX);
        assert_eq!(histogram.by_power_of_two()[..4], [(1024, 1), (2048, 2), (4096, 4), (8192, 8)]);
        assert_eq!(histogram.by_power_of_two().last(), Some(&(1 << 30, 101)));
    }

    #[test]
    fn calls_are_counted_by_command() {
        let mut stats = Stats::default();
        let get = catalog::find(b"get").expect("in the catalog").id;
        stats.record(get, 1500, Ended::Replied, true);
        stats.record(get, 500, Ended::Failed, false);
        stats.reject(get);
        let seen = stats.command(get);
        assert_eq!((seen.calls, seen.ns_total, seen.failed, seen.rejected), (2, 2000, 1, 1));
        assert_eq!(seen.latency.as_ref().map(|histogram| histogram.count()), Some(1));
        assert_eq!(stats.commands().map(|(spec, _)| spec.name).collect::<Vec<_>>(), ["get"]);
        stats.reset();
        assert_eq!(stats.commands().count(), 0);
    }

    #[test]
    fn invented_error_codes_are_bounded() {
        let mut stats = Stats::default();
        for i in 0..1000 {
            stats.error(&format!("E{i} text"));
        }
        stats.error(&"x".repeat(1000));
        assert!(stats.errors().count() <= ERROR_CODES_MAX + 1);
        assert_eq!(stats.errors().map(|(_, count)| count).sum::<u64>(), 1001);
        assert_eq!(stats.error_replies, 1001);
    }

    #[test]
    fn rates_are_means_of_samples() {
        let mut stats = Stats::default();
        let mut now = Tick(1);
        stats.sample(now, 0);
        for _ in 0..16 {
            now = now.plus_ms(100);
            stats.commands += 50;
            stats.sample(now, 0);
        }
        assert_eq!(stats.ops_per_second(), 500);
    }
}
