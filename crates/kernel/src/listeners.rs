//! Where a lone node accepts clients, and how that changes while it runs (CONFIG SET port, CONFIG SET bind).
//!
//! Invariant: a change that fails leaves every listener as it was.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use net::{Driver, ListenerId, TcpOptions};

use crate::boot::{self, ListenError};
use crate::config::Settings;

/// The open listeners of a node.
#[derive(Debug, Default)]
pub struct Listeners {
    tcp: Vec<(SocketAddr, ListenerId)>,
    /// At `tls-port`.
    tls: Vec<(SocketAddr, ListenerId)>,
    unix: Option<PathBuf>,
}

impl Listeners {
    /// Opens what `settings` name: `bind` and `port` (0: none, as in Redis, when there is a socket in the file system
    /// or a `tls-port`; else the system chooses one), `tls-port`, `unixsocket`.
    pub fn open(net: &mut Driver, settings: &Settings) -> Result<Listeners, ListenError> {
        let mut listeners = Listeners::default();
        if !settings.unixsocket.is_empty() {
            let path = PathBuf::from(&settings.unixsocket);
            let options = options(settings);
            net.listen_unix(&path, settings.unixsocket_mode, &options).map_err(|error| {
                let name = settings.unixsocket.clone();
                match error.kind() {
                    io::ErrorKind::AddrInUse => ListenError::PathInUse { path: name },
                    _ => ListenError::Name { name, error },
                }
            })?;
            listeners.unix = Some(path);
        }
        if let Some(acceptor) = boot::check_tls(settings)? {
            listeners.tls =
                boot::listen_at(net, settings, settings.tls_port, Some(&acceptor), &[])?;
        }
        let is_alone = listeners.unix.is_none() && listeners.tls.is_empty();
        if settings.port != 0 || is_alone {
            listeners.tcp = boot::listen_at(net, settings, settings.port, None, &[])?;
        }
        if listeners.tcp.is_empty() && is_alone {
            return Err(ListenError::Nothing);
        }
        Ok(listeners)
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.tcp.iter().chain(&self.tls).map(|(address, _)| *address).collect()
    }

    pub fn unix_path(&self) -> Option<&Path> {
        self.unix.as_deref()
    }

    /// Hands each kind of listener to `tell`, in the words of INFO, with the number that this kind has in Redis.
    pub(crate) fn describe(&self, settings: &Settings, mut tell: impl FnMut(usize, &str)) {
        let inet = |name: &str, count: usize, port: u16| {
            let names = settings.bind.iter().take(count).map(|name| format!(",bind={name}"));
            format!("name={name}{},port={port}", names.collect::<String>())
        };
        if !self.tcp.is_empty() {
            tell(0, &inet("tcp", self.tcp.len(), settings.port));
        }
        if let Some(path) = &self.unix {
            tell(1, &format!("name=unix,bind={}", path.display()));
        }
        if !self.tls.is_empty() {
            tell(2, &inet("tls", self.tls.len(), settings.tls_port));
        }
    }

    /// Listens where `settings` say now. Addresses that stay are not touched, so no client is refused meanwhile.
    pub(crate) fn change(
        &mut self,
        net: &mut Driver,
        settings: &Settings,
    ) -> Result<(), ListenError> {
        let acceptor = boot::acceptor(settings)?;
        let tcp = match settings.port {
            0 => Vec::new(),
            port => boot::listen_at(net, settings, port, None, &self.tcp)?,
        };
        let tls = match &acceptor {
            None => Ok(Vec::new()),
            Some(acceptor) => {
                boot::listen_at(net, settings, settings.tls_port, Some(acceptor), &self.tls)
            }
        };
        let tls = tls.inspect_err(|_| close_others(net, &tcp, &self.tcp))?;
        close_others(net, &std::mem::replace(&mut self.tcp, tcp), &self.tcp);
        close_others(net, &std::mem::replace(&mut self.tls, tls), &self.tls);
        Ok(())
    }
}

/// Closes those that are not among the `kept` ones.
fn close_others(
    net: &mut Driver,
    open: &[(SocketAddr, ListenerId)],
    kept: &[(SocketAddr, ListenerId)],
) {
    for (address, id) in open {
        if !kept.iter().any(|(kept, _)| kept == address) {
            net.unlisten(*id);
        }
    }
}

pub(crate) fn options(settings: &Settings) -> TcpOptions {
    TcpOptions {
        backlog: settings.tcp_backlog,
        keepalive: Duration::from_secs(u64::from(settings.tcp_keepalive_seconds)),
    }
}
