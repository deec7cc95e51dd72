//! The shape of a row: what is known of a command without executing it.
//!
//! ```text
//!   CommandSpec --- name, arity, flags, categories, first/last/step      (asked on the hot path)
//!        |--------- keys: [KeySpec]   begin_search -> find_keys          (see `keys`)
//!        `--------- docs: Docs        summary, history, [Argument] tree  (COMMAND DOCS)
//! ```
//!
//! Source of the facts: the replies of redis-server to COMMAND and COMMAND DOCS.

use std::ops::Range;

/// Where a command stands in [`crate::COMMANDS`]; dense, so a table beside ours is indexed with it.
/// Stable within one build only: never write it to disk or wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommandId(pub(crate) u16);

impl CommandId {
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// One command or subcommand.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    pub id: CommandId,
    /// Lower case; a subcommand carries its container: `config|get`.
    pub name: &'static str,
    pub group: Group,
    /// Number of arguments with the command's name (and the subcommand's); negative: at least.
    pub arity: i16,
    pub flags: Flags,
    /// With the implied ones (`@write` of a writing command, `@slow` of one that is not fast, ...).
    pub categories: Categories,
    /// First key, last key (negative: from the end), step; all 0 when there is no plain range.
    pub range: (i16, i16, i16),
    pub keys: &'static [KeySpec],
    pub tips: &'static [&'static str],
    pub docs: Docs,
    pub(crate) subcommands: (u16, u16),
    pub(crate) parent: Option<CommandId>,
}

impl CommandSpec {
    /// Whether `count` arguments (the name included) fit.
    #[inline]
    pub fn accepts(&self, count: usize) -> bool {
        let wanted = usize::from(self.arity.unsigned_abs());
        if self.arity >= 0 { count == wanted } else { count >= wanted }
    }

    #[inline]
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(flag)
    }

    /// In alphabetical order; empty for all but containers.
    pub fn subcommands(&self) -> &'static [CommandSpec] {
        let (from, to) = self.subcommands;
        &crate::COMMANDS[Range { start: usize::from(from), end: usize::from(to) }]
    }

    pub fn is_container(&self) -> bool {
        self.subcommands.0 < self.subcommands.1
    }

    /// The container of a subcommand.
    pub fn container(&self) -> Option<&'static CommandSpec> {
        self.parent.map(|id| &crate::COMMANDS[id.index()])
    }

    /// The name without its container: `get` of `config|get`.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, short)| short)
    }

    /// When the reply may leave.
    pub fn reply_class(&self) -> ReplyClass {
        if self.has(Flag::Write) {
            ReplyClass::AfterOwnEffects
        } else if self.categories.contains(Category::Scripting)
            || self.categories.contains(Category::Transaction)
        {
            ReplyClass::AfterOwnEffectsIfAny
        } else {
            ReplyClass::AtOnce
        }
    }
}

/// When the reply to a command may leave (the barrier is that of the instance's durability class).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyClass {
    /// Changes nothing that the log knows.
    AtOnce,
    /// Waits for the barrier of the last effect it appended.
    AfterOwnEffects,
    /// What it runs decides: EXEC, EVAL, FCALL.
    AfterOwnEffectsIfAny,
}

