//! INFO: the state of the node as text, in the fields that Redis 7.2 has and exporters read.
//!
//! ```text
//!   # Section CRLF
//!   field:value CRLF ...
//!   CRLF between sections
//! ```
//!
//! A field of something that this program does not have (forks, Lua, modules) is there with the value of
//! a Redis that does not use it.

mod facts;
mod process;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

use catalog::CommandSpec;
use store::Store;

use crate::client::Session;
use crate::client_list;
use crate::command::Awaited;
use crate::interop::Failover;
use crate::node::{NodeTurn, SaveKind, Saving};
use crate::script::Scripts;
use crate::stats::{CommandStats, Stats};
use store::libraries::Libraries;

pub use facts::{
    Facts, LoadFacts, MasterFacts, PersistenceFacts, ReplicaFacts, ReplicationFacts, random_id,
};

/// The sections in the order in which they are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Section {
    Server,
    Clients,
    Memory,
    Persistence,
    Stats,
    Replication,
    Cpu,
    Modules,
    Commandstats,
    Errorstats,
    Latencystats,
    Cluster,
    Keyspace,
    Pollux,
}

impl Section {
    const ALL: [Section; 14] = [
        Section::Server,
        Section::Clients,
        Section::Memory,
        Section::Persistence,
        Section::Stats,
        Section::Replication,
        Section::Cpu,
        Section::Modules,
        Section::Commandstats,
        Section::Errorstats,
        Section::Latencystats,
        Section::Cluster,
        Section::Keyspace,
        Section::Pollux,
    ];

    fn title(self) -> &'static str {
        match self {
            Section::Server => "Server",
            Section::Clients => "Clients",
            Section::Memory => "Memory",
            Section::Persistence => "Persistence",
            Section::Stats => "Stats",
            Section::Replication => "Replication",
            Section::Cpu => "CPU",
            Section::Modules => "Modules",
            Section::Commandstats => "Commandstats",
            Section::Errorstats => "Errorstats",
            Section::Latencystats => "Latencystats",
            Section::Cluster => "Cluster",
            Section::Keyspace => "Keyspace",
            Section::Pollux => "Pollux",
        }
    }

    /// Shown when no section is asked for.
    fn is_default(self) -> bool {
        !matches!(self, Section::Commandstats | Section::Latencystats)
    }

    fn is_named(self, name: &[u8]) -> bool {
        self.title().as_bytes().eq_ignore_ascii_case(name)
    }
}

/// The sections that the names stand for (`default`, `all`, `everything` and sections, in any case); unknown
/// names stand for none.
fn wanted(names: &[&[u8]]) -> Vec<Section> {
    let has = |word: &str| names.iter().any(|name| name.eq_ignore_ascii_case(word.as_bytes()));
    let is_wanted = |section: &Section| {
        has("everything")
            || (has("all") && *section != Section::Modules)
            || ((names.is_empty() || has("default")) && section.is_default())
            || names.iter().any(|name| section.is_named(name))
    };
    Section::ALL.into_iter().filter(is_wanted).collect()
}

/// The reply to `INFO name ...`.
pub(crate) fn text(cx: &NodeTurn<'_>, names: &[&[u8]]) -> String {
    let mut out = Fields::default();
    for section in wanted(names) {
        out.section(section.title());
        match section {
            Section::Server => server(&mut out, cx),
            Section::Clients => clients(&mut out, cx),
            Section::Memory => memory(&mut out, cx),
            Section::Persistence => persistence(&mut out, cx),
            Section::Stats => stats(&mut out, cx),
            Section::Replication => replication(&mut out, cx),
            Section::Cpu => cpu(&mut out),
            Section::Modules => {}
            Section::Commandstats => commandstats(&mut out, &cx.node.counters),
            Section::Errorstats => errorstats(&mut out, &cx.node.counters),
            Section::Latencystats => {
                let percentiles = &cx.node.config.settings().latency_percentiles;
                latencystats(&mut out, &cx.node.counters, percentiles);
            }
            Section::Cluster => out.field("cluster_enabled", 0),
            Section::Keyspace => keyspace(&mut out, cx.turn.keys.store(), cx.node.now.0),
            Section::Pollux => pollux(&mut out, cx),
        }
    }
    out.text
}

