use std::os::unix::fs::PermissionsExt as _;

use super::file::parse;
use super::*;

fn load(text: &str) -> Result<Config, DirectiveError> {
    let mut config = Config::default();
    let directives = parse(text).expect("quotes are balanced");
    config.load(&directives).map(|()| config)
}

fn set(config: &mut Config, pairs: &[(&str, &str)]) -> Result<Vec<&'static str>, String> {
    let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    config.set(&pairs, true).map_err(|error| error.to_string())
}

#[test]
fn names_of_files_are_no_paths() {
    for name in ["dbfilename", "appendfilename", "appenddirname"] {
        let refused = load(&format!("{name} ../x\n")).unwrap_err().to_string();
        assert!(refused.contains(&format!("{name} can't be a path, just a ")), "{refused}");
    }
    for name in ["appendfilename", "appenddirname"] {
        let refused = load(&format!("{name} \"\"\n")).unwrap_err().to_string();
        assert!(refused.contains(&format!("{name} can't be empty")), "{refused}");
    }
    assert_eq!(load("dbfilename \"\"\n").unwrap().get("dbfilename"), Some(""));
}

#[test]
fn a_rewrite_keeps_what_was_said_in_vain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("redis.conf");
    std::fs::write(&path, "appendonly no\n").unwrap();
    let config = load("appendonly no\n").unwrap();
    assert_eq!(config.get("appendonly"), Some("yes"));
    config.rewrite(&path, &[], false).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("appendonly no\n"), "{text}");
}

#[test]
fn the_table_is_sorted_and_its_defaults_are_values() {
    assert!(PARAMETERS.is_sorted_by(|a, b| a.name < b.name));
    for row in PARAMETERS {
        assert_eq!(row.kind.normalize(row.default, row.default).as_deref(), Ok(row.default));
        assert_eq!(index_of(row.name.as_bytes()).map(|i| PARAMETERS[i].name), Some(row.name));
    }
}

#[test]
fn defaults_are_those_of_redis() {
    let settings = Config::default().settings;
    assert_eq!(settings.maxmemory_policy, store::evict::Policy::NoEviction);
    assert_eq!(settings.appendfsync, AppendFsync::Everysec);
    assert_eq!((settings.databases, settings.hz, settings.port), (16, 10, 6379));
    assert_eq!(settings.save_points.len(), 3);
    assert_eq!(settings.output_limits.replica.soft_seconds, 60);
}

#[test]
fn a_file_is_obeyed() {
    let config = load(
        "# a comment\n\
         port 7000\n\
         bind 127.0.0.1 -::1\n\
         requirepass \"a \\\"b\\\" \\x21\"\n\
         save 60 1\n\
         save 30 2\n\
         client-output-buffer-limit pubsub 1mb 0 0\n\
         hash-max-ziplist-entries 7\n\
         MAXMEMORY 1mb\n\
         maxmemory-clients 10%\n",
    )
    .expect("valid");
    let settings = config.settings();
    assert_eq!(settings.port, 7000);
    assert_eq!(settings.bind, ["127.0.0.1", "-::1"]);
    assert_eq!(settings.requirepass, "a \"b\" !");
    assert_eq!(config.get("save"), Some("60 1 30 2"));
    assert_eq!(settings.output_limits.pubsub.hard_bytes, 1 << 20);
    assert_eq!(settings.output_limits.replica.hard_bytes, 256 << 20);
    assert_eq!(settings.hash_max_listpack_entries, 7);
    assert_eq!(settings.maxmemory_clients, (1 << 20) / 100 * 10);
    assert_eq!(load("save \"\"\n").expect("valid").settings().save_points, []);
}

