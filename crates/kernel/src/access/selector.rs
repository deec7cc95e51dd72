//! A selector: one set of permissions. A user has a root selector and may have more; one that allows everything
//! that a command does is enough.
//!
//! ```text
//!   +@read -get ~a* %W~b* &news     --apply-->   commands   one bit a row of the catalog
//!                                                arguments  "select|0": only with this first argument
//!                                                keys       [(~a*, read + write), (b*, write)]
//!                                                channels   [news]
//!                                                written    [+@read, -get]: how the bits came about
//! ```
//!
//! Invariant: applying `written` in its order to a selector that allows nothing (or everything, if
//! `allows_unknown`) gives `commands` and `arguments`; this is how a selector is written down.

use catalog::{COMMAND_COUNT, COMMANDS, Category, CommandId, CommandSpec, KeyFlag, KeyFlags};

use super::rules::{Problem, has_gaps};

/// One bit a row of the catalog.
#[derive(Clone, PartialEq, Eq)]
struct CommandSet([u64; COMMAND_COUNT.div_ceil(64)]);

impl CommandSet {
    const NONE: CommandSet = CommandSet([0; COMMAND_COUNT.div_ceil(64)]);
    const ALL: CommandSet = CommandSet([u64::MAX; COMMAND_COUNT.div_ceil(64)]);

    fn contains(&self, id: CommandId) -> bool {
        self.0[id.index() / 64] >> (id.index() % 64) & 1 == 1
    }

    fn set(&mut self, id: CommandId, is_in: bool) {
        let bit = 1 << (id.index() % 64);
        let word = &mut self.0[id.index() / 64];
        *word = if is_in { *word | bit } else { *word & !bit };
    }
}

impl std::fmt::Debug for CommandSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = COMMANDS.iter().filter(|spec| self.contains(spec.id)).map(|spec| spec.name);
        f.debug_set().entries(names).finish()
    }
}

/// What may be done to a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct KeyUse {
    pub(super) reads: bool,
    pub(super) writes: bool,
}

impl KeyUse {
    const BOTH: KeyUse = KeyUse { reads: true, writes: true };
    pub(super) const READ: KeyUse = KeyUse { reads: true, writes: false };

    /// What a command does to a key; neither when it only looks whether the key is there.
    pub(super) fn of(flags: KeyFlags) -> KeyUse {
        let writes = [KeyFlag::Insert, KeyFlag::Delete, KeyFlag::Update];
        KeyUse {
            reads: flags.contains(KeyFlag::Access),
            writes: writes.iter().any(|flag| flags.contains(*flag)),
        }
    }

    fn covers(self, wanted: KeyUse) -> bool {
        self.reads >= wanted.reads && self.writes >= wanted.writes
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct KeyPattern {
    glob: Box<[u8]>,
    allows: KeyUse,
}

/// One set of permissions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Selector {
    commands: CommandSet,
    /// Every command, without a look at the bits.
    allows_all_commands: bool,
    /// It began with `+@all`.
    allows_unknown: bool,
    /// Commands that are not allowed but with one of these first arguments.
    arguments: Vec<(CommandId, Vec<Box<[u8]>>)>,
    /// `+`/`-` and the name in lower case.
    written: Vec<(bool, String)>,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    all_channels: bool,
    channels: Vec<Box<[u8]>>,
}

impl Selector {
    /// Allows nothing, but every channel if `opens_channels`.
    pub(super) fn new(opens_channels: bool) -> Selector {
        Selector {
            commands: CommandSet::NONE,
            allows_all_commands: false,
            allows_unknown: false,
            arguments: Vec::new(),
            written: Vec::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels: opens_channels,
            channels: Vec::new(),
        }
    }

