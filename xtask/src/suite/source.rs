//! The suite's files: a copy of a source tree's tests, changed only in how it talks to its runner.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::Mode;

/// A copy of the tests in a directory of its own; removed when dropped.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) dir: PathBuf,
    pub(super) mode: Mode,
}

/// Programs of Redis that tests call by `src/<name>`.
const PROGRAMS: [&str; 4] = ["redis-cli", "redis-benchmark", "redis-check-rdb", "redis-check-aof"];

/// Files that are no measure here, and why. What they have in common: a redis-server in standalone mode serves its clients
/// without what they look at.
const LEFT_OUT: [(&str, &str); 9] = [
    ("unit/type/list-common", "no tests: others include it"),
    ("integration/corrupt-dump-fuzzer", "draws what it does at random"),
    ("unit/aofrw", "how Redis keeps its AOF"),
    ("integration/aof", "how Redis keeps its AOF"),
    ("integration/aof-multi-part", "how Redis keeps its AOF"),
    ("integration/aof-race", "how Redis keeps its AOF"),
    ("integration/rdb", "how Redis writes its RDB: by a child, at which places it may fail"),
    ("unit/cluster", "cluster mode"),
    ("unit/cluster-scripting", "cluster mode"),
];

/// The tests of TLS need the runner's own clients to speak it, and certificates.
pub(super) const TLS_FILE: &str = "unit/tls";

/// A server of the suite has no AOF, so its replies wait for no file. Ours has its log in any case: this is the same.
const FSYNC: &str = "appendfsync everysec";
const NO_WAIT: &str = "appendfsync no";

/// Ends the file for a server without a debugger of scripts, though it stands in no test.
const DEBUGGER_OUTSIDE_OF_TESTS: &str =
    "    r script debug sync\n    r eval {return 'hello'} 0\n    r eval {return 'hello'} 0\n";

impl Source {
    /// `number` tells the copies of one run apart.
    pub(super) fn prepare(from: &Path, mode: Mode, number: usize) -> Result<Source> {
        ensure!(
            from.join("tests/test_helper.tcl").is_file(),
            "{} holds no source tree of Redis: xtask/suite/fetch.sh brings it, or name one with --source",
            from.display()
        );
        let dir =
            std::env::temp_dir().join(format!("pollux-suite-{}-{number}", std::process::id()));
        let source = Source { dir, mode };
        fs::create_dir_all(source.dir.join("src"))?;
        fs::create_dir_all(source.dir.join("utils"))?;
        let copied = Command::new("cp")
            .arg("-r")
            .args([from.join("tests"), from.join("redis.conf")])
            .arg(&source.dir)
            .status()?;
        ensure!(copied.success(), "cannot copy {}", from.display());
        fs::create_dir_all(source.dir.join("tests/tmp"))?;
        fs::copy(from.join("src/version.h"), source.dir.join("src/version.h"))?;
        for program in PROGRAMS {
            symlink(find(program)?, source.dir.join("src").join(program))?;
        }
        source.make_it_tell()?;
        source.leave_debugger_out()?;
        source.wait_for_no_file()?;
        Ok(source)
    }

    /// Each line as soon as it is written, and the name of each test as it begins: a test that hangs can be named.
    fn make_it_tell(&self) -> Result<()> {
        let path = self.dir.join("tests/test_helper.tcl");
        let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        let text = replace(&text, "set tcl_precision 17", |found| {
            format!("{found}\nfconfigure stdout -buffering line")
        })?;
        let text = replace(&text, "} elseif {$status eq {testing}} {", |found| {
            format!("{found}\n        puts \"\\[testing\\]: $data\"")
        })?;
        fs::write(path, text)?;
        Ok(())
    }

    fn leave_debugger_out(&self) -> Result<()> {
        let path = self.dir.join("tests/unit/scripting.tcl");
        let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        fs::write(path, replace(&text, DEBUGGER_OUTSIDE_OF_TESTS, |_| String::new())?)?;
        Ok(())
    }

    fn wait_for_no_file(&self) -> Result<()> {
        let path = self.dir.join("tests/assets/default.conf");
        let text = fs::read_to_string(&path)?;
        fs::write(path, replace(&text, FSYNC, |_| NO_WAIT.to_owned())?)?;
        Ok(())
    }

