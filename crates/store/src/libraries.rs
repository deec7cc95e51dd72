//! Libraries of functions: their names and their code. What the code means, who calls it knows.
//!
//! Invariant: whoever has seen a version has seen the libraries; no two contents of a process share one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Versions of all libraries of this process: a store that replaces another must not look unchanged.
static VERSIONS: AtomicU64 = AtomicU64::new(1);

/// All libraries of a store.
#[derive(Clone, Debug, Default)]
pub struct Libraries {
    code_by_name: BTreeMap<Box<[u8]>, Box<[u8]>>,
    /// 0: nothing was ever here.
    version: u64,
}

impl Libraries {
    /// Changes whenever the libraries do.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn len(&self) -> usize {
        self.code_by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.code_by_name.is_empty()
    }

    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.code_by_name.get(name).map(|code| &**code)
    }

    /// Names and code, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.code_by_name.iter().map(|(name, code)| (&**name, &**code))
    }

    /// Whether it replaced one.
    pub(crate) fn insert(&mut self, name: &[u8], code: &[u8]) -> bool {
        self.touch();
        self.code_by_name.insert(name.into(), code.into()).is_some()
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, name: &[u8]) -> bool {
        self.touch();
        self.code_by_name.remove(name).is_some()
    }

    /// How many there were.
    pub(crate) fn clear(&mut self) -> usize {
        self.touch();
        std::mem::take(&mut self.code_by_name).len()
    }

    fn touch(&mut self) {
        self.version = VERSIONS.fetch_add(1, Ordering::Relaxed);
    }
}
