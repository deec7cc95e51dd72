//! The writes of a script, said to one server: what comes of them is looked at on those that follow it.

use std::io;

use catalog::Flag;

use super::script::{Script, Step};
use crate::client::Client;

/// Commands that write though they are not marked so: what they do is up to their arguments.
const BY_ARGUMENTS: [&str; 5] = ["eval", "evalsha", "fcall", "function", "script"];
/// A transaction begins at each step that leaves this when divided by [`ROUND`] ...
const MULTI_AT: usize = 20;
const EXEC_AT: usize = 25;
const SELECT_AT: usize = 30;
const ROUND: usize = 40;
/// Databases that are written to.
const DATABASES: usize = 3;

impl Script {
    /// Says the writes that nobody has to wait for, some of them in transactions, in several databases; keys get due
    /// meanwhile.
    pub fn write_to(&self, client: &mut Client) -> io::Result<()> {
        for (at, step) in self.steps.iter().filter(|step| is_fit(step)).enumerate() {
            match at % ROUND {
                MULTI_AT => client.call_raw(&[b"MULTI"]).map(drop)?,
                EXEC_AT => client.call_raw(&[b"EXEC"]).map(drop)?,
                SELECT_AT => {
                    let db = (at / ROUND % DATABASES).to_string();
                    client.call_raw(&[b"SELECT", db.as_bytes()])?;
                }
                _ => {}
            }
            if let Some(key) = &step.expired {
                client.call_raw(&[b"PEXPIRE", key, b"2"])?;
            }
            let args: Vec<&[u8]> = step.args().iter().map(Vec::as_slice).collect();
            client.call_raw(&args)?;
        }
        client.call_raw(&[b"EXEC"]).map(drop)
    }
}

fn is_fit(step: &Step) -> bool {
    let Some(spec) = catalog::find(&step.args()[0]) else { return false };
    let writes = spec.has(Flag::Write) && !spec.has(Flag::Blocking) && spec.name != "migrate";
    // Between members of different scores a range by their names is what the implementation makes it.
    let is_by_name = |word: &Vec<u8>| {
        word.eq_ignore_ascii_case(b"BYLEX") || word.eq_ignore_ascii_case(b"ZREMRANGEBYLEX")
    };
    // Redis makes the key, or room in it, for what does not fit and is not stored, and tells no replica of it.
    let is_untold = spec.name == "bitfield"
        && step.args().iter().any(|word| word.eq_ignore_ascii_case(b"FAIL"));
    (writes || BY_ARGUMENTS.contains(&spec.name))
        && !is_untold
        && !step.args().iter().any(is_by_name)
}