    /// Certificates for [`TLS_FILE`], as `utils/gen-test-certs.sh` of Redis makes them, but for their keys: a second is enough
    /// for these.
    pub(super) fn make_certificates(&self) -> Result<()> {
        let dir = self.dir.join("tests/tls");
        if dir.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&dir)?;
        let openssl = |words: &str| -> Result<()> {
            let done = Command::new("openssl").current_dir(&dir).args(words.split(' ')).output()?;
            let said = String::from_utf8_lossy(&done.stderr);
            ensure!(done.status.success(), "openssl {words}: {said}");
            Ok(())
        };
        openssl(
            "req -x509 -newkey rsa:2048 -nodes -sha256 -days 30 -subj /CN=CA -keyout ca.key -out ca.crt",
        )?;
        // A group that is known: to find one takes minutes, and redis-server reads no parameters of X9.42 (`-dsaparam`).
        openssl("genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out redis.dh")?;
        let usages = [
            ("server", "serverAuth"),
            ("client", "clientAuth"),
            ("redis", "serverAuth,clientAuth"),
        ];
        for (name, usage) in usages {
            let extensions = format!("basicConstraints=CA:FALSE\nextendedKeyUsage={usage}\n");
            fs::write(dir.join("extensions"), extensions)?;
            openssl(&format!(
                "req -newkey rsa:2048 -nodes -sha256 -subj /CN={name} -keyout {name}.key -out {name}.csr"
            ))?;
            openssl(&format!(
                "x509 -req -sha256 -days 30 -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
                 -extfile extensions -out {name}.crt"
            ))?;
        }
        Ok(())
    }

    /// The server that tests of the mode `spawn` start.
    pub(super) fn put_server(&self, server: &Path) -> Result<()> {
        let link = self.dir.join("src/redis-server");
        if fs::symlink_metadata(&link).is_ok() {
            fs::remove_file(&link)?;
        }
        symlink(server, link)?;
        Ok(())
    }

    /// All files that make sense in this mode, by name: of the mode `spawn` those that have more to say in it than in the
    /// other one.
    pub(super) fn files(&self) -> Result<Vec<String>> {
        let mut folders = vec!["unit", "unit/type"];
        if self.mode == Mode::Spawn {
            folders.push("integration");
        }
        let mut files = Vec::new();
        for folder in folders {
            for entry in fs::read_dir(self.dir.join("tests").join(folder))? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                let Some(name) = name.strip_suffix(".tcl") else { continue };
                let file = format!("{folder}/{name}");
                let is_left_out = LEFT_OUT.iter().any(|(other, _)| *other == file);
                if !is_left_out && (self.mode == Mode::External || self.is_more_in_spawn(&file)?) {
                    files.push(file);
                }
            }
        }
        files.sort_unstable();
        Ok(files)
    }
}

impl Source {
    /// Whether a file has tests that need a server of their own.
    fn is_more_in_spawn(&self, file: &str) -> Result<bool> {
        let text = fs::read(self.dir.join("tests").join(format!("{file}.tcl")))?;
        let has_own = String::from_utf8_lossy(&text).contains("external:skip");
        Ok(has_own || file.starts_with("integration/") || file == TLS_FILE && speaks_tls())
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // What is left in the temporary directory harms nobody.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn replace(text: &str, what: &str, by: impl FnOnce(&str) -> String) -> Result<String> {
    ensure!(text.contains(what), "the suite's runner has no '{what}': another version?");
    Ok(text.replacen(what, &by(what), 1))
}

/// Whether the package `tls` of Tcl (on Debian: tcl-tls) is there, and what makes certificates.
fn speaks_tls() -> bool {
    let asked = Command::new("tclsh").stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
    let has_package = asked.is_ok_and(|mut tclsh| {
        let told = tclsh
            .stdin
            .take()
            .map(|mut input| input.write_all(b"exit [catch {package require tls 1.6}]\n"));
        told.is_some_and(|told| told.is_ok()) && tclsh.wait().is_ok_and(|status| status.success())
    });
    has_package && find("openssl").is_ok()
}

/// Where a program of the PATH lies.
pub(super) fn find(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .with_context(|| format!("{program} is not installed"))
}
