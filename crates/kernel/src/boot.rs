//! What every role of a data node does before its first turn: descriptors, threads, sockets, an executor.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;

use binlog::Options;
use net::{Driver, ListenerId, TlsAcceptor, TlsConnector, TlsError, Wake};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::rand::{GetRandomFlags, getrandom};
use store::{Graveyard, Rng, Store};
use tracing::warn;

use crate::access::Access;
use crate::config::{Config, Settings};
use crate::keyspace::Keyspace;
use crate::limits::Limits;
use crate::listeners;
use crate::node::Node;
use crate::turn::Executor;

/// Descriptors that are not clients: the log, checkpoints, listeners, links to other nodes.
const DESCRIPTORS_RESERVED: u64 = 64;

/// Why a port is not served.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("{address} is in use")]
    InUse { address: SocketAddr },
    #[error("{path} is in use, or is no socket")]
    PathInUse { path: String },
    #[error("cannot listen on {address}: {error}")]
    Address { address: SocketAddr, error: io::Error },
    #[error("'{name}' is not an address of this machine: {error}")]
    Name { name: String, error: io::Error },
    /// There is no TLS at `tls-port`.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    #[error("none of the addresses in `bind` can be listened on")]
    Nothing,
}

/// An executor over an empty keyspace, as `config` wants it. It listens nowhere and keeps no log yet.
pub fn executor(config: Config) -> io::Result<Executor> {
    let settings = config.settings();
    let mut rng = Rng::new(random_seed()?);
    let store = Store::new(settings.databases, background_graveyard()?, rng.fork());
    let mut keys = Keyspace::new(store, rng);
    let mut node = Node::new(Driver::new()?, Limits::of(settings));
    node.access = Access::of(config.settings());
    node.config = config;
    node.configure(&mut keys);
    Ok(Executor::new(node, keys))
}

pub(crate) fn random_seed() -> io::Result<u64> {
    let mut seed = [0; 8];
    getrandom(&mut seed[..], GetRandomFlags::empty())?;
    Ok(u64::from_le_bytes(seed))
}

/// Starts the thread that frees large values; it ends when the last graveyard is dropped.
fn background_graveyard() -> io::Result<Graveyard> {
    let (graveyard, garbage) = Graveyard::background();
    let free = move || garbage.iter().for_each(drop);
    thread::Builder::new().name("free".to_owned()).spawn(free)?;
    Ok(graveyard)
}

/// How the log runs under these settings; `wake` ends a wait of its executor.
pub fn log_options(settings: &Settings, wake: Wake) -> Options {
    let waker = move || {
        if let Err(error) = wake.wake() {
            warn!(%error, "the executor could not be woken");
        }
    };
    let policy = settings.appendfsync.policy();
    Options { policy, waker: Arc::new(waker), ..Options::default() }
}

/// The same for a node that nobody follows by its log: what is written is needed in memory no more.
pub(crate) fn lone_log_options(settings: &Settings, wake: Wake) -> Options {
    Options { tail_bytes_max: 0, ..log_options(settings, wake) }
}

/// Raises the limit of descriptors as far as it takes for `clients`; returns for how many it does.
pub fn provide_descriptors(clients: u32) -> io::Result<u32> {
    let wanted = u64::from(clients) + DESCRIPTORS_RESERVED;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(clients);
    }
    let granted = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(granted), maximum: limit.maximum })?;
    let fit = granted.saturating_sub(DESCRIPTORS_RESERVED).max(1);
    Ok(u32::try_from(fit).unwrap_or(u32::MAX).min(clients))
}

/// What makes connections at `tls-port` encrypted ones; `None` when that is 0.
pub(crate) fn acceptor(settings: &Settings) -> Result<Option<TlsAcceptor>, TlsError> {
    (settings.tls_port != 0).then(|| TlsAcceptor::load(&settings.tls)).transpose()
}

/// What makes connections that this node begins encrypted ones, from the files as they are now.
pub(crate) fn connector(settings: &Settings) -> Result<TlsConnector, TlsError> {
    TlsConnector::load(&settings.tls)
}

/// Whether the files of TLS are there and fit together, as far as the settings need them.
pub(crate) fn check_tls(settings: &Settings) -> Result<Option<TlsAcceptor>, TlsError> {
    if settings.tls_links.any() {
        connector(settings)?;
    }
    acceptor(settings)
}

