//! Libraries of functions: their code is data of the store, and what it registers is kept here.
//!
//! ```text
//!   FUNCTION LOAD code -> Header (name) -> run in the sandbox: register_function(...) -> Effect::FunctionLoad
//!   replica, restart:  store.libraries() has another version -> all code runs again, when a function is asked for
//! ```
//!
//! Invariants
//! - The data is changed only after the code has run to its end without error.
//! - Names of functions differ, in any case, over all libraries.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Tick;
use lua::{FunctionRef, Host, LogLevel, Purpose, Refused, Registration, Sandbox, Words};
use store::Graveyard;
use store::libraries::Libraries;

use super::flags::{ScriptFlags, split_words};
use super::{MemoryMax, run, take_or_make};
use crate::turn::monotonic_clock;

/// What the code of a library may take.
const LOAD_TIME_MAX: Duration = Duration::from_millis(500);
const CHUNK_NAME: &str = "@user_function";
const NAME_RULE: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one \
                         character long";

/// The first line of a library: `#!lua name=mylib`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) engine: Vec<u8>,
    pub(crate) name: Vec<u8>,
    /// Bytes in front of the code; the end of the line stays.
    length: usize,
}

impl Header {
    pub(crate) fn of(code: &[u8]) -> Result<Header, String> {
        if !code.starts_with(b"#!") {
            return Err("Missing library metadata".to_owned());
        }
        let invalid = || "Invalid library metadata".to_owned();
        let length = code.iter().position(|byte| *byte == b'\n').ok_or_else(invalid)?;
        let words = split_words(&code[..length]).filter(|words| !words.is_empty());
        let words = words.ok_or_else(invalid)?;
        let mut name = None;
        for word in &words[1..] {
            match word.split_at_checked(5) {
                Some((key, value)) if key.eq_ignore_ascii_case(b"name=") => {
                    if name.replace(value.to_vec()).is_some() {
                        let text = "Invalid metadata value, name argument was given multiple times";
                        return Err(text.to_owned());
                    }
                }
                _ => {
                    let word = String::from_utf8_lossy(word);
                    return Err(format!("Invalid metadata value given: {word}"));
                }
            }
        }
        let name = name.ok_or_else(|| "Library name was not given".to_owned())?;
        Ok(Header { engine: words[0][2..].to_vec(), name, length })
    }
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// A function of a library.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: Vec<u8>,
    pub(crate) description: Option<Vec<u8>>,
    pub(crate) flags: ScriptFlags,
    pub(crate) function: FunctionRef,
}

/// The functions of one library, by name.
pub(crate) type Registered = BTreeMap<Vec<u8>, Function>;

/// What all libraries have registered.
#[derive(Debug, Default)]
pub struct Functions {
    /// `None` before the first library, and while a function runs.
    pub(crate) sandbox: Option<Box<Sandbox>>,
    pub(super) memory_max: MemoryMax,
    /// By name of the library.
    libraries: BTreeMap<Vec<u8>, Registered>,
    /// Library and name, by the name in lower case.
    by_name: BTreeMap<Vec<u8>, (Vec<u8>, Vec<u8>)>,
    /// The version of the data that this is made of.
    version: u64,
    /// `lua-enable-deprecated-api`.
    pub(crate) offers_deprecated: bool,
}

impl Functions {
    /// The interpreter for functions; put it back into `sandbox`.
    pub(crate) fn take_sandbox(&mut self) -> Box<Sandbox> {
        take_or_make(&mut self.sandbox, Purpose::Functions, self.memory_max, self.offers_deprecated)
    }

    /// No functions yet, under the same settings.
    pub(crate) fn anew(&self) -> Functions {
        let Functions { memory_max, offers_deprecated, .. } = *self;
        Functions { memory_max, offers_deprecated, ..Functions::default() }
    }

    pub fn vm_bytes(&self) -> usize {
        self.sandbox.as_ref().map_or(0, |sandbox| sandbox.memory_bytes())
    }

    /// Number of functions.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Bytes of what is known of the functions, besides the interpreter and the code.
    pub fn bytes(&self) -> usize {
        let functions = self.libraries.values().flat_map(BTreeMap::values);
        let texts = |function: &Function| {
            let description = function.description.as_ref().map_or(0, Vec::len);
            2 * function.name.len() + description + size_of::<Function>()
        };
        functions.map(texts).sum()
    }

