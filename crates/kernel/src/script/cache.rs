//! The cache of scripts: known by their SHA-1, until SCRIPT FLUSH.
//!
//! Those that only came with EVAL are at most [`EVAL_SCRIPTS_MAX`]: clients that write values into the text of their
//! scripts would fill the memory. The one that was called least lately goes. SCRIPT LOAD makes a script stay.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use lua::{FunctionRef, Sandbox};
use wire::resp::reply::ErrorReply;

use super::flags::{ScriptFlags, Shebang};

/// Scripts that came with EVAL only. Source: redis 7.4.
const EVAL_SCRIPTS_MAX: usize = 500;
/// What errors call every script.
const CHUNK_NAME: &str = "@user_script";

/// SHA-1 in hexadecimal, lower case.
pub(crate) type Sha = [u8; 40];

/// A compiled script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    pub(crate) function: FunctionRef,
    /// `None`: it has no first line that declares any.
    pub(crate) flags: Option<ScriptFlags>,
    bytes: usize,
    /// Its place among those that came with EVAL only.
    called: Option<u64>,
}

/// All scripts that EVALSHA finds.
#[derive(Debug, Default)]
pub struct Cache {
    scripts: HashMap<Sha, Script, foldhash::fast::RandomState>,
    /// Those that came with EVAL only, by when they were called last.
    by_call: BTreeMap<u64, Sha>,
    calls: u64,
    bytes: usize,
    /// How many have gone to make room.
    pub evicted: u64,
}

impl Cache {
    pub fn len(&self) -> usize {
        self.scripts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.scripts.is_empty()
    }

    /// Bytes of the texts and of what is known of them.
    pub fn bytes(&self) -> usize {
        self.bytes + self.scripts.len() * (size_of::<Script>() + size_of::<Sha>())
    }

    /// A script by its SHA-1, in any case.
    pub(crate) fn find(&mut self, sha: &[u8]) -> Option<(Sha, Script)> {
        let sha = Sha::try_from(sha.to_ascii_lowercase()).ok()?;
        let script = self.scripts.get_mut(&sha)?;
        if let Some(called) = &mut script.called {
            self.by_call.remove(called);
            self.calls += 1;
            *called = self.calls;
            self.by_call.insert(*called, sha);
        }
        Some((sha, *script))
    }

    /// What a script declares, without calling it.
    pub(crate) fn flags(&self, sha: &[u8]) -> Option<ScriptFlags> {
        let sha = Sha::try_from(sha.to_ascii_lowercase()).ok()?;
        self.scripts.get(&sha)?.flags
    }

    /// `sha` in any case.
    pub(crate) fn contains(&self, sha: &[u8]) -> bool {
        let sha = Sha::try_from(sha.to_ascii_lowercase());
        sha.is_ok_and(|sha| self.scripts.contains_key(&sha))
    }

    /// Compiles a script, unless it is known. `stays`: it came by SCRIPT LOAD.
    pub(crate) fn add(
        &mut self,
        sandbox: &mut Sandbox,
        code: &[u8],
        stays: bool,
    ) -> Result<(Sha, Script), ErrorReply> {
        let sha = lua::sha1_hex(code);
        if let Some((_, script)) = self.find(&sha) {
            if let (true, Some(called)) = (stays, script.called) {
                self.by_call.remove(&called);
                self.scripts.insert(sha, Script { called: None, ..script });
            }
            return Ok((sha, script));
        }
        let shebang = Shebang::of(code)?;
        let function = sandbox.compile(CHUNK_NAME, &code[shebang.length..]).map_err(|why| {
            let why = String::from_utf8_lossy(&why);
            ErrorReply::from(format!("ERR Error compiling script (new function): {why}"))
        })?;
        if !stays && self.by_call.len() >= EVAL_SCRIPTS_MAX {
            self.evict(sandbox);
        }
        let called = (!stays).then(|| {
            self.calls += 1;
            self.by_call.insert(self.calls, sha);
            self.calls
        });
        let script = Script { function, flags: shebang.flags, bytes: code.len(), called };
        self.bytes += script.bytes;
        self.scripts.insert(sha, script);
        Ok((sha, script))
    }

    fn evict(&mut self, sandbox: &mut Sandbox) {
        let Some((_, sha)) = self.by_call.pop_first() else { return };
        let script = self.scripts.remove(&sha).expect("what is listed is there");
        sandbox.release(script.function);
        self.bytes -= script.bytes;
        self.evicted += 1;
    }
}

#[cfg(test)]
mod tests {
    use lua::Purpose;

    use super::*;

    #[test]
    fn scripts_of_eval_make_room_for_each_other() {
        let mut sandbox = Sandbox::new(Purpose::Scripts, 64 << 20);
        let mut cache = Cache::default();
        let (loaded, _) = cache.add(&mut sandbox, b"return 'loaded'", true).unwrap();
        let (first, _) = cache.add(&mut sandbox, b"return 'first'", false).unwrap();
        let (second, _) = cache.add(&mut sandbox, b"return 'second'", false).unwrap();
        for n in 0..EVAL_SCRIPTS_MAX - 1 {
            cache.find(&first).expect("it was called just now");
            cache.add(&mut sandbox, format!("return {n}").as_bytes(), false).unwrap();
        }
        assert_eq!((cache.len(), cache.evicted), (EVAL_SCRIPTS_MAX + 1, 1));
        assert!(cache.contains(&loaded) && cache.contains(&first) && !cache.contains(&second));
        cache.add(&mut sandbox, b"return 'first'", true).unwrap();
        assert_eq!(cache.by_call.len(), EVAL_SCRIPTS_MAX - 1, "it stays from here on");
    }

    #[test]
    fn what_does_not_compile_is_not_kept() {
        let mut sandbox = Sandbox::new(Purpose::Scripts, 64 << 20);
        let mut cache = Cache::default();
        let error = cache.add(&mut sandbox, b"return (", false).unwrap_err();
        assert!(error.0.starts_with("ERR Error compiling script (new function): user_script:1:"));
        assert!(cache.is_empty() && cache.bytes() == 0);
    }
}
