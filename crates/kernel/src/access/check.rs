//! May this user run this command, with these keys and channels?

use catalog::{Arguments, CommandSpec, Flag, KeyFlag, KeyFlags};

use super::selector::{KeyUse, Selector};
use super::user::User;

/// What is not allowed. Larger is more telling: of several selectors that deny a command, the largest is reported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Denial {
    /// The command itself.
    Command,
    /// The key at this position.
    Key { at: usize },
    /// The channel at this position.
    Channel { at: usize },
}

impl Denial {
    /// The object that was denied: the command's name, a key or a channel.
    pub fn object<'a, A: Arguments + ?Sized>(self, spec: &'a CommandSpec, args: &'a A) -> &'a [u8] {
        match self {
            Denial::Command => spec.name.as_bytes(),
            Denial::Key { at } | Denial::Channel { at } => args.at(at),
        }
    }

    /// What the client is told, behind `NOPERM `.
    pub fn text(self, user: &User, spec: &CommandSpec) -> String {
        match self {
            Denial::Command => {
                let name = String::from_utf8_lossy(user.name());
                format!("User {name} has no permissions to run the '{}' command", spec.name)
            }
            Denial::Key { .. } => "No permissions to access a key".to_owned(),
            Denial::Channel { .. } => "No permissions to access a channel".to_owned(),
        }
    }

    /// The same with the name of what was denied, for who may know it (ACL DRYRUN).
    pub fn detail<A: Arguments + ?Sized>(
        self,
        user: &User,
        spec: &CommandSpec,
        args: &A,
    ) -> Vec<u8> {
        let kind: &[u8] = match self {
            Denial::Command => return self.text(user, spec).into_bytes(),
            Denial::Key { .. } => b"' key",
            Denial::Channel { .. } => b"' channel",
        };
        let object = self.object(spec, args);
        [b"User ".as_slice(), user.name(), b" has no permissions to access the '", object, kind]
            .concat()
    }

    /// What EXEC tells of a command that was allowed when it was queued, behind `NOPERM `.
    pub fn text_in_exec(self) -> String {
        let reason = match self {
            Denial::Command => "no permission to execute the command or subcommand",
            Denial::Key { .. } => "no permission to touch the specified keys",
            Denial::Channel { .. } => {
                "no permission to access one of the channels used as arguments"
            }
        };
        format!(
            "ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command \
             is no longer allowed for the following reason: {reason}"
        )
    }
}

/// Whether `user` may run the command: one of the selectors allows it with all its keys and channels.
/// `args` begins with the command's name and has as many words as the command accepts.
pub fn check<A: Arguments + ?Sized>(
    user: &User,
    spec: &CommandSpec,
    args: &A,
) -> Result<(), Denial> {
    if user.is_unrestricted() {
        return Ok(());
    }
    let mut keys = None;
    let mut worst = Denial::Command;
    for selector in user.selectors() {
        match check_selector(selector, spec, args, &mut keys) {
            Ok(()) => return Ok(()),
            Err(denial) => worst = worst.max(denial),
        }
    }
    Err(worst)
}

/// Whether one selector allows the command and, besides, reading every key there is (SORT ... BY, GET).
pub(crate) fn may_read_every_key<A: Arguments + ?Sized>(
    user: &User,
    spec: &CommandSpec,
    args: &A,
) -> bool {
    let mut keys = None;
    user.is_unrestricted()
        || user.selectors().iter().any(|selector| {
            selector.allows_every_key(KeyUse::READ)
                && check_selector(selector, spec, args, &mut keys).is_ok()
        })
}

/// Positions and uses of keys, found once for all selectors.
type Keys = Vec<(usize, KeyUse)>;

fn check_selector<A: Arguments + ?Sized>(
    selector: &Selector,
    spec: &CommandSpec,
    args: &A,
    keys: &mut Option<Keys>,
) -> Result<(), Denial> {
    let argument_at = if spec.container().is_some() { 2 } else { 1 };
    let argument = (argument_at < args.count()).then(|| args.at(argument_at));
    if !spec.has(Flag::NoAuth) && !selector.allows_command(spec, argument) {
        return Err(Denial::Command);
    }
    if !selector.allows_all_keys() && !spec.keys.is_empty() {
        let keys = keys.get_or_insert_with(|| keys_of(spec, args));
        let denied = keys.iter().find(|(at, wanted)| !selector.allows_key(args.at(*at), *wanted));
        if let Some((at, _)) = denied {
            return Err(Denial::Key { at: *at });
        }
    }
    if !selector.allows_all_channels()
        && let Some(use_of) = ChannelUse::of(spec)
    {
        let last = if use_of.is_one { 2.min(args.count()) } else { args.count() };
        let denied = (1..last).find(|at| !selector.allows_channel(args.at(*at), use_of.is_pattern));
        if let Some(at) = denied {
            return Err(Denial::Channel { at });
        }
    }
    Ok(())
}

/// None when the arguments do not say where keys are: the command will tell what is wrong with them.
fn keys_of<A: Arguments + ?Sized>(spec: &CommandSpec, args: &A) -> Keys {
    let mut keys = Vec::new();
    let found = |at: usize, flags: KeyFlags| {
        if !flags.contains(KeyFlag::NotKey) {
            keys.push((at, KeyUse::of(flags)));
        }
    };
    match catalog::keys(spec, args, found) {
        Ok(()) => keys,
        Err(_) => Vec::new(),
    }
}

/// How a command uses the channels among its arguments. Leaving a channel is always allowed.
#[derive(Clone, Copy)]
struct ChannelUse {
    is_pattern: bool,
    /// Only the first argument is a channel.
    is_one: bool,
}

impl ChannelUse {
    fn of(spec: &CommandSpec) -> Option<ChannelUse> {
        if !spec.has(Flag::Pubsub) {
            return None;
        }
        match spec.name {
            "subscribe" | "ssubscribe" => Some(ChannelUse { is_pattern: false, is_one: false }),
            "psubscribe" => Some(ChannelUse { is_pattern: true, is_one: false }),
            "publish" | "spublish" => Some(ChannelUse { is_pattern: false, is_one: true }),
            _ => None,
        }
    }
}
