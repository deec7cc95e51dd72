//! A child of `up`: started, or found running after an earlier `up` was killed; started again whenever
//! it dies, until it is told to end.

use std::time::Duration;

use agent::process::{Exit, Process, Spec};
use rustix::process::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// Pause after the second end in a row, the first is answered at once; doubles up to `BACKOFF_MAX`.
const BACKOFF: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A child that lived this long was not a failed start.
const SETTLED: Duration = Duration::from_secs(10);

/// What `up` wants of a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    Run,
    /// Send this signal, and let it end.
    End(Signal),
}

/// What happened to a child.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) name: String,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Started { pid: u32 },
    Found { pid: u32 },
    Died(Exit),
    CannotStart(std::io::Error),
}

/// A supervised child.
#[derive(Debug)]
pub(crate) struct Child {
    wish: watch::Sender<Wish>,
    pid: watch::Receiver<Option<u32>>,
    /// `None` once it was seen to end.
    task: Option<JoinHandle<()>>,
}

impl Child {
    /// Supervises `spec`; what happens to it is told to `news`.
    pub(crate) fn supervise(name: &str, spec: Spec, news: mpsc::UnboundedSender<News>) -> Child {
        let (wish, wishes) = watch::channel(Wish::Run);
        let (pid_now, pid) = watch::channel(None);
        let keeper = Keeper { name: name.to_owned(), spec, news, wishes, pid: pid_now };
        Child { wish, pid, task: Some(tokio::spawn(keeper.run())) }
    }

    /// Its pid, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        *self.pid.borrow()
    }

    /// Asks it to end; it is not started again.
    pub(crate) fn end(&self, signal: Signal) {
        self.wish.send_replace(Wish::End(signal));
    }

    /// Returns when it has ended after [`Child::end`]; may be given up and called again.
    pub(crate) async fn ended(&mut self) {
        let Some(task) = &mut self.task else { return };
        if let Err(error) = task.await {
            tracing::error!(%error, "supervisor of a child failed");
        }
        self.task = None;
    }
}

struct Keeper {
    name: String,
    spec: Spec,
    news: mpsc::UnboundedSender<News>,
    wishes: watch::Receiver<Wish>,
    pid: watch::Sender<Option<u32>>,
}

impl Keeper {
    async fn run(mut self) {
        let mut failures = 0_u32;
        let mut found = match Process::find(&self.spec, None) {
            Ok(found) => found,
            Err(error) => {
                self.tell(What::CannotStart(error));
                None
            }
        };
        while *self.wishes.borrow() == Wish::Run {
            let begin = Instant::now();
            let process = match found.take() {
                Some(process) => {
                    self.tell(What::Found { pid: process.pid() });
                    Some(process)
                }
                None => match Process::start(&self.spec) {
                    Ok(process) => {
                        self.tell(What::Started { pid: process.pid() });
                        Some(process)
                    }
                    Err(error) => {
                        self.tell(What::CannotStart(error));
                        None
                    }
                },
            };
            if let Some(process) = process {
                self.pid.send_replace(Some(process.pid()));
                let exit = self.wait(&process).await;
                self.pid.send_replace(None);
                match exit {
                    Some(exit) => self.tell(What::Died(exit)),
                    None => return,
                }
            }
            failures = if begin.elapsed() >= SETTLED { 0 } else { failures + 1 };
            self.back_off(failures).await;
        }
    }

    /// Until the process is gone; `None` when that was asked for.
    async fn wait(&mut self, process: &Process) -> Option<Exit> {
        loop {
            tokio::select! {
                exit = process.exited() => {
                    return (*self.wishes.borrow() == Wish::Run).then_some(exit);
                }
                changed = self.wishes.changed() => {
                    // A supervisor without owner still waits for its process.
                    if changed.is_err() {
                        process.exited().await;
                        return None;
                    }
                    if let Wish::End(signal) = *self.wishes.borrow_and_update() {
                        process.signal(signal);
                    }
                }
            }
        }
    }

    async fn back_off(&mut self, failures: u32) {
        let Some(doublings) = failures.checked_sub(2) else { return };
        let pause = BACKOFF.saturating_mul(1 << doublings.min(10)).min(BACKOFF_MAX);
        tokio::select! {
            () = sleep(pause) => {}
            // A wish to end is looked at by the caller; without owner the loop ends there too.
            _ = self.wishes.changed() => {}
        }
    }

    /// Nobody listens any more when `up` itself ends.
    fn tell(&self, what: What) {
        let _ = self.news.send(News { name: self.name.clone(), what });
    }
}