/// Listens on every address of `bind`; returns those that are served. Port 0 lets the system choose
/// one, the same for all addresses.
pub fn listen(net: &mut Driver, settings: &Settings) -> Result<Vec<SocketAddr>, ListenError> {
    let served = listen_at(net, settings, settings.port, None, &[])?;
    Ok(served.into_iter().map(|(address, _)| address).collect())
}

/// The same at any port, with or without TLS, for a node that may listen already: what is `open` stays so, and on failure what
/// is new is closed again.
pub(crate) fn listen_at(
    net: &mut Driver,
    settings: &Settings,
    port: u16,
    acceptor: Option<&TlsAcceptor>,
    open: &[(SocketAddr, ListenerId)],
) -> Result<Vec<(SocketAddr, ListenerId)>, ListenError> {
    let mut served = Vec::new();
    let result = listen_each(net, settings, port, acceptor, open, &mut served);
    if let Err(error) = result {
        for (address, id) in served {
            if !open.iter().any(|(kept, _)| *kept == address) {
                net.unlisten(id);
            }
        }
        return Err(error);
    }
    Ok(served)
}

fn listen_each(
    net: &mut Driver,
    settings: &Settings,
    mut port: u16,
    acceptor: Option<&TlsAcceptor>,
    open: &[(SocketAddr, ListenerId)],
    served: &mut Vec<(SocketAddr, ListenerId)>,
) -> Result<(), ListenError> {
    let options = listeners::options(settings);
    for name in &settings.bind {
        let (name, is_optional) = match name.strip_prefix('-') {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        for address in addresses(name, port)? {
            if let Some(kept) = open.iter().find(|(kept, _)| *kept == address) {
                served.push(*kept);
                continue;
            }
            let listener = match acceptor {
                None => net.listen(address, &options),
                Some(acceptor) => net.listen_tls(address, &options, acceptor.clone()),
            };
            match listener {
                Ok(listener) => {
                    let address = net.local_address(listener).unwrap_or(address);
                    port = address.port();
                    served.push((address, listener));
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(ListenError::InUse { address });
                }
                Err(error) if is_optional && is_missing(&error) => {}
                Err(error) => return Err(ListenError::Address { address, error }),
            }
        }
    }
    // An empty `bind` means no address.
    if served.is_empty() && !settings.bind.is_empty() {
        return Err(ListenError::Nothing);
    }
    Ok(())
}

/// What an entry of `bind` means: `*`, `::*`, an address, or the name of one.
fn addresses(name: &str, port: u16) -> Result<Vec<SocketAddr>, ListenError> {
    match name {
        "*" => Ok(vec![(Ipv4Addr::UNSPECIFIED, port).into()]),
        "::*" => Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into()]),
        name => match (name, port).to_socket_addrs() {
            Ok(found) => Ok(found.collect()),
            Err(error) => Err(ListenError::Name { name: name.to_owned(), error }),
        },
    }
}

/// This machine does not have the address, or not its family.
fn is_missing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let missing = [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT, Errno::PROTONOSUPPORT];
    Errno::from_io_error(error).is_some_and(|errno| missing.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::Directive;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let mut config = Config::default();
        let directives: Vec<Directive> = pairs
            .iter()
            .map(|(name, value)| Directive {
                name: (*name).to_owned(),
                words: value.split(' ').map(str::to_owned).collect(),
            })
            .collect();
        config.load(&directives).unwrap();
        config.settings().clone()
    }

    #[test]
    fn a_chosen_port_is_the_same_for_all_addresses() {
        let mut net = Driver::new().unwrap();
        let settings = settings(&[("port", "0"), ("bind", "127.0.0.1 127.0.0.2 -192.0.2.1")]);
        let served = listen(&mut net, &settings).unwrap();
        assert_eq!(served.len(), 2);
        assert_eq!(served[0].port(), served[1].port());
    }

    #[test]
    fn a_taken_port_and_a_foreign_address_are_told_apart() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let mut net = Driver::new().unwrap();
        let in_use = listen(&mut net, &settings(&[("port", &port), ("bind", "127.0.0.1")]));
        assert!(matches!(in_use, Err(ListenError::InUse { .. })), "{in_use:?}");
        let foreign = listen(&mut net, &settings(&[("port", "0"), ("bind", "192.0.2.1")]));
        assert!(matches!(foreign, Err(ListenError::Address { .. })), "{foreign:?}");
        let nothing = listen(&mut net, &settings(&[("port", "0"), ("bind", "-192.0.2.1")]));
        assert!(matches!(nothing, Err(ListenError::Nothing)), "{nothing:?}");
    }
}