    /// Libraries and what they have registered, by name.
    pub(crate) fn libraries(&self) -> impl ExactSizeIterator<Item = (&[u8], &Registered)> {
        self.libraries.iter().map(|(name, registered)| (&**name, registered))
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<&Function> {
        let (library, name) = self.by_name.get(&name.to_ascii_lowercase())?;
        self.libraries.get(library)?.get(name)
    }

    /// Makes this what the data says, if another than FUNCTION has changed it: a master, a log, a snapshot.
    pub(crate) fn follow(&mut self, data: &Libraries, graveyard: &Graveyard) {
        if self.version == data.version() {
            return;
        }
        let fresh = self.anew();
        // The old interpreter is many allocations, however few functions it has.
        graveyard.discard(std::mem::replace(self, fresh), usize::MAX);
        for (name, code) in data.iter() {
            match self.prepare(code, None, None) {
                Ok(library) => self.link(library),
                Err(why) => {
                    let name = String::from_utf8_lossy(name).into_owned();
                    tracing::warn!(name, why, "a library of functions cannot be used");
                }
            }
        }
        self.version = data.version();
    }

    /// The data has changed by what was done here.
    pub(crate) fn follows(&mut self, data: &Libraries) {
        self.version = data.version();
    }

    /// Runs the code of a library that shall stand beside the others, but not beside `replaced`. Nothing changes yet.
    pub(crate) fn prepare(
        &mut self,
        code: &[u8],
        replaced: Option<&[u8]>,
        time_max: Option<Duration>,
    ) -> Result<Prepared, String> {
        let header = Header::of(code)?;
        if !is_name(&header.name) {
            return Err(NAME_RULE.to_owned());
        }
        if !header.engine.eq_ignore_ascii_case(b"lua") {
            let engine = String::from_utf8_lossy(&header.engine);
            return Err(format!("Engine '{engine}' not found"));
        }
        if self.libraries.contains_key(&header.name) && replaced != Some(&header.name) {
            let name = String::from_utf8_lossy(&header.name);
            return Err(format!("Library '{name}' already exists"));
        }
        let mut sandbox = self.take_sandbox();
        let registered = register(&mut sandbox, &code[header.length..], time_max);
        self.sandbox = Some(sandbox);
        let library = Prepared { name: header.name, registered: registered? };
        if library.registered.is_empty() {
            return Err("No functions registered".to_owned());
        }
        let taken = library.registered.keys().find(|name| {
            let owner = self.by_name.get(&name.to_ascii_lowercase());
            owner.is_some_and(|(owner, _)| replaced != Some(owner.as_slice()))
        });
        if let Some(taken) = taken {
            let text = format!("Function {} already exists", String::from_utf8_lossy(taken));
            self.discard(&library.registered);
            return Err(text);
        }
        Ok(library)
    }

    /// Adds a library in place of the one of its name.
    pub(crate) fn link(&mut self, library: Prepared) {
        self.unlink(&library.name);
        for name in library.registered.keys() {
            let owner = (library.name.clone(), name.clone());
            self.by_name.insert(name.to_ascii_lowercase(), owner);
        }
        self.libraries.insert(library.name, library.registered);
    }

    pub(crate) fn unlink(&mut self, name: &[u8]) {
        if let Some(registered) = self.libraries.remove(name) {
            self.by_name.retain(|_, (owner, _)| owner != name);
            self.discard(&registered);
        }
    }

    /// Gives the functions of a library back that is not, or no more, of use.
    fn discard(&mut self, registered: &Registered) {
        if let Some(sandbox) = &mut self.sandbox {
            for function in registered.values() {
                sandbox.release(function.function);
            }
        }
    }
}

/// A library whose code has run.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) name: Vec<u8>,
    pub(crate) registered: Registered,
}

/// Runs the code of a library.
fn register(
    sandbox: &mut Sandbox,
    code: &[u8],
    time_max: Option<Duration>,
) -> Result<Registered, String> {
    let compiled = sandbox
        .compile(CHUNK_NAME, code)
        .map_err(|why| format!("Error compiling function: {}", String::from_utf8_lossy(&why)))?;
    let until = time_max.map(|time| monotonic_clock().plus(time));
    let mut loading = Loading { until, registered: Registered::new(), refused: Vec::new() };
    let outcome = sandbox.load(compiled, &mut loading);
    sandbox.release(compiled);
    for refused in loading.refused {
        sandbox.release(refused);
    }
    match outcome {
        Ok(()) => Ok(loading.registered),
        Err(failure) => {
            for function in loading.registered.values() {
                sandbox.release(function.function);
            }
            let why = failure.message.unwrap_or_default();
            Err(format!("Error registering functions: {}", String::from_utf8_lossy(&why)))
        }
    }
}

