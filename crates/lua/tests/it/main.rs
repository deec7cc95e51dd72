//! The sandbox as its users see it: scripts in, replies out.

mod abuse;
mod behave;
mod library;

use lua::{FunctionRef, Host, LogLevel, Purpose, Refused, Registration, Sandbox, Words};
use wire::resp::reply::{Protocol, ReplyWriter};

/// Memory of the sandboxes in tests.
const MEMORY: usize = 64 << 20;

/// Answers `ECHO x` with x and everything else with `+OK`; ends scripts after some looks.
#[derive(Debug, Default)]
struct Echo {
    looks: u32,
    /// The look at which the script is ended.
    kill_at: Option<u32>,
    is_resp3: bool,
    calls: Vec<Vec<Vec<u8>>>,
    functions: Vec<Registration>,
}

impl Host for Echo {
    fn look(&mut self) -> Option<&'static str> {
        self.looks += 1;
        (self.kill_at? <= self.looks).then_some("Script killed by user with SCRIPT KILL...")
    }

    fn call(&mut self, words: &Words, reply: &mut Vec<u8>) -> Result<(), Refused> {
        let words: Vec<Vec<u8>> = words
            .places()
            .map(|(start, length)| words.bytes()[start..start + length].to_vec())
            .collect();
        self.calls.push(words.clone());
        match words[0].as_slice() {
            b"ECHO" => ReplyWriter::new(reply, Protocol::Resp2).bulk(&words[1]),
            b"RAW" => reply.extend_from_slice(&words[1]),
            b"FAIL" => reply.extend_from_slice(b"-WRONGTYPE it is another\r\n"),
            b"NONE" => {
                let text = "Unknown Redis command called from script".to_owned();
                return Err(Refused::Error(text));
            }
            _ => reply.extend_from_slice(b"+OK\r\n"),
        }
        Ok(())
    }

    fn may_call(&mut self, words: &Words) -> Option<bool> {
        Some(words.len() == 1)
    }

    fn set_resp3(&mut self, is_resp3: bool) {
        self.is_resp3 = is_resp3;
    }

    fn is_resp3(&self) -> bool {
        self.is_resp3
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn register(&mut self, function: Registration) -> Result<(), String> {
        self.functions.push(function);
        Ok(())
    }
}

fn sandbox() -> Sandbox {
    Sandbox::new(Purpose::Scripts, MEMORY)
}

/// Runs a compiled script; the reply in RESP3, or `!` and the error.
fn run(sandbox: &mut Sandbox, function: FunctionRef, host: &mut Echo) -> String {
    let mut out = Vec::new();
    let finish = |answer: lua::Answer<'_>| {
        answer.write(&mut ReplyWriter::new(&mut out, Protocol::Resp3));
    };
    let keys = [&b"k1"[..], b"k2"];
    let args = [&b"a1"[..]];
    let result = sandbox.run(function, keys.into_iter(), args.into_iter(), host, finish);
    match result {
        Ok(()) => String::from_utf8_lossy(&out).replace("\r\n", " ").trim_end().to_owned(),
        Err(failure) => {
            let message =
                String::from_utf8_lossy(&failure.message.unwrap_or_default()).into_owned();
            match failure.place {
                Some((source, line)) => format!("!{message} on {source}:{line}"),
                None => format!("!{message}"),
            }
        }
    }
}

/// Runs a script in a sandbox that stays as it is afterwards.
fn eval_in(sandbox: &mut Sandbox, code: &str) -> String {
    match sandbox.compile("@user_script", code.as_bytes()) {
        Ok(function) => {
            let reply = run(sandbox, function, &mut Echo::default());
            sandbox.release(function);
            reply
        }
        Err(complaint) => format!("?{}", String::from_utf8_lossy(&complaint)),
    }
}

fn eval(code: &str) -> String {
    eval_in(&mut sandbox(), code)
}

fn check(code: &str, expect: &str) {
    assert_eq!(eval(code), expect, "{code}");
}
