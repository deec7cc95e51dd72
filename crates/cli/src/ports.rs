//! Who holds a port: so that "address in use" comes with a name.
//!
//! `/proc/net/tcp` gives the inode of the listening socket, `/proc/<pid>/fd` the process that has it open.
//! Processes of other users cannot be looked into; then the holder stays unknown.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// A process that listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    pub(crate) name: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} ({})", self.pid, self.name)
    }
}

/// Whether `address` can be bound.
#[derive(Debug)]
pub(crate) enum Port {
    Free,
    Taken(Option<Holder>),
    /// Not for us, or not of this machine.
    Impossible(io::Error),
}

/// Tries it.
pub(crate) fn probe(address: SocketAddr) -> Port {
    match TcpListener::bind(address) {
        Ok(_) => Port::Free,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Port::Taken(holder(address.port()))
        }
        Err(error) => Port::Impossible(error),
    }
}

/// The process that listens on `port`, whatever the address.
fn holder(port: u16) -> Option<Holder> {
    let inodes: Vec<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    for process in processes {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        if has_socket(&process.path(), &inodes) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(Holder { pid, name: name.trim().to_owned() });
        }
    }
    None
}

fn has_socket(process: &Path, inodes: &[u64]) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors.filter_map(Result::ok).any(|descriptor| {
        fs::read_link(descriptor.path())
            .ok()
            .and_then(|target| {
                let target = target.to_str()?;
                target.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
            })
            .is_some_and(|inode| inodes.contains(&inode))
    })
}

/// Inodes of sockets in state LISTEN (`0A`) on `port`, from the text of `/proc/net/tcp`:
/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...`.
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    let row = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (_, local_port) = fields.nth(1)?.rsplit_once(':')?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?.parse().ok()?;
        let matches = u16::from_str_radix(local_port, 16) == Ok(port) && state == "0A";
        matches.then_some(inode)
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let Port::Taken(Some(holder)) = probe(address) else { panic!("it is ours") };
        assert_eq!(holder.pid, std::process::id());
        drop(listener);
        assert!(matches!(probe(address), Port::Free));
    }

    #[test]
    fn an_address_of_another_machine_is_impossible() {
        assert!(matches!(probe("192.0.2.1:0".parse().unwrap()), Port::Impossible(_)));
    }

    #[test]
    fn the_table_of_sockets_is_read_leniently() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 x
   1: 0100007F:18EB 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 1 x
garbage
";
        assert_eq!(listening_inodes(table, 6379), [111]);
        assert_eq!(listening_inodes(table, 6380), [0; 0]);
        assert_eq!(listening_inodes("", 1), [0; 0]);
    }
}
