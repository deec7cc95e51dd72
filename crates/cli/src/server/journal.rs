//! The log of `pollux server`, in the form of redis-server's, as tools that read such logs expect it:
//!
//! ```text
//!   1234:M 21 Nov 2026 21:33:17.452 * Ready to accept connections tcp
//!   |    | |                        | `- message, then fields as name=value
//!   |    | |                        `- . debug  - verbose  * notice  # warning
//!   |    | `- UTC
//!   |    `- C: starting  M: master  S: replica
//!   `- process
//! ```

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use kernel::journal;
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{
    self as subscriber, FmtContext, FormatEvent, FormatFields, MakeWriter,
};
use tracing_subscriber::layer::{Context, Filter, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::out;

/// Where lines go.
#[derive(Clone, Debug)]
pub(super) enum Sink {
    Stdout,
    /// Opened for each line, so that it can be moved away (logrotate) while the server runs.
    File(PathBuf),
}

impl Sink {
    /// Whether lines can be written at all.
    pub(super) fn check(&self) -> io::Result<()> {
        if let Sink::File(path) = self {
            open(path)?;
        }
        Ok(())
    }

    /// Writes text that is not a line of the log (the greeting).
    pub(super) fn write(&self, text: &str) {
        // As with lines: a log that cannot be written does not end the server.
        let _ = self.make_writer().write_all(text.as_bytes());
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Box<dyn Write>;

    fn make_writer(&'a self) -> Box<dyn Write> {
        match self {
            Sink::Stdout => Box::new(io::stdout()),
            Sink::File(path) => match open(path) {
                Ok(file) => Box::new(file),
                Err(_) => Box::new(io::sink()),
            },
        }
    }
}

/// From now on events of this process are lines in `sink`, down to the level that the node's configuration asks for.
pub(super) fn start(sink: Sink) {
    // A log that cannot be written (a full disk, a terminal that is gone) must not end the process: the library would
    // tell so on standard error, and panic when that fails as well.
    let layer = subscriber::layer()
        .event_format(Line)
        .with_writer(sink)
        .with_ansi(false)
        .log_internal_errors(false);
    tracing_subscriber::registry().with(layer.with_filter(AsConfigured)).init();
}

/// Lets through what `loglevel` asks for at the moment.
#[derive(Debug)]
struct AsConfigured;

impl<S> Filter<S> for AsConfigured {
    fn enabled(&self, event: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        *event.level() <= journal::level()
    }

    fn callsite_enabled(&self, event: &'static Metadata<'static>) -> Interest {
        if *event.level() <= journal::level() { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(journal::level())
    }
}

struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mark = match *event.metadata().level() {
            Level::ERROR | Level::WARN => '#',
            Level::INFO => '*',
            Level::DEBUG => '-',
            Level::TRACE => '.',
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        write!(to, "{}:{} {} {mark} ", process::id(), journal::role(), out::day_and_time(ms))?;
        let mut text = Text::default();
        event.record(&mut text);
        writeln!(to, "{}{}", text.message, text.fields)
    }
}

/// The message of an event, and its fields behind it.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write as _;
        let written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
        written.expect("a String takes any text");
    }
}