/// The reply under construction.
#[derive(Default)]
struct Fields {
    text: String,
}

impl Fields {
    fn section(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push_str("\r\n");
        }
        self.line(format_args!("# {title}"));
    }

    fn field(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name}:{value}"));
    }

    fn zeros(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.field(name, 0));
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        write!(self.text, "{line}\r\n").expect("a String takes any text");
    }

    /// `name` in bytes and `name_human`.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        self.field(&format!("{name}_human"), human(bytes));
    }
}

/// `1.50M`: two decimals and a unit of 1024, as Redis shows sizes.
fn human(bytes: u64) -> String {
    const UNITS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", UNITS[unit])
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn server(out: &mut Fields, cx: &NodeTurn<'_>) {
    let (node, settings) = (&*cx.node, cx.node.config.settings());
    let uptime_seconds = node.now.0.saturating_sub(node.facts.started_at.0) / 1000;
    let executable = std::env::current_exe().unwrap_or_default();
    out.field("redis_version", crate::REDIS_VERSION);
    out.field("redis_git_sha1", "00000000");
    out.field("redis_git_dirty", 0);
    out.field("redis_build_id", "0000000000000000");
    out.field("redis_mode", "standalone");
    out.field("os", process::system_name());
    out.field("arch_bits", usize::BITS);
    out.field("monotonic_clock", "POSIX clock_gettime");
    out.field("multiplexing_api", "epoll");
    out.field("atomicvar_api", "c11-builtin");
    out.field("gcc_version", "0.0.0");
    out.field("process_id", std::process::id());
    out.field("process_supervised", "no");
    out.field("run_id", &node.facts.run_id);
    out.field("tcp_port", settings.port);
    out.field("server_time_usec", node.now.0 * 1000);
    out.field("uptime_in_seconds", uptime_seconds);
    out.field("uptime_in_days", uptime_seconds / 86_400);
    out.field("hz", settings.hz);
    out.field("configured_hz", settings.hz);
    out.field("lru_clock", (node.now.0 / 1000) & 0xff_ffff);
    out.field("executable", executable.display());
    let config_file = node.config.file().map(|path| path.display().to_string());
    out.field("config_file", config_file.unwrap_or_default());
    out.field("io_threads_active", 0);
    if let Some(departure) = node.departure {
        out.field("shutdown_in_milliseconds", departure.left_ms());
    }
    if let Some(listeners) = &node.listeners {
        listeners.describe(settings, |number, text| out.field(&format!("listener{number}"), text));
    }
}

fn clients(out: &mut Fields, cx: &NodeTurn<'_>) {
    let (mut input_max, mut output_max, mut blocked) = (0, 0, 0);
    for session in cx.sessions() {
        input_max = input_max.max(cx.node.net.input_length(session.token));
        output_max = output_max.max(cx.node.net.output_pending(session.token));
        blocked += usize::from(session.blocked.is_some());
    }
    let mut blocking_keys: BTreeMap<(u16, &[u8]), bool> = BTreeMap::new();
    for session in cx.sessions() {
        let Some(parked) = &session.blocked else { continue };
        for key in &parked.on.keys {
            let is_for_group = parked.on.awaited == Awaited::Group;
            *blocking_keys.entry((session.db, key)).or_default() |= is_for_group;
        }
    }
    // Replicas are told of on their own.
    let replicas = cx.sessions().filter(|session| session.is_replica()).count();
    out.field("connected_clients", cx.node.clients.count().saturating_sub(replicas));
    out.field("cluster_connections", 0);
    out.field("maxclients", cx.node.limits.maxclients);
    out.field("client_recent_max_input_buffer", input_max);
    out.field("client_recent_max_output_buffer", output_max);
    out.field("blocked_clients", blocked + cx.node.clients.held());
    out.field("tracking_clients", cx.node.tracking.clients());
    out.field("clients_in_timeout_table", 0);
    out.field("total_blocking_keys", blocking_keys.len());
    let on_nokey = blocking_keys.values().filter(|is_for_group| **is_for_group).count();
    out.field("total_blocking_keys_on_nokey", on_nokey);
}

/// Memory of the node by what it is for (bytes).
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryReport {
    pub(crate) used: u64,
    pub(crate) peak: u64,
    pub(crate) resident: u64,
    pub(crate) clients: u64,
    /// What replicas of Redis are still to be sent, beyond the backlog that is kept for those that come back.
    pub(crate) replicas: u64,
    /// Memory for which no key is evicted: that, and what is left of it once the replicas are gone, and the log's tail.
    pub(crate) not_counted: u64,
    /// The newest ops, kept for replicas and for the log's threads.
    pub(crate) log_tail: u64,
    /// In use before there was any data.
    pub(crate) startup: u64,
    /// What is in use without being data: at startup, tables of the databases, clients, the log's tail.
    pub(crate) overhead: u64,
    pub(crate) keys: u64,
}

impl MemoryReport {
    pub(crate) fn of(cx: &NodeTurn<'_>) -> MemoryReport {
        let store = cx.turn.keys.store();
        let resident = process::resident_bytes();
        // A program without the counting allocator knows only what the system says.
        let used = Some(store::memory::used_bytes()).filter(|used| *used > 0).unwrap_or(resident);
        let bytes = |session: &Session| client_list::memory_bytes(session, &cx.node.net) as u64;
        let clients = cx.sessions().filter(|session| !session.is_replica()).map(bytes).sum();
        let outputs = cx.sessions().filter(|session| session.is_replica()).map(bytes).sum::<u64>();
        let backlog = cx.node.backlog_beyond_bound(cx.turn.keys);
        let replicas = if outputs > 0 { outputs + backlog } else { 0 };
        let log = cx.turn.keys.log();
        let log_tail = log.map_or(0, |log| log.log().tail_bytes() as u64);
        let tables: u64 = (0..store.databases()).map(|db| store.db(db).table_bytes() as u64).sum();
        MemoryReport {
            used,
            peak: cx.node.counters.memory_peak_bytes.max(used),
            resident,
            startup: cx.node.facts.startup_bytes.min(used),
            clients,
            replicas,
            not_counted: cx.node.not_counted(cx.turn.keys),
            log_tail,
            overhead: cx.node.facts.startup_bytes.min(used)
                + clients
                + replicas
                + log_tail
                + tables,
            keys: store.len() as u64,
        }
    }

    pub(crate) fn dataset(&self) -> u64 {
        self.used.saturating_sub(self.overhead)
    }
}

/// What scripts take: their interpreters, and what the node knows of them.
fn scripts(out: &mut Fields, scripts: &Scripts, libraries: &Libraries) {
    let vm_eval = scripts.vm_bytes() as u64;
    let vm_functions = scripts.functions.vm_bytes() as u64;
    let code: usize = libraries.iter().map(|(name, code)| name.len() + code.len()).sum();
    let (eval, functions) =
        (scripts.cache.bytes() as u64, (scripts.functions.bytes() + code) as u64);
    out.bytes("used_memory_lua", vm_eval);
    out.field("used_memory_vm_eval", vm_eval);
    out.field("used_memory_scripts_eval", eval);
    out.field("number_of_cached_scripts", scripts.cache.len());
    out.field("number_of_functions", scripts.functions.len());
    out.field("number_of_libraries", libraries.len());
    out.field("used_memory_vm_functions", vm_functions);
    out.bytes("used_memory_vm_total", vm_eval + vm_functions);
    out.field("used_memory_functions", functions);
    out.bytes("used_memory_scripts", eval + functions);
}

fn memory(out: &mut Fields, cx: &NodeTurn<'_>) {
    let report = MemoryReport::of(cx);
    let settings = cx.node.config.settings();
    let dataset = report.dataset();
    let per_cent = |part, whole| format!("{:.2}%", 100.0 * ratio(part, whole));
    out.bytes("used_memory", report.used);
    out.bytes("used_memory_rss", report.resident);
    out.bytes("used_memory_peak", report.peak);
    out.field("used_memory_peak_perc", per_cent(report.used, report.peak));
    out.field("used_memory_overhead", report.overhead);
    out.field("used_memory_startup", report.startup);
    out.field("used_memory_dataset", dataset);
    out.field("used_memory_dataset_perc", per_cent(dataset, report.used - report.startup));
    out.field("allocator_allocated", report.used);
    out.field("allocator_active", report.resident);
    out.field("allocator_resident", report.resident);
    out.bytes("total_system_memory", process::system_bytes());
    scripts(out, &cx.node.scripts, cx.turn.keys.store().libraries());
    out.bytes("maxmemory", settings.maxmemory);
    out.field("maxmemory_policy", settings.maxmemory_policy.name());
    let fragmentation = format!("{:.2}", ratio(report.resident, report.used));
    let fragmented = report.resident.saturating_sub(report.used);
    out.field("allocator_frag_ratio", &fragmentation);
    out.field("allocator_frag_bytes", fragmented);
    out.field("allocator_rss_ratio", "1.00");
    out.field("allocator_rss_bytes", 0);
    out.field("rss_overhead_ratio", "1.00");
    out.field("rss_overhead_bytes", 0);
    out.field("mem_fragmentation_ratio", fragmentation);
    out.field("mem_fragmentation_bytes", fragmented);
    out.field("mem_not_counted_for_evict", report.not_counted);
    // The log's tail is what the replicas of an instance are served from.
    let backlog = match cx.turn.keys.stream().backlog() {
        Some(backlog) => backlog.allocated,
        None => report.log_tail,
    };
    out.field("mem_replication_backlog", backlog);
    out.field("mem_total_replication_buffers", backlog);
    out.field("mem_clients_slaves", report.replicas);
    out.field("mem_clients_normal", report.clients);
    out.zeros(&["mem_cluster_links", "mem_aof_buffer"]);
    out.field("mem_allocator", "jemalloc");
    out.field("active_defrag_running", 0);
    out.field("lazyfree_pending_objects", cx.turn.keys.store().graveyard().pending());
    out.field("lazyfreed_objects", cx.turn.keys.store().graveyard().freed());
}

fn persistence(out: &mut Fields, cx: &NodeTurn<'_>) {
    let (node, facts) = (&*cx.node, &cx.node.facts.persistence);
    let status = |failed: bool| if failed { "err" } else { "ok" };
    let seconds = |value: Option<u64>| value.map_or("-1".to_owned(), |value| value.to_string());
    let running = facts.save_started_at.map(|since| node.now.0.saturating_sub(since.0) / 1000);
    let runs = |kind| matches!(node.saving, Saving::Wanted(of) | Saving::Running(of) if of == kind);
    let (is_saving, is_rewriting) = (runs(SaveKind::Snapshot), runs(SaveKind::Rewrite));
    out.field("loading", u8::from(node.is_loading));
    out.field("async_loading", u8::from(node.is_loading_aside()));
    out.zeros(&["current_cow_peak", "current_cow_size", "current_cow_size_age"]);
    out.field("current_fork_perc", "0.00");
    out.field("current_save_keys_processed", facts.save_keys_done);
    out.field("current_save_keys_total", facts.save_keys_total);
    out.field("rdb_changes_since_last_save", facts.changes_since_save);
    out.field("rdb_bgsave_in_progress", u8::from(is_saving));
    out.field("rdb_last_save_time", facts.last_save_at.seconds());
    out.field("rdb_last_bgsave_status", status(facts.last_save_failed));
    out.field("rdb_last_bgsave_time_sec", seconds(facts.last_save_seconds));
    out.field("rdb_current_bgsave_time_sec", seconds(running.filter(|_| is_saving)));
    out.field("rdb_saves", facts.saves);
    out.field("rdb_last_cow_size", 0);
    out.field("rdb_last_load_keys_expired", facts.keys_expired_at_load);
    out.field("rdb_last_load_keys_loaded", facts.keys_loaded);
    out.field("aof_enabled", 1);
    out.field("aof_rewrite_in_progress", u8::from(is_rewriting));
    let is_scheduled = node.save_next == Some(SaveKind::Rewrite);
    out.field("aof_rewrite_scheduled", u8::from(is_scheduled));
    out.field("aof_last_rewrite_time_sec", seconds(facts.last_rewrite_seconds));
    out.field("aof_current_rewrite_time_sec", seconds(running.filter(|_| is_rewriting)));
    out.field("aof_last_bgrewrite_status", status(facts.last_save_failed));
    out.field("aof_rewrites", facts.rewrites);
    out.zeros(&["aof_rewrites_consecutive_failures"]);
    out.field("aof_last_write_status", status(facts.log_failed));
    out.zeros(&["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
    // The log takes the place of Redis' AOF.
    out.field("aof_current_size", facts.log_bytes);
    out.zeros(&["aof_base_size", "aof_pending_rewrite", "aof_buffer_length"]);
    out.zeros(&["aof_pending_bio_fsync", "aof_delayed_fsync"]);
    if node.is_loading {
        let load = &facts.load;
        let loaded = 100.0 * ratio(load.bytes_loaded, load.bytes_total);
        let elapsed = node.now.0.saturating_sub(load.started_at.0) / 1000;
        let eta = match load.bytes_loaded {
            0 => 1,
            done => elapsed * load.bytes_total.saturating_sub(done) / done,
        };
        out.field("loading_start_time", load.started_at.seconds());
        out.field("loading_total_bytes", load.bytes_total);
        out.field("loading_rdb_used_mem", 0);
        out.field("loading_loaded_bytes", load.bytes_loaded);
        out.field("loading_loaded_perc", format_args!("{loaded:.2}"));
        out.field("loading_eta_seconds", eta);
    }
}

fn stats(out: &mut Fields, cx: &NodeTurn<'_>) {
    let (node, stats, tally) = (&*cx.node, &cx.node.counters, cx.turn.keys.tally());
    let kib = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    out.field("total_connections_received", node.clients.total());
    out.field("total_commands_processed", stats.commands);
    out.field("instantaneous_ops_per_sec", stats.ops_per_second());
    out.field("total_net_input_bytes", stats.bytes_in + stats.repl_bytes_in);
    out.field("total_net_output_bytes", stats.bytes_out + stats.repl_bytes_out);
    out.field("total_net_repl_input_bytes", stats.repl_bytes_in);
    out.field("total_net_repl_output_bytes", stats.repl_bytes_out);
    out.field("instantaneous_input_kbps", kib(stats.input_bytes_per_second()));
    out.field("instantaneous_output_kbps", kib(stats.output_bytes_per_second()));
    out.field("instantaneous_input_repl_kbps", kib(stats.repl_input_bytes_per_second()));
    out.field("instantaneous_output_repl_kbps", kib(stats.repl_output_bytes_per_second()));
    out.field("instantaneous_eventloop_cycles_per_sec", stats.turns_per_second());
    out.field("instantaneous_eventloop_duration_usec", stats.command_ns_per_turn() / 1000);
    out.field("rejected_connections", stats.rejected_connections);
    out.field("sync_full", stats.sync_full);
    out.field("sync_partial_ok", stats.sync_partial_ok);
    out.field("sync_partial_err", stats.sync_partial_refused);
    out.field("expired_keys", tally.expired);
    out.field("expired_subkeys", tally.expired_fields);
    out.field("expired_stale_perc", format_args!("{:.2}", stats.expired_stale_percent));
    out.field("expired_time_cap_reached_count", stats.expired_time_cap_reached);
    out.field("expire_cycle_cpu_milliseconds", 0);
    out.field("evicted_keys", tally.evicted);
    out.field("evicted_clients", stats.evicted_clients);
    out.zeros(&["total_eviction_exceeded_time", "current_eviction_exceeded_time"]);
    out.field("keyspace_hits", tally.hits);
    out.field("keyspace_misses", tally.misses);
    out.field("pubsub_channels", node.pubsub.channels());
    out.field("pubsub_patterns", node.pubsub.patterns());
    out.field("pubsubshard_channels", node.pubsub.shard_channels());
    out.zeros(&["latest_fork_usec", "total_forks", "migrate_cached_sockets"]);
    out.field("slave_expires_tracked_keys", cx.turn.keys.own_deadlines());
    out.zeros(&["active_defrag_hits", "active_defrag_misses"]);
    out.zeros(&["active_defrag_key_hits", "active_defrag_key_misses"]);
    out.zeros(&["total_active_defrag_time", "current_active_defrag_time"]);
    out.field("tracking_total_keys", node.tracking.keys());
    out.field("tracking_total_items", node.tracking.items());
    out.field("tracking_total_prefixes", node.tracking.prefixes());
    out.field("unexpected_error_replies", stats.unexpected_error_replies);
    out.field("total_error_replies", stats.error_replies);
    out.field("dump_payload_sanitizations", 0);
    out.field("total_reads_processed", stats.reads_processed);
    out.field("total_writes_processed", stats.writes_processed);
    out.zeros(&["io_threaded_reads_processed", "io_threaded_writes_processed"]);
    out.zeros(&["reply_buffer_shrinks", "reply_buffer_expands"]);
    out.field("client_query_buffer_limit_disconnections", stats.query_limit_closed);
    out.field("client_output_buffer_limit_disconnections", stats.output_limit_closed);
    out.field("eventloop_cycles", stats.turns);
    out.field("eventloop_duration_sum", stats.command_ns_total() / 1000);
    out.field("eventloop_duration_cmd_sum", stats.command_ns_total() / 1000);
    let denials = cx.node.access.log.denials();
    out.field("acl_access_denied_auth", denials.auth);
    out.field("acl_access_denied_cmd", denials.command);
    out.field("acl_access_denied_key", denials.key);
    out.field("acl_access_denied_channel", denials.channel);
}

fn replication(out: &mut Fields, cx: &NodeTurn<'_>) {
    let facts = &cx.node.facts.replication;
    let offset = cx.node.replication_offset(cx.turn.keys);
    let stream = cx.turn.keys.stream();
    out.field("role", if cx.turn.keys.is_replica() { "slave" } else { "master" });
    if let Some(master) = &facts.master {
        let is_syncing = master.state == "sync";
        let silent_seconds = master.silent_seconds.and_then(|seconds| i64::try_from(seconds).ok());
        out.field("master_host", &master.host);
        out.field("master_port", master.port);
        out.field("master_link_status", if master.is_up() { "up" } else { "down" });
        out.field("master_last_io_seconds_ago", silent_seconds.unwrap_or(-1));
        out.field("master_sync_in_progress", u8::from(is_syncing));
        out.field("slave_read_repl_offset", offset + master.unread as u64);
        out.field("slave_repl_offset", offset);
        if let Some((read, total)) = master.received {
            let percent = if total > 0 { read as f64 * 100.0 / total as f64 } else { 0.0 };
            out.field("master_sync_total_bytes", total);
            out.field("master_sync_read_bytes", read);
            out.field("master_sync_left_bytes", total.saturating_sub(read));
            out.field("master_sync_perc", format_args!("{percent:.2}"));
            out.field("master_sync_last_io_seconds_ago", 0);
        }
        if !master.is_up() {
            out.field("master_link_down_since_seconds", master.down_seconds);
        }
        out.field("slave_priority", cx.node.config.settings().replica_priority);
        let is_read_only = cx.node.config.settings().replica_read_only;
        out.field("slave_read_only", u8::from(is_read_only));
        out.field("replica_announced", 1);
    }
    out.field("connected_slaves", facts.replicas.len());
    for (index, replica) in facts.replicas.iter().enumerate() {
        let (ip, port) = (replica.address.ip(), replica.address.port());
        let state = replica.state;
        let (offset, lag) = (replica.acked, replica.silent_seconds);
        out.line(format_args!(
            "slave{index}:ip={ip},port={port},state={state},offset={offset},lag={lag}"
        ));
    }
    let failover = cx.node.failover.as_ref();
    out.field("master_failover_state", failover.map_or("no-failover", Failover::state));
    out.field("master_replid", stream.id());
    let (second_id, second_offset) = stream.second();
    out.field("master_replid2", second_id);
    out.field("master_repl_offset", offset);
    out.field("second_repl_offset", second_offset);
    let backlog = stream.backlog();
    out.field("repl_backlog_active", u8::from(backlog.is_some()));
    out.field("repl_backlog_size", cx.node.config.settings().repl_backlog_size);
    out.field("repl_backlog_first_byte_offset", backlog.map_or(0, |backlog| backlog.first));
    out.field("repl_backlog_histlen", backlog.map_or(0, |backlog| backlog.bytes));
}

/// What Redis has no words for. OpIDs count ops, not bytes; without a log they are 0.
fn pollux(out: &mut Fields, cx: &NodeTurn<'_>) {
    let (keys, facts) = (&*cx.turn.keys, &cx.node.facts.replication);
    let log = keys.log();
    let position = log.map(binlog::Appender::position);
    out.field("pollux_version", env!("CARGO_PKG_VERSION"));
    out.field("pollux_role", if keys.is_replica() { "replica" } else { "master" });
    out.field("pollux_epoch", position.map_or(0, |position| position.epoch.0));
    out.field("pollux_opid", keys.newest_op().max(facts.newest_op));
    out.field("pollux_opid_written", log.map_or(0, binlog::Appender::written));
    out.field("pollux_opid_durable", log.map_or(0, binlog::Appender::durable));
    out.field("pollux_discarded_ops", facts.discarded_ops);
    out.field("pollux_writes_held", u8::from(cx.node.holds.hold_writes()));
}

fn cpu(out: &mut Fields) {
    let (all, thread) = (process::cpu(), process::cpu_of_thread());
    let seconds = |value: f64| format!("{value:.6}");
    out.field("used_cpu_sys", seconds(all.system));
    out.field("used_cpu_user", seconds(all.user));
    out.field("used_cpu_sys_children", seconds(0.0));
    out.field("used_cpu_user_children", seconds(0.0));
    out.field("used_cpu_sys_main_thread", seconds(thread.system));
    out.field("used_cpu_user_main_thread", seconds(thread.user));
}

fn commandstats(out: &mut Fields, stats: &Stats) {
    for (CommandSpec { name, .. }, command) in stats.commands() {
        let CommandStats { calls, ns_total, rejected, failed, .. } = command;
        let usec = ns_total / 1000;
        let usec_per_call = *ns_total as f64 / 1000.0 / (*calls).max(1) as f64;
        out.line(format_args!(
            "cmdstat_{name}:calls={calls},usec={usec},usec_per_call={usec_per_call:.2},\
             rejected_calls={rejected},failed_calls={failed}"
        ));
    }
}

fn errorstats(out: &mut Fields, stats: &Stats) {
    for (code, count) in stats.errors() {
        out.line(format_args!("errorstat_{code}:count={count}"));
    }
}

fn latencystats(out: &mut Fields, stats: &Stats, percentiles: &[f64]) {
    for (CommandSpec { name, .. }, command) in stats.commands() {
        let Some(histogram) = &command.latency else { continue };
        let shown: Vec<String> = percentiles
            .iter()
            .map(|percent| {
                let usec = histogram.percentile_ns(*percent) as f64 / 1000.0;
                format!("p{percent}={usec:.3}")
            })
            .collect();
        out.line(format_args!("latency_percentiles_usec_{name}:{}", shown.join(",")));
    }
}

/// Databases that hold keys. `avg_ttl` is the mean over a few volatile keys.
fn keyspace(out: &mut Fields, store: &Store, now_ms: u64) {
    for number in 0..store.databases() {
        let db = store.db(number);
        if db.is_empty() {
            continue;
        }
        let (keys, expires) = (db.len(), db.volatile_len());
        let avg_ttl = mean_ttl_ms(store, number, now_ms);
        let line = format_args!("db{number}:keys={keys},expires={expires},avg_ttl={avg_ttl}");
        // Where hashes have fields that expire, in the form of 7.4.
        match db.volatile_hashes_len() {
            0 => out.line(line),
            hashes => out.line(format_args!("{line},subexpiry={hashes}")),
        }
    }
}

/// Volatile keys that the mean is taken over.
const TTL_SAMPLES: usize = 16;

fn mean_ttl_ms(store: &Store, db: u16, now_ms: u64) -> u64 {
    let (mut sum, mut count) = (0u64, 0u64);
    let mut cursor = 0;
    loop {
        cursor = store.db(db).scan_volatile(cursor, |entry| {
            if let Some(expiry) = entry.expiry() {
                sum = sum.saturating_add(expiry.0.saturating_sub(now_ms));
                count += 1;
            }
        });
        if cursor == 0 || count >= TTL_SAMPLES as u64 {
            return sum / count.max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], expect: &str) {
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let titles: Vec<&str> = wanted(&names).into_iter().map(Section::title).collect();
        assert_eq!(titles.join(" "), expect);
    }

    #[test]
    fn sections_by_name() {
        let all = "Server Clients Memory Persistence Stats Replication CPU Modules Commandstats \
                   Errorstats Latencystats Cluster Keyspace Pollux";
        let default = all.replace("Commandstats ", "").replace("Latencystats ", "");
        check(&[], &default);
        check(&["default"], &default);
        check(&["everything"], all);
        check(&["ALL"], &all.replace("Modules ", ""));
        check(&["keyspace", "cpu", "nothing"], "CPU Keyspace");
        check(&["default", "commandstats"], &all.replace("Latencystats ", ""));
        check(&["nothing"], "");
    }

    #[test]
    fn sizes_for_people() {
        let shown = [0, 1023, 1024, 990_928, 23 << 30, u64::MAX].map(human);
        assert_eq!(shown, ["0B", "1023B", "1.00K", "967.70K", "23.00G", "16.00E"]);
    }

    #[test]
    fn statistics_of_commands() {
        let mut stats = Stats::default();
        let get = catalog::find(b"get").expect("in the catalog").id;
        stats.record(get, 1500, crate::stats::Ended::Replied, true);
        stats.record(get, 2500, crate::stats::Ended::Failed, true);
        stats.error("WRONGTYPE x");
        let mut out = Fields::default();
        commandstats(&mut out, &stats);
        errorstats(&mut out, &stats);
        latencystats(&mut out, &stats, &[50.0, 99.9]);
        assert_eq!(
            out.text,
            "cmdstat_get:calls=2,usec=4,usec_per_call=2.00,rejected_calls=0,failed_calls=1\r\n\
             errorstat_WRONGTYPE:count=1\r\n\
             latency_percentiles_usec_get:p50=1.503,p99.9=2.527\r\n"
        );
    }
}