/// An enum whose values are bits of a set, in the order and with the names of redis-server.
macro_rules! bit_set {
    (
        $(#[$set_doc:meta])* $set:ident of
        $(#[$doc:meta])* $item:ident { $($variant:ident = $text:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $item { $($variant,)* }

        impl $item {
            /// In the order in which redis-server lists them.
            pub const ALL: &'static [$item] = &[$($item::$variant,)*];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $($item::$variant => $text,)* }
            }
        }

        $(#[$set_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct $set(u32);

        impl $set {
            pub const NONE: $set = $set(0);

            pub const fn of(items: &[$item]) -> $set {
                let mut bits = 0;
                let mut i = 0;
                while i < items.len() {
                    bits |= 1 << items[i] as u32;
                    i += 1;
                }
                $set(bits)
            }

            #[inline]
            pub const fn contains(self, item: $item) -> bool {
                self.0 & (1 << item as u32) != 0
            }

            #[must_use]
            pub const fn with(self, item: $item) -> $set {
                $set(self.0 | 1 << item as u32)
            }

            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            pub fn iter(self) -> impl Iterator<Item = $item> {
                $item::ALL.iter().copied().filter(move |&item| self.contains(item))
            }
        }
    };
}

bit_set! {
    /// Properties of a command.
    Flags of
    /// A property of a command that the executor, ACL or a client acts upon.
    Flag {
        Write = "write",
        Readonly = "readonly",
        Denyoom = "denyoom",
        Admin = "admin",
        Pubsub = "pubsub",
        Noscript = "noscript",
        Blocking = "blocking",
        Loading = "loading",
        Stale = "stale",
        SkipMonitor = "skip_monitor",
        SkipSlowlog = "skip_slowlog",
        Asking = "asking",
        Fast = "fast",
        NoAuth = "no_auth",
        NoMandatoryKeys = "no_mandatory_keys",
        NoAsyncLoading = "no_async_loading",
        NoMulti = "no_multi",
        MovableKeys = "movablekeys",
        AllowBusy = "allow_busy",
    }
}

bit_set! {
    /// ACL categories of a command.
    Categories of
    /// An ACL category, without its `@`.
    Category {
        Keyspace = "keyspace",
        Read = "read",
        Write = "write",
        Set = "set",
        SortedSet = "sortedset",
        List = "list",
        Hash = "hash",
        String = "string",
        Bitmap = "bitmap",
        Hyperloglog = "hyperloglog",
        Geo = "geo",
        Stream = "stream",
        Pubsub = "pubsub",
        Admin = "admin",
        Fast = "fast",
        Slow = "slow",
        Blocking = "blocking",
        Dangerous = "dangerous",
        Connection = "connection",
        Transaction = "transaction",
        Scripting = "scripting",
    }
}

bit_set! {
    /// What a command does with the keys that a spec finds.
    KeyFlags of
    /// First what happens to the value as a whole (RO, RW, OW, RM: one of them), then to its data.
    KeyFlag {
        Ro = "RO",
        Rw = "RW",
        Ow = "OW",
        Rm = "RM",
        Access = "access",
        Update = "update",
        Insert = "insert",
        Delete = "delete",
        NotKey = "not_key",
        Incomplete = "incomplete",
        VariableFlags = "variable_flags",
    }
}

/// One way in which a command names keys.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    pub flags: KeyFlags,
    pub begin: Begin,
    pub find: Find,
    pub notes: &'static str,
}

/// Where the search for keys starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    Index(i16),
    /// Behind `word` (any case), looked for from argument `from`; negative: backwards from the end.
    Keyword {
        word: &'static str,
        from: i16,
    },
    Unknown,
}

/// Which arguments from there on are keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Find {
    /// Up to `last` (relative to the begin; negative: from the end), each `step`-th one; `limit` 2
    /// means only the first half of the rest, and so on (0 and 1: all of it).
    Range {
        last: i16,
        step: i16,
        limit: i16,
    },
    /// The count stands at `count_at`, the first key at `first` (both relative to the begin).
    KeyNum {
        count_at: i16,
        first: i16,
        step: i16,
    },
    Unknown,
}

/// The chapter of the command reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    Bitmap,
    Cluster,
    Connection,
    Generic,
    Geo,
    Hash,
    Hyperloglog,
    List,
    Pubsub,
    Scripting,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
}

impl Group {
    pub fn name(self) -> &'static str {
        match self {
            Group::Bitmap => "bitmap",
            Group::Cluster => "cluster",
            Group::Connection => "connection",
            Group::Generic => "generic",
            Group::Geo => "geo",
            Group::Hash => "hash",
            Group::Hyperloglog => "hyperloglog",
            Group::List => "list",
            Group::Pubsub => "pubsub",
            Group::Scripting => "scripting",
            Group::Server => "server",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::String => "string",
            Group::Transactions => "transactions",
        }
    }
}

/// What COMMAND DOCS says of a command.
#[derive(Clone, Copy, Debug)]
pub struct Docs {
    pub summary: &'static str,
    pub since: &'static str,
    /// Empty when the reference gives none.
    pub complexity: &'static str,
    /// Version and what changed in it.
    pub history: &'static [(&'static str, &'static str)],
    /// Since which version, and what to use instead.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Meant for the internals of a deployment, not for applications.
    pub is_system: bool,
    pub arguments: &'static [Argument],
}

/// A node of the argument tree.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    pub name: &'static str,
    pub kind: ArgumentKind,
    /// Index into [`CommandSpec::keys`] for arguments that name keys.
    pub key_spec: Option<u8>,
    pub token: Option<&'static str>,
    /// What a syntax line shows instead of the name.
    pub display: Option<&'static str>,
    pub since: Option<&'static str>,
    pub deprecated_since: Option<&'static str>,
    pub is_optional: bool,
    pub is_multiple: bool,
    /// The token is repeated with each value.
    pub repeats_token: bool,
    pub arguments: &'static [Argument],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgumentKind {
    Block,
    Double,
    Integer,
    Key,
    OneOf,
    Pattern,
    PureToken,
    String,
    UnixTime,
}

impl ArgumentKind {
    pub fn name(self) -> &'static str {
        match self {
            ArgumentKind::Block => "block",
            ArgumentKind::Double => "double",
            ArgumentKind::Integer => "integer",
            ArgumentKind::Key => "key",
            ArgumentKind::OneOf => "oneof",
            ArgumentKind::Pattern => "pattern",
            ArgumentKind::PureToken => "pure-token",
            ArgumentKind::String => "string",
            ArgumentKind::UnixTime => "unix-time",
        }
    }
}
