//! What a running script asks of the program around it.

/// The words of a command that a script gives to `redis.call`.
#[derive(Debug, Default)]
pub struct Words {
    bytes: Vec<u8>,
    /// Where each word ends.
    ends: Vec<usize>,
}

impl Words {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(crate) fn push(&mut self, word: &[u8]) {
        self.bytes.extend_from_slice(word);
        self.ends.push(self.bytes.len());
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All words, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each word lies in [`Words::bytes`]: start and length.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| (start, end - start))
    }
}

/// How important a line of the log is: `redis.LOG_DEBUG` and so on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogLevel {
    Debug,
    Verbose,
    Notice,
    Warning,
}

/// A function that a library registers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    pub name: Vec<u8>,
    pub description: Option<Vec<u8>>,
    /// Names of its flags, as the library spelled them.
    pub flags: Vec<Vec<u8>>,
    pub function: crate::FunctionRef,
}

/// Why a command of a script has not run, or has no reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The error, without a code if that is ERR.
    Error(String),
    /// The script ends here; it cannot catch that.
    Killed(&'static str),
}

/// Serves a script while it runs. No method may be called by the host itself, and none may run another script.
pub trait Host {
    /// Asked every 100,000 instructions; `Some(why)` ends the script, and it cannot catch that.
    fn look(&mut self) -> Option<&'static str>;

    /// Runs a command and appends its reply, in the form of the protocol that the script has chosen. `Err`: the
    /// command was refused before it ran.
    fn call(&mut self, words: &Words, reply: &mut Vec<u8>) -> Result<(), Refused>;

    /// `redis.acl_check_cmd`: whether the caller may run this; `None`: there is no such command.
    fn may_call(&mut self, words: &Words) -> Option<bool>;

    /// `redis.setresp`: replies of commands come as RESP3 from here on, or as RESP2.
    fn set_resp3(&mut self, is_resp3: bool);

    /// Whether the script has chosen RESP3.
    fn is_resp3(&self) -> bool;

    fn log(&mut self, level: LogLevel, text: &[u8]);

    /// `redis.register_function`; the reference is the host's from here on, also when it refuses.
    fn register(&mut self, function: Registration) -> Result<(), String>;
}
