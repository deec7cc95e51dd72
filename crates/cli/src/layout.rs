//! The directory of `pollux up` and the file that makes it one.
//!
//! ```text
//!   <dir>/pollux.json      who this is: cluster id, secret, ports; written once, atomically, mode 0600
//!   <dir>/up.lock          held by the running `pollux up`
//!   <dir>/config-<n>/      a config server's Raft log and state
//!   <dir>/agent/           the agent's orders
//!   <dir>/nodes/node-<n>/  a data node
//!   <dir>/log/, <dir>/run/ logs and process records of config servers and agent
//! ```

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use agent::process::write_atomically;
use base::ClusterId;
use cluster::api::Edition;
use serde::{Deserialize, Serialize};

/// Where everything is kept unless `--dir` says otherwise.
pub(crate) const DEFAULT_DIR: &str = "pollux-data";

const FILE: &str = "pollux.json";
const FORMAT: u32 = 1;

/// The content of `pollux.json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub(crate) format: u32,
    pub(crate) cluster: ClusterId,
    /// Known to the processes of this cluster only.
    pub(crate) secret: String,
    /// Name of this host.
    pub(crate) host: String,
    /// REST and Raft address of config server 1, 2, ...
    pub(crate) config_servers: Vec<SocketAddr>,
    /// Endpoint of the first instance.
    pub(crate) bind: IpAddr,
    pub(crate) port: u16,
    pub(crate) edition: Edition,
    pub(crate) replicas: u8,
    /// The first instance was created once; it is not created again when someone deletes it.
    pub(crate) instance_created: bool,
}

/// What a directory is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Absent, or nothing in it that matters.
    Nothing,
    Ours(Box<Layout>),
    /// Something else is kept there.
    Foreign {
        example: PathBuf,
    },
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayoutError {
    #[error("cannot read {path}: {cause}")]
    Read { path: PathBuf, cause: io::Error },
    #[error("cannot write {path}: {cause}")]
    Write { path: PathBuf, cause: io::Error },
    #[error("{path} is damaged: {cause}")]
    Damaged { path: PathBuf, cause: serde_json::Error },
    #[error("{path} has format {found}; this program knows format {FORMAT}")]
    Format { path: PathBuf, found: u32 },
    #[error("no random numbers from the system: {0}")]
    Random(io::Error),
    #[error("no free port on 127.0.0.1: {0}")]
    Port(io::Error),
}

impl Layout {
    /// A new identity with `config_servers` of them on free ports.
    pub(crate) fn create(
        config_servers: u8,
        bind: IpAddr,
        port: u16,
        edition: Edition,
        replicas: u8,
    ) -> Result<Layout, LayoutError> {
        let mut random = [0_u8; 48];
        rustix::rand::getrandom(&mut random[..], rustix::rand::GetRandomFlags::empty())
            .map_err(|errno| LayoutError::Random(errno.into()))?;
        let (cluster, secret) = random.split_at(16);
        let cluster = u128::from_le_bytes(cluster.try_into().expect("split at 16"));
        Ok(Layout {
            format: FORMAT,
            cluster: ClusterId(cluster),
            secret: secret.iter().map(|byte| format!("{byte:02x}")).collect(),
            host: "local".into(),
            config_servers: free_addresses(config_servers, port).map_err(LayoutError::Port)?,
            bind,
            port,
            edition,
            replicas,
            instance_created: false,
        })
    }