    /// Follows one rule; after an error the selector is as it was.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), Problem> {
        match rule.to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => self.open_keys(true),
            b"resetkeys" => self.open_keys(false),
            b"allchannels" | b"&*" => self.open_channels(true),
            b"resetchannels" => self.open_channels(false),
            b"allcommands" | b"+@all" => self.open_commands(true),
            b"nocommands" | b"-@all" => self.open_commands(false),
            [sign @ (b'+' | b'-'), b'@', category @ ..] => {
                return self.apply_category(category, *sign == b'+');
            }
            [b'+', name @ ..] => return self.allow(name),
            [b'-', name @ ..] => {
                let spec = catalog::find_full(name).ok_or(Problem::UnknownName)?;
                self.change(spec, false);
                self.write_down(spec.name, false);
            }
            [b'~', ..] => return self.add_keys(&rule[1..], KeyUse::BOTH),
            [b'%', ..] if self.all_keys => return Err(Problem::KeysAreOpen),
            [b'%', ..] => {
                let (glob, allows) = split_key_rule(&rule[1..])?;
                return self.add_keys(glob, allows);
            }
            [b'&', ..] => return self.add_channel(&rule[1..]),
            _ => return Err(Problem::Syntax),
        }
        Ok(())
    }

    pub(super) fn open_keys(&mut self, is_open: bool) {
        self.all_keys = is_open;
        self.keys.clear();
    }

    pub(super) fn open_channels(&mut self, is_open: bool) {
        self.all_channels = is_open;
        self.channels.clear();
    }

    pub(super) fn open_commands(&mut self, is_open: bool) {
        self.commands = if is_open { CommandSet::ALL } else { CommandSet::NONE };
        self.allows_all_commands = is_open;
        self.allows_unknown = is_open;
        self.arguments.clear();
        self.written.clear();
    }

    fn apply_category(&mut self, name: &[u8], is_allowed: bool) -> Result<(), Problem> {
        let category = find_category(name).ok_or(Problem::UnknownName)?;
        self.write_down(&format!("@{}", category.name()), is_allowed);
        for spec in COMMANDS.iter().filter(|spec| spec.categories.contains(category)) {
            self.change(spec, is_allowed);
        }
        Ok(())
    }

    /// `name`, `container|subcommand` or `name|argument`, in lower case.
    fn allow(&mut self, name: &[u8]) -> Result<(), Problem> {
        let Some(bar) = name.iter().rposition(|byte| *byte == b'|') else {
            let spec = catalog::find_full(name).ok_or(Problem::UnknownName)?;
            self.change(spec, true);
            self.write_down(spec.name, true);
            return Ok(());
        };
        let argument = &name[bar + 1..];
        let spec = catalog::find_full(&name[..bar]).ok_or(Problem::UnknownName)?;
        if spec.container().is_some() {
            return Err(Problem::ArgumentOfSubcommand);
        }
        if argument.is_empty() {
            return Err(Problem::Syntax);
        }
        if spec.is_container() {
            let spec = catalog::find_full(name).ok_or(Problem::UnknownName)?;
            self.change(spec, true);
            self.write_down(spec.name, true);
            return Ok(());
        }
        let text = std::str::from_utf8(name).map_err(|_| Problem::Syntax)?;
        if has_gaps(argument) {
            return Err(Problem::Syntax);
        }
        self.allow_argument(spec.id, argument);
        self.write_down(text, true);
        Ok(())
    }

    fn allow_argument(&mut self, id: CommandId, argument: &[u8]) {
        let place = self.arguments.iter().position(|(known, _)| *known == id);
        let place = place.unwrap_or_else(|| {
            self.arguments.push((id, Vec::new()));
            self.arguments.len() - 1
        });
        let arguments = &mut self.arguments[place].1;
        if !arguments.iter().any(|known| **known == *argument) {
            arguments.push(argument.into());
        }
    }

    /// Allows or forbids a command and its subcommands; rules about its arguments end.
    fn change(&mut self, spec: &CommandSpec, is_allowed: bool) {
        self.allows_all_commands &= is_allowed;
        self.arguments.retain(|(id, _)| *id != spec.id);
        self.commands.set(spec.id, is_allowed);
        spec.subcommands().iter().for_each(|sub| self.commands.set(sub.id, is_allowed));
    }

    /// Notes a rule; it replaces what was said before of the same name, and of its subcommands.
    fn write_down(&mut self, name: &str, is_allowed: bool) {
        self.written.retain(|(_, old)| {
            old.strip_prefix(name).is_none_or(|rest| !rest.is_empty() && !rest.starts_with('|'))
        });
        self.written.push((is_allowed, name.to_owned()));
    }

    fn add_keys(&mut self, glob: &[u8], allows: KeyUse) -> Result<(), Problem> {
        if self.all_keys {
            return Err(Problem::KeysAreOpen);
        }
        if has_gaps(glob) {
            return Err(Problem::Syntax);
        }
        match self.keys.iter_mut().find(|pattern| *pattern.glob == *glob) {
            Some(KeyPattern { allows: known, .. }) => {
                known.reads |= allows.reads;
                known.writes |= allows.writes;
            }
            None => self.keys.push(KeyPattern { glob: glob.into(), allows }),
        }
        Ok(())
    }

    fn add_channel(&mut self, glob: &[u8]) -> Result<(), Problem> {
        if self.all_channels {
            return Err(Problem::ChannelsAreOpen);
        }
        if has_gaps(glob) {
            return Err(Problem::Syntax);
        }
        if !self.channels.iter().any(|known| **known == *glob) {
            self.channels.push(glob.into());
        }
        Ok(())
    }

    /// Everything, for ever: no check can fail.
    pub(super) fn is_unrestricted(&self) -> bool {
        self.allows_all_commands && self.all_keys && self.all_channels
    }

    /// Whether the command may run, with this first argument.
    pub(super) fn allows_command(&self, spec: &CommandSpec, argument: Option<&[u8]>) -> bool {
        if self.allows_all_commands || self.commands.contains(spec.id) {
            return true;
        }
        let allowed = self.arguments.iter().find(|(id, _)| *id == spec.id);
        let Some(((_, allowed), argument)) = allowed.zip(argument) else { return false };
        allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(argument))
    }

    pub(super) fn allows_all_keys(&self) -> bool {
        self.all_keys
    }

    pub(super) fn allows_key(&self, key: &[u8], wanted: KeyUse) -> bool {
        self.all_keys
            || self.keys.iter().any(|pattern| {
                pattern.allows.covers(wanted) && base::glob::matches(&pattern.glob, key, false)
            })
    }

    /// Whether there is no key that may not be used so.
    pub(super) fn allows_every_key(&self, wanted: KeyUse) -> bool {
        self.all_keys
            || self
                .keys
                .iter()
                .any(|pattern| pattern.allows.covers(wanted) && *pattern.glob == *b"*")
    }

    pub(super) fn allows_all_channels(&self) -> bool {
        self.all_channels
    }

    /// `is_pattern`: the client wants all channels that match (PSUBSCRIBE), and needs the very same pattern.
    pub(super) fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.all_channels
            || self.channels.iter().any(|allowed| {
                if is_pattern {
                    **allowed == *channel
                } else {
                    base::glob::matches(allowed, channel, false)
                }
            })
    }

    /// Channel patterns that are allowed one by one.
    pub(super) fn channels(&self) -> &[Box<[u8]>] {
        &self.channels
    }

    /// `-@all +get`.
    pub(super) fn command_rules(&self) -> String {
        let mut text = String::from(if self.allows_unknown { "+@all" } else { "-@all" });
        for (is_allowed, name) in &self.written {
            text.push_str(if *is_allowed { " +" } else { " -" });
            text.push_str(name);
        }
        text
    }

    /// `~a* %R~b*`.
    pub(super) fn key_rules(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let prefix = |allows: KeyUse| -> &[u8] {
            match (allows.reads, allows.writes) {
                (true, false) => b"%R~",
                (false, true) => b"%W~",
                (true, true) | (false, false) => b"~",
            }
        };
        let rules =
            self.keys.iter().map(|pattern| [prefix(pattern.allows), &pattern.glob].concat());
        rules.collect::<Vec<_>>().join(&b' ')
    }

    /// `&a &b*`.
    pub(super) fn channel_rules(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let rules = self.channels.iter().map(|glob| [b"&".as_slice(), glob].concat());
        rules.collect::<Vec<_>>().join(&b' ')
    }

    /// All rules, such that they make the same selector of any other one.
    pub(super) fn describe(&self, out: &mut Vec<u8>) {
        let keys = self.key_rules();
        if !keys.is_empty() {
            out.extend_from_slice(&keys);
            out.push(b' ');
        }
        if !self.all_channels {
            out.extend_from_slice(b"resetchannels ");
        }
        let channels = self.channel_rules();
        if !channels.is_empty() {
            out.extend_from_slice(&channels);
            out.push(b' ');
        }
        out.extend_from_slice(self.command_rules().as_bytes());
    }
}

/// `R~glob`, `W~glob`, `RW~glob`.
fn split_key_rule(rule: &[u8]) -> Result<(&[u8], KeyUse), Problem> {
    let tilde = rule.iter().position(|byte| *byte == b'~').ok_or(Problem::Syntax)?;
    let allows = match rule[..tilde].to_ascii_lowercase().as_slice() {
        b"r" => KeyUse::READ,
        b"w" => KeyUse { reads: false, writes: true },
        b"rw" | b"wr" => KeyUse::BOTH,
        _ => return Err(Problem::Syntax),
    };
    Ok((&rule[tilde + 1..], allows))
}

/// By name, without its `@`, in any case.
pub(crate) fn find_category(name: &[u8]) -> Option<Category> {
    let is_named = |category: &&Category| category.name().as_bytes().eq_ignore_ascii_case(name);
    Category::ALL.iter().find(is_named).copied()
}