#[test]
fn a_wrong_file_is_refused_with_the_reason() {
    let error = |text: &str| load(text).expect_err(text).to_string();
    let nonsense = r#"unknown parameter 'nonsense "1"' or wrong number of arguments"#;
    assert_eq!(error("nonsense 1"), nonsense);
    let port = r#"unknown parameter 'port "1" "2"' or wrong number of arguments"#;
    assert_eq!(error("port 1 2"), port);
    assert_eq!(error("port x"), r#"'port "x"': argument couldn't be parsed into an integer"#);
    assert_eq!(error("replicaof a b"), r#"'replicaof "a" "b"': Invalid master port"#);
    assert!(error("replicaof a").contains("wrong number of arguments"));
    let unavailable = "'cluster-enabled' is not available in this edition";
    assert_eq!(error("cluster-enabled yes"), unavailable);
    assert!(load("cluster-enabled no\nappendonly no\n").is_ok());
    assert!(parse("requirepass \"abc").is_err());
    assert!(parse("requirepass \"abc\"d").is_err());
}

#[test]
fn a_file_may_include_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
    write("main.conf", &format!("port 1\ninclude {}\ntimeout 7\n", path("b-*.conf").display()));
    write("b-2.conf", "port 3\n");
    write("b-1.conf", "port 2\n");
    let names = |path| {
        let directives = super::file::read(path).unwrap();
        directives.iter().map(|one| format!("{} {}", one.name, one.words[0])).collect::<Vec<_>>()
    };
    assert_eq!(names(&path("main.conf")), ["port 1", "port 2", "port 3", "timeout 7"]);
    write("b-1.conf", &format!("include {}\n", path("main.conf").display()));
    let error = super::file::read(&path("main.conf")).unwrap_err().to_string();
    assert!(error.contains("include"), "{error}");
    write("main.conf", "include /no/such/file\n");
    assert!(super::file::read(&path("main.conf")).is_err());
}

#[test]
fn set_is_all_or_nothing() {
    let mut config = Config::default();
    assert_eq!(set(&mut config, &[("hz", "20"), ("timeout", "5")]), Ok(vec!["hz", "timeout"]));
    assert_eq!(set(&mut config, &[("hz", "20")]), Ok(vec![]));
    let failed = |name: &str, why: &str| {
        Err(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"))
    };
    assert_eq!(
        set(&mut config, &[("hz", "30"), ("timeout", "x")]),
        failed("timeout", "argument couldn't be parsed into an integer")
    );
    assert_eq!(
        set(&mut config, &[("hz", "30"), ("HZ", "40")]),
        failed("HZ", "duplicate parameter")
    );
    assert_eq!(
        set(&mut config, &[("databases", "3")]),
        failed("databases", "can't set immutable config")
    );
    assert_eq!(
        set(&mut config, &[("dbfilename", "x")]),
        failed("dbfilename", "can't set protected config")
    );
    assert_eq!(
        set(&mut config, &[("cluster-enabled", "yes")]),
        failed("cluster-enabled", "can't set immutable config")
    );
    assert_eq!(
        set(&mut config, &[("foo", "1")]),
        Err("ERR Unknown option or number of arguments for CONFIG SET - 'foo'".to_owned())
    );
    assert_eq!((config.settings().hz, config.settings().timeout_seconds), (20, 5));
    assert_eq!(set(&mut config, &[("appendonly", "no")]), Ok(vec![]));
    assert_eq!(config.get("appendonly"), Some("yes"));
}

#[test]
fn get_takes_globs() {
    let config = Config::default();
    let names = |globs: &[&str]| {
        let globs: Vec<&[u8]> = globs.iter().map(|glob| glob.as_bytes()).collect();
        config.matching(&globs).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names(&["MAXMEM*samples", "*-samples", "hz"]), ["hz", "maxmemory-samples"]);
    assert_eq!(names(&["slave-priority"]), ["slave-priority"]);
    assert!(names(&["*"]).len() > 180);
    assert!(names(&["nothing"]).is_empty());
    assert!(names(&["key-load-*"]).is_empty(), "hidden");
    assert_eq!(names(&["Key-load-delay"]), ["Key-load-delay"]);
}

#[test]
fn a_rewrite_keeps_lines_and_reads_back() {
    let old = "# mine\nport 7000\n\nsave 60 1\nsave 30 2\nslave-priority 5\n";
    let mut config = load(old).expect("valid");
    let pairs = [("requirepass", "a \"b\\ \n#"), ("save", "10 1 20 2"), ("hz", "50")];
    set(&mut config, &pairs).expect("valid");
    let new = config.rewritten(old, &[], false);
    assert_eq!(
        new,
        "# mine\nport 7000\n\nsave 10 1\nsave 20 2\nreplica-priority 5\n\
         # Generated by CONFIG REWRITE\nhz 50\nrequirepass \"a \\\"b\\\\ \\n#\"\n"
    );
    let again = load(&new).expect("valid");
    assert_eq!(again.values, config.values);
    assert_eq!(again.rewritten(&new, &[], false), new);
    let all = load(&again.rewritten(&new, &[], true)).expect("every parameter can be written");
    assert_eq!(all.values, config.values);
}

#[test]
fn a_rewrite_replaces_the_file() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("redis.conf");
    let mut config = Config::default();
    set(&mut config, &[("hz", "50")]).expect("valid");
    config.rewrite(&path, &[], false).expect("written");
    let mode = || std::fs::metadata(&path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    let readable = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(&path, readable).expect("it is ours");
    config.rewrite(&path, &[], false).expect("written again");
    assert_eq!(mode(), 0o640, "as its owner wants it");
    let text = std::fs::read_to_string(&path).expect("there");
    assert_eq!(text, "# Generated by CONFIG REWRITE\nhz 50\n");
}

/// `docs/settings.md` says of every parameter what it does, or that it does nothing.
#[test]
fn settings_are_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(lines.len(), PARAMETERS.len());
    for (line, row) in lines.iter().zip(PARAMETERS) {
        let default = match row.default {
            "" => "(empty)".to_owned(),
            text => format!("`{text}`"),
        };
        let change = match row.change {
            Change::Always => "CONFIG SET",
            Change::AtStart => "start",
            Change::Protected => "protected",
            Change::Fixed => "never",
            Change::Pinned => "pinned",
        };
        let expect = format!("| `{}` | {default} | {change} | ", row.name);
        assert!(line.starts_with(&expect), "{line}\nshould begin with\n{expect}");
        assert!(line.len() > expect.len() + 4, "{} has no effect and no reason", row.name);
    }
}