/// The time that FUNCTION LOAD and FUNCTION RESTORE give to code that came from a client.
pub(crate) const CLIENT_TIME: Option<Duration> = Some(LOAD_TIME_MAX);

/// The host of a library that loads.
struct Loading {
    until: Option<Tick>,
    registered: Registered,
    refused: Vec<FunctionRef>,
}

impl Loading {
    fn check(&self, function: &Registration) -> Result<ScriptFlags, String> {
        let mut flags = ScriptFlags::default();
        if !function.flags.iter().all(|name| flags.add(&name.to_ascii_lowercase())) {
            return Err("unknown flag given".to_owned());
        }
        if !is_name(&function.name) {
            return Err(NAME_RULE.to_owned());
        }
        let is_taken = |name: &Vec<u8>| name.eq_ignore_ascii_case(&function.name);
        if self.registered.keys().any(is_taken) {
            return Err("Function already exists in the library".to_owned());
        }
        Ok(flags)
    }
}

impl Host for Loading {
    fn look(&mut self) -> Option<&'static str> {
        let is_late = self.until.is_some_and(|until| monotonic_clock() > until);
        is_late.then_some("FUNCTION LOAD timeout")
    }

    fn call(&mut self, _: &Words, _: &mut Vec<u8>) -> Result<(), Refused> {
        Err(Refused::Error("commands cannot be called while a library loads".to_owned()))
    }

    fn may_call(&mut self, _: &Words) -> Option<bool> {
        None
    }

    fn set_resp3(&mut self, _: bool) {}

    fn is_resp3(&self) -> bool {
        false
    }

    fn log(&mut self, level: LogLevel, text: &[u8]) {
        run::log(level, text);
    }

    fn register(&mut self, function: Registration) -> Result<(), String> {
        match self.check(&function) {
            Ok(flags) => {
                let Registration { name, description, function, .. } = function;
                let registered = Function { name: name.clone(), description, flags, function };
                self.registered.insert(name, registered);
                Ok(())
            }
            Err(why) => {
                self.refused.push(function.function);
                Err(why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        let check = |code: &str, expect: Result<(&str, &str), &str>| {
            let found = Header::of(code.as_bytes());
            let found = found.as_ref().map(|header| {
                let text = |bytes| std::str::from_utf8(bytes).unwrap();
                (text(&header.engine), text(&header.name))
            });
            assert_eq!(found.map_err(String::as_str), expect, "{code}");
        };
        check("#!lua name=x\n", Ok(("lua", "x")));
        check("#!js NAME='a b'\n", Ok(("js", "a b")));
        check("return 1", Err("Missing library metadata"));
        check("#!lua name=x", Err("Invalid library metadata"));
        check("#!lua\n", Err("Library name was not given"));
        check("#!lua flags=x\n", Err("Invalid metadata value given: flags=x"));
        let twice = "Invalid metadata value, name argument was given multiple times";
        check("#!lua name=x name=y\n", Err(twice));
    }

    fn library(name: &str, function: &str) -> String {
        format!("#!lua name={name}\nredis.register_function('{function}', function() end)")
    }

    #[test]
    fn names_of_functions_differ_over_all_libraries() {
        let mut functions = Functions::default();
        let first = functions.prepare(library("a", "f").as_bytes(), None, None).unwrap();
        functions.link(first);
        let same = functions.prepare(library("b", "F").as_bytes(), None, None);
        assert_eq!(same.unwrap_err(), "Function F already exists");
        let again = functions.prepare(library("a", "f").as_bytes(), None, None);
        assert_eq!(again.unwrap_err(), "Library 'a' already exists");
        let other = functions.prepare(library("a", "g").as_bytes(), Some(b"a"), None).unwrap();
        functions.link(other);
        assert!(functions.find(b"f").is_none() && functions.find(b"G").is_some());
        functions.unlink(b"a");
        assert!(functions.is_empty());
    }

    #[test]
    fn code_that_takes_too_long_is_ended() {
        let mut functions = Functions::default();
        let code = b"#!lua name=a\nwhile true do end";
        let error = functions.prepare(code, None, Some(Duration::from_millis(1))).unwrap_err();
        assert_eq!(error, "Error registering functions: ERR FUNCTION LOAD timeout");
    }
}
