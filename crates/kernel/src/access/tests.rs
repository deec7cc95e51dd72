use super::*;
use crate::access::user::User;

/// The rules of a user who begins with nothing, one after the other.
fn user(rules: &str) -> Result<User, String> {
    let words: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
    Access::default().changed_user(b"u", &words).map_err(|error| error.to_string())
}

fn described(rules: &str) -> String {
    let line = user(rules).expect(rules).line();
    String::from_utf8(line).expect("test rules are text")["user u ".len()..].to_owned()
}

fn check_commands(rules: &str, expect: &str) {
    let user = user(rules).expect(rules);
    let (commands, ..) = user.selector_rules().next().expect("the root selector");
    assert_eq!(commands, expect, "{rules}");
}

fn denial(rules: &str, line: &str) -> Option<String> {
    let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let spec = catalog::find(args[0]).expect(line);
    let spec = args.get(1).and_then(|word| catalog::find_subcommand(spec, word)).unwrap_or(spec);
    let user = user(rules).expect(rules);
    let denial = check(&user, spec, args.as_slice()).err()?;
    Some(String::from_utf8_lossy(denial.object(spec, args.as_slice())).into_owned())
}

fn check_denied(rules: &str, line: &str, expect: Option<&str>) {
    assert_eq!(denial(rules, line).as_deref(), expect, "{line} for {rules}");
}

#[test]
fn users_are_written_as_redis_writes_them() {
    assert_eq!(described("reset"), "off sanitize-payload resetchannels -@all");
    assert_eq!(
        described("on nopass resetchannels &foo +@all"),
        "on nopass sanitize-payload resetchannels &foo +@all"
    );
    assert!(
        described("skip-sanitize-payload >foo").starts_with("off skip-sanitize-payload #2c26b46b")
    );
    assert_eq!(
        described("%R~a %W~b %rw~c %W~a (~k +get) ()"),
        "off sanitize-payload ~a %W~b ~c resetchannels -@all (~k resetchannels -@all +get) (resetchannels -@all)"
    );
    assert_eq!(described("allkeys allchannels allcommands"), "off sanitize-payload ~* &* +@all");
    assert_eq!(described("() () clearselectors"), described("reset"));
}

#[test]
fn rules_about_commands_are_kept_without_loss() {
    check_commands("+@all -@hash -@slow +hget", "+@all -@hash -@slow +hget");
    check_commands("+@all -@hash -@slow +hget -@hash", "+@all -@slow +hget -@hash");
    check_commands("-@string -@slow +@all", "+@all");
    check_commands("+@HASH +@hash +HGET +hGeT", "-@all +@hash +hget");
    check_commands("+hget -hset +hset -hget", "-@all +hset -hget");
    check_commands(
        "+client|list +client|list +config|get +config +acl|list -acl",
        "-@all +client|list +config -acl",
    );
    check_commands("+select|0 +select|0 +debug|segfault +debug", "-@all +select|0 +debug");
    check_commands("+config +config|get -config|set +config", "-@all +config");
    check_commands("+set +setnx +setex -set", "-@all +setnx +setex -set");
}

#[test]
fn rules_that_mean_nothing_are_refused() {
    let check = |rules: &str, expect: &str| {
        assert_eq!(user(rules).map(|_| ()), Err(expect.to_owned()), "{rules}");
    };
    let modifier =
        |rule: &str, problem: &str| format!("Error in ACL SETUSER modifier '{rule}': {problem}");
    let unknown = "Unknown command or category name in ACL";
    for rule in
        ["+nope", "-nope", "+@nope", "-@", "+config|asdf", "-config|asdf", "+get|a|b", "-get|a"]
    {
        check(rule, &modifier(rule, unknown));
    }
    for rule in ["nope", ")", "+debug|", "%~a", "%RR~a", "%", "%RW", "~a\tb", "on\0"] {
        check(rule, &modifier(rule, "Syntax error"));
    }
    check(
        "+config|get|x",
        &modifier("+config|get|x", "Allowing first-arg of a subcommand is not supported"),
    );
    check(
        "<x",
        &modifier("<x", "The password you are trying to remove from the user does not exist"),
    );
    assert!(user("~* ~a").unwrap_err().contains("Try 'resetkeys' to start with"));
    assert!(
        user("(&* &a)").unwrap_err().starts_with("Error in ACL SETUSER modifier '(&* &a)': Adding")
    );
}