    pub(crate) fn find(dir: &Path) -> Result<Found, LayoutError> {
        let path = dir.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => {
                let layout: Layout = serde_json::from_slice(&bytes)
                    .map_err(|cause| LayoutError::Damaged { path: path.clone(), cause })?;
                if layout.format != FORMAT {
                    return Err(LayoutError::Format { path, found: layout.format });
                }
                return Ok(Found::Ours(Box::new(layout)));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(LayoutError::Read { path, cause }),
        }
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(cause) => return Err(LayoutError::Read { path: dir.to_owned(), cause }),
        };
        for entry in entries {
            let entry = entry.map_err(|cause| LayoutError::Read { path: dir.to_owned(), cause })?;
            // Left by an `up` that ended before it had written the identity.
            let ours = [UP_LOCK_FILE, "pollux.json.tmp"];
            if !ours.iter().any(|name| entry.file_name() == *name) {
                return Ok(Found::Foreign { example: entry.path() });
            }
        }
        Ok(Found::Nothing)
    }

    pub(crate) fn save(&self, dir: &Path) -> Result<(), LayoutError> {
        let path = dir.join(FILE);
        let json = serde_json::to_vec_pretty(self).expect("plain data always has a JSON form");
        write_atomically(&path, &json).map_err(|cause| LayoutError::Write { path, cause })
    }

    pub(crate) fn endpoint(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }

    /// Config servers that have run and whose directories are gone. One of these must not be started as if it
    /// were new: it may have voted.
    pub(crate) fn lost_config_servers(&self, dir: &Path) -> Vec<u8> {
        let is_gone = |id: &u8| match fs::read_dir(config_dir(dir, *id)) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        let ids = (1..).take(self.config_servers.len());
        if self.instance_created { ids.filter(is_gone).collect() } else { Vec::new() }
    }

    /// `host:port` of the config servers, as the client wants them.
    pub(crate) fn config_addresses(&self) -> Vec<String> {
        self.config_servers.iter().map(SocketAddr::to_string).collect()
    }
}

/// Name of the lock that `pollux up` holds, and of its file.
pub(crate) const UP_LOCK: &str = "up";
const UP_LOCK_FILE: &str = "up.lock";

pub(crate) fn nodes_dir(dir: &Path) -> PathBuf {
    dir.join("nodes")
}

/// Of config server `id`, 1..
pub(crate) fn config_dir(dir: &Path, id: u8) -> PathBuf {
    dir.join(format!("config-{id}"))
}

pub(crate) fn agent_dir(dir: &Path) -> PathBuf {
    dir.join("agent")
}

/// What to add to a command of ours so that it finds `dir`: nothing where that is its default.
pub(crate) fn dir_option(dir: &Path) -> String {
    let default = std::env::current_dir().map(|here| here.join(DEFAULT_DIR));
    match default {
        Ok(default) if default == dir => String::new(),
        Ok(_) | Err(_) => format!(" --dir {}", dir.display()),
    }
}

/// Ports that were free a moment ago, none of them `taken`. All are held until the last is found, so
/// that they differ.
fn free_addresses(count: u8, taken: u16) -> io::Result<Vec<SocketAddr>> {
    let mut held = Vec::new();
    while held.len() < usize::from(count) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        if address.port() != taken {
            held.push((listener, address));
        }
    }
    Ok(held.into_iter().map(|(_, address)| address).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let bind = Ipv4Addr::LOCALHOST.into();
        Layout::create(3, bind, 7000, Edition::Standard, 1).unwrap()
    }

    #[test]
    fn an_identity_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Layout::find(dir.path()).unwrap(), Found::Nothing);
        assert_eq!(Layout::find(&dir.path().join("absent")).unwrap(), Found::Nothing);
        let layout = layout();
        layout.save(dir.path()).unwrap();
        fs::write(dir.path().join("other"), "").unwrap();
        assert_eq!(Layout::find(dir.path()).unwrap(), Found::Ours(Box::new(layout)));
    }

    #[test]
    fn a_config_server_that_has_run_is_missed() {
        let dir = tempfile::tempdir().unwrap();
        let mut layout = layout();
        assert_eq!(layout.lost_config_servers(dir.path()), [0_u8; 0], "nothing has run yet");
        layout.instance_created = true;
        for id in [1, 3] {
            fs::create_dir(config_dir(dir.path(), id)).unwrap();
        }
        fs::write(config_dir(dir.path(), 1).join("raft"), "x").unwrap();
        assert_eq!(layout.lost_config_servers(dir.path()), [2, 3]);
    }

    #[test]
    fn two_identities_differ_and_ports_are_distinct() {
        let (one, two) = (layout(), layout());
        assert_ne!(one.cluster, two.cluster);
        assert_ne!(one.secret, two.secret);
        let mut ports: Vec<u16> = one.config_servers.iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 3);
    }

    #[test]
    fn a_directory_with_other_things_is_foreign_and_a_damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("up.lock"), "1").unwrap();
        assert_eq!(Layout::find(dir.path()).unwrap(), Found::Nothing);
        fs::write(dir.path().join("thesis.tex"), "").unwrap();
        assert!(matches!(Layout::find(dir.path()).unwrap(), Found::Foreign { .. }));
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(matches!(Layout::find(dir.path()), Err(LayoutError::Damaged { .. })));
    }
}
