//! When a collection leaves its compact encoding: the settings of redis.conf, passed in by value.

/// Sizes at which compact encodings end. The names are those of the settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thresholds {
    /// Above 0: elements a list node may hold; -1 to -5: bytes (4, 8, 16, 32, 64 KiB).
    pub list_max_listpack_size: i32,
    /// Fields.
    pub hash_max_listpack_entries: usize,
    /// Bytes of a field or value.
    pub hash_max_listpack_value: usize,
    /// Members of a set of integers.
    pub set_max_intset_entries: usize,
    pub set_max_listpack_entries: usize,
    /// Bytes of a member.
    pub set_max_listpack_value: usize,
    pub zset_max_listpack_entries: usize,
    /// Bytes of a member.
    pub zset_max_listpack_value: usize,
    /// Bytes of a node of a stream; 0: as many as a listpack can hold.
    pub stream_node_max_bytes: usize,
    /// Entries of a node of a stream; 0: no limit.
    pub stream_node_max_entries: usize,
}

impl Default for Thresholds {
    /// What Redis 7.2 has.
    fn default() -> Thresholds {
        Thresholds {
            list_max_listpack_size: -2,
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
        }
    }
}

/// Bytes of a list node that is limited by its number of elements (Redis: SIZE_SAFETY_LIMIT).
const NODE_BYTES_MAX: usize = 8192;
/// Head and backlen of an element, estimated high as Redis does.
const ELEMENT_OVERHEAD_BYTES: usize = 8;

impl Thresholds {
    /// Whether a list node of this size would break `list_max_listpack_size`.
    pub(crate) fn node_exceeds(&self, bytes: usize, elements: usize) -> bool {
        self.exceeds(bytes, elements, 1)
    }

    /// Whether the only node of a list is too large to become a plain listpack again: the limit is half,
    /// so that the list does not change back at the next push.
    pub(crate) fn half_node_exceeds(&self, bytes: usize, elements: usize) -> bool {
        self.exceeds(bytes, elements, 2)
    }

    fn exceeds(&self, bytes: usize, elements: usize, divisor: usize) -> bool {
        match self.node_limit() {
            NodeLimit::Bytes(limit) => bytes > limit / divisor,
            NodeLimit::Elements(limit) => bytes > NODE_BYTES_MAX || elements > limit / divisor,
        }
    }

    /// Whether a node of this size has room for one more element.
    pub(crate) fn node_has_room(&self, bytes: usize, elements: usize, element: usize) -> bool {
        !self.node_exceeds(bytes + element + ELEMENT_OVERHEAD_BYTES, elements + 1)
    }

    /// Whether an element is so large that it becomes a node of its own.
    pub(crate) fn is_plain_node(&self, element: usize) -> bool {
        element
            > match self.node_limit() {
                NodeLimit::Bytes(limit) => limit,
                NodeLimit::Elements(_) => NODE_BYTES_MAX,
            }
    }

    fn node_limit(&self) -> NodeLimit {
        match self.list_max_listpack_size {
            0 => NodeLimit::Elements(1),
            -1 => NodeLimit::Bytes(4096),
            -2 => NodeLimit::Bytes(8192),
            -3 => NodeLimit::Bytes(16_384),
            -4 => NodeLimit::Bytes(32_768),
            ..=-5 => NodeLimit::Bytes(65_536),
            elements => NodeLimit::Elements(usize::try_from(elements).expect("positive")),
        }
    }
}

enum NodeLimit {
    Bytes(usize),
    Elements(usize),
}