#[test]
fn a_command_needs_one_selector_that_allows_all_of_it() {
    check_denied("+@all", "ping", None);
    check_denied("+@all", "get a", Some("a"));
    check_denied("", "auth x", None);
    check_denied("", "get a", Some("get"));
    check_denied("+config|get", "config get a", None);
    check_denied("+config|get", "config set a b", Some("config|set"));
    check_denied("+select|0", "select 0", None);
    check_denied("+select|0", "select 1", Some("select"));
    check_denied("+mget ~key (+mget ~key ~other)", "mget other more", Some("more"));
    check_denied("+mget ~key (+mget ~key ~other)", "mget key other more", Some("more"));
    check_denied("+mget ~key (+mget ~key ~other)", "get key", Some("get"));
    check_denied("(%R~r* +@all) (%W~w* +@all)", "copy r w", Some("w"));
    check_denied("+@all %R~r* %W~w*", "copy r w", None);
    check_denied("+@all %R~r* %W~w*", "copy w r", Some("w"));
    check_denied("+@all %W~w*", "set w 1", None);
    check_denied("+@all %W~w*", "set w 1 get", Some("w"));
    check_denied("+@all %W~w*", "exists w", None);
    check_denied("+@all %R~r*", "eval s 3 a b", None);
    check_denied("+@all %R~r*", "eval s 1 r", Some("r"));
    check_denied("+@all %R~r* %W~w*", "sort r store w", None);
    check_denied("+@all %R~r* %W~w*", "sort r store r", Some("r"));
}

#[test]
fn channels() {
    check_denied("+@all &a &b:*", "publish b:1 m", None);
    check_denied("+@all &a &b:*", "publish c m", Some("c"));
    check_denied("+@all &a &b:*", "subscribe a b:1 c d", Some("c"));
    check_denied("+@all &a &b:*", "psubscribe b:*", None);
    check_denied("+@all &a &b:*", "psubscribe b:1", Some("b:1"));
    check_denied("+@all &a", "unsubscribe c", None);
    check_denied("+@all &a", "sunsubscribe c", None);
    check_denied("+@all &a", "spublish c m", Some("c"));
}

#[test]
fn reading_every_key() {
    let may = |rules: &str| {
        let args: [&[u8]; 2] = [b"sort", b"l"];
        let spec = catalog::find(b"sort").expect("in the catalog");
        check::may_read_every_key(&user(rules).expect(rules), spec, &args[..])
    };
    assert!(may("+sort ~*") && may("(+sort ~l %R~*)") && may("allkeys allchannels +@all"));
    assert!(!may("+sort ~l") && !may("+sort ~l %W~*") && !may("~* (+sort ~l)"));
}

#[test]
fn who_may_do_everything_is_not_checked() {
    assert!(Access::default().default_user().is_unrestricted());
    assert!(user("(allkeys allchannels +@all)").unwrap().is_unrestricted());
    assert!(!user("allkeys allchannels +@all -flushall").unwrap().is_unrestricted());
    assert!(!user("allkeys +@all").unwrap().is_unrestricted());
}

#[test]
fn passwords() {
    let mut access = Access::default();
    let words = [b"on".as_slice(), b">one", b">two\0", b"<one"];
    access.insert(Arc::new(access.changed_user(b"u", &[b">one"]).unwrap()));
    assert!(access.authenticate(b"u", b"one").is_none(), "it is off");
    access.insert(Arc::new(access.changed_user(b"u", &words).unwrap()));
    assert!(access.authenticate(b"u", b"one").is_none());
    assert!(access.authenticate(b"u", b"two\0").is_some());
    assert!(access.authenticate(b"v", b"two\0").is_none());
    access.insert(Arc::new(access.changed_user(b"u", &[b"nopass"]).unwrap()));
    assert!(access.authenticate(b"u", b"any").is_some());
    assert!(access.remove(DEFAULT_USER).is_none() && access.remove(b"u").is_some());
}
