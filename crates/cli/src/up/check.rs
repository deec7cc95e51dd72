//! What `up` makes sure of before it starts anything; every refusal says what to do.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use agent::directory::{DirectoryLock, LockError};
use anyhow::{Result, bail};
use cluster::api::Edition;

use crate::args;
use crate::layout::{Found, Layout, LayoutError, UP_LOCK};
use crate::out::Trouble;
use crate::ports::{self, Holder, Port};

const PORT_DEFAULT: u16 = 6379;

/// Takes the directory and finds or makes its identity. The flag tells whether it is new.
pub(crate) fn prepare(dir: &Path, args: &args::Up) -> Result<(DirectoryLock, Layout, bool)> {
    // Looked at before the lock, which would write into someone else's directory.
    if let Found::Foreign { example } = find(dir)? {
        bail!(Trouble::new(
            format!(
                "{} is not a directory of Pollux: it holds {}",
                dir.display(),
                example.display()
            ),
            "name an empty or a new directory with --dir",
        ));
    }
    let lock = DirectoryLock::take(dir, UP_LOCK).map_err(|error| locked(dir, error))?;
    let (layout, is_new) = match find(dir)? {
        Found::Ours(layout) => {
            check_same(dir, &layout, args)?;
            check_config_servers(dir, &layout)?;
            (*layout, false)
        }
        Found::Nothing | Found::Foreign { .. } => (create(args)?, true),
    };
    check_ports(dir, &layout, is_new)?;
    if is_new {
        layout.save(dir).map_err(|error| {
            Trouble::new(error.to_string(), "free some space or name another directory with --dir")
        })?;
    }
    Ok((lock, layout, is_new))
}

fn find(dir: &Path) -> Result<Found> {
    Layout::find(dir).map_err(|error| {
        let remedy = match &error {
            LayoutError::Damaged { .. } | LayoutError::Format { .. } => {
                "bring the file back from a backup; it cannot be made anew, because it names the cluster"
            }
            _ => "check its permissions, or name another directory with --dir",
        };
        Trouble::new(error.to_string(), remedy).into()
    })
}

fn locked(dir: &Path, error: LockError) -> Trouble {
    match error {
        LockError::Held { holder, .. } => Trouble::new(
            format!("another `pollux up` (process {holder}) runs on {}", dir.display()),
            format!(
                "see it with `pollux status --dir {}`, stop it with `kill {holder}`, or name another --dir",
                dir.display()
            ),
        ),
        LockError::Io { path, source } => Trouble::new(
            format!("cannot write {}: {source}", path.display()),
            "name a directory that you may write to with --dir",
        ),
    }
}

fn create(args: &args::Up) -> Result<Layout> {
    let edition = args.edition.unwrap_or_default();
    let replicas = match (edition, args.replicas) {
        (Edition::Single, None | Some(0)) => 0,
        (Edition::Single, Some(n)) => bail!(Trouble::usage(
            format!("a single-node instance has no replicas, and --replicas says {n}"),
            "leave out --replicas, or use --edition standard",
        )),
        (Edition::Standard, Some(0)) => bail!(Trouble::usage(
            "a standard instance has 1 to 5 replicas, and --replicas says 0",
            "use --edition single for one node",
        )),
        (Edition::Standard, replicas) => replicas.unwrap_or(1),
    };
    let bind = args.bind.unwrap_or(Ipv4Addr::LOCALHOST.into());
    let port = args.port.unwrap_or(PORT_DEFAULT);
    Layout::create(args.config_servers.unwrap_or(1), bind, port, edition, replicas).map_err(
        |error| {
            Trouble::new(error.to_string(), "this machine lacks something that every program needs")
                .into()
        },
    )
}

/// Options of a later start may repeat the layout, not change it.
fn check_same(dir: &Path, layout: &Layout, args: &args::Up) -> Result<()> {
    let servers = layout.config_servers.len().to_string();
    let pairs: [(&str, Option<String>, String); 5] = [
        ("--port", args.port.map(|port| port.to_string()), layout.port.to_string()),
        ("--bind", args.bind.map(|bind| bind.to_string()), layout.bind.to_string()),
        ("--config-servers", args.config_servers.map(|count| count.to_string()), servers),
        ("--replicas", args.replicas.map(|count| count.to_string()), layout.replicas.to_string()),
        ("--edition", args.edition.map(|edition| edition.to_string()), layout.edition.to_string()),
    ];
    for (option, asked, held) in pairs {
        if let Some(asked) = asked
            && asked != held
        {
            bail!(Trouble::new(
                format!("{} was created with {option} {held}, not {asked}", dir.display()),
                format!("leave out {option} to resume it, or name a new directory with --dir"),
            ));
        }
    }
    if layout.instance_created && args.requirepass.is_some() {
        bail!(Trouble::new(
            format!(
                "{} has its instance already; --requirepass is for the first start",
                dir.display()
            ),
            "leave it out: the instance keeps the password that it was created with",
        ));
    }
    Ok(())
}

/// What the cluster is stands in the directories of its config servers. Without a majority of them a start
/// would make a new, empty cluster, whose orders would end every node.
fn check_config_servers(dir: &Path, layout: &Layout) -> Result<()> {
    let lost = layout.lost_config_servers(dir);
    let servers = layout.config_servers.len();
    if 2 * (servers - lost.len()) > servers {
        return Ok(());
    }
    let names: Vec<String> = lost.iter().map(|id| format!("config-{id}")).collect();
    bail!(Trouble::new(
        format!("{} lacks {}, which knows who is master", dir.display(), names.join(" and ")),
        "bring it back from where it went, or from a backup; the data of the nodes is untouched",
    ))
}

/// Ports are free, or held by a survivor of an earlier `up` on this directory.
fn check_ports(dir: &Path, layout: &Layout, is_new: bool) -> Result<()> {
    let endpoint = layout.endpoint();
    let remedy = if is_new {
        "stop that process, or choose another port with --port"
    } else {
        "stop that process; the port belongs to this directory"
    };
    check_port("the endpoint", endpoint, dir, remedy)?;
    for address in &layout.config_servers {
        check_port(
            "a config server",
            *address,
            dir,
            "stop that process; the port belongs to this directory",
        )?;
    }
    Ok(())
}

fn check_port(what: &str, address: SocketAddr, dir: &Path, remedy: &str) -> Result<()> {
    match ports::probe(address) {
        Port::Free => Ok(()),
        Port::Taken(Some(holder)) if is_survivor(&holder, dir) => Ok(()),
        Port::Taken(holder) => {
            let by = holder.map_or("another process".to_owned(), |holder| holder.to_string());
            bail!(Trouble::new(format!("{address} ({what}) is in use by {by}"), remedy))
        }
        Port::Impossible(error) => {
            let remedy = if is_local(address.ip()) {
                "choose another port with --port (below 1024 needs privileges)"
            } else {
                "--bind takes an address of this machine; 0.0.0.0 stands for all of them"
            };
            bail!(Trouble::new(format!("cannot listen on {address} ({what}): {error}"), remedy))
        }
    }
}

fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified()
}

/// Whether a process was started by an earlier `up` on `dir`: its command line names a path in there.
fn is_survivor(holder: &Holder, dir: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(line) = std::fs::read(format!("/proc/{}/cmdline", holder.pid)) else { return false };
    line.split(|&byte| byte == 0)
        .any(|arg| Path::new(std::ffi::OsStr::from_bytes(arg)).starts_with(dir))
}
