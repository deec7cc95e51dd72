//! Values, errors, the table `redis`, and what scripts cannot change. Expectations are those of redis-server 7.2.

use super::*;

#[test]
fn values_become_replies() {
    check("return 1", ":1");
    check("return -3.99", ":-3");
    check("return 'a\\0b'", "$3 a\0b");
    check("return true", ":1");
    check("return false", "_");
    check("return nil", "_");
    check("return {1, 'x', {2}, nil, 5}", "*3 :1 $1 x *1 :2");
    check("return {ok='fine'}", "+fine");
    check("return {err='ERR no'}", "-ERR no");
    check("return {double=1.5}", ",1.5");
    check("return {big_number='123'}", "(123");
    check("return {map={a=1}}", "%1 $1 a :1");
    check("return {set={a=true}}", "~1 $1 a");
    check("return {verbatim_string={string='hi', format='txt'}}", "=6 txt:hi");
    check(
        "return print",
        "!ERR user_script:1: Script attempted to access nonexistent global variable 'print' on @user_script:1",
    );
    check("return pairs", "_");
    check("return {KEYS[1], KEYS[2], ARGV[1], #KEYS}", "*4 $2 k1 $2 k2 $2 a1 :2");
    check("return {ok='a\\r\\nb'}", "+a  b");
    check("return {err='ERR a\\r\\n+OK'}", "-ERR a  +OK");
}

#[test]
fn replies_become_values() {
    check("return redis.call('ECHO', 'x')", "$1 x");
    check("return redis.call('ECHO', 12)", "$2 12");
    check("return redis.call('ECHO', 0.1)", "$3 0.1");
    check("return redis.call('ECHO', 1e17)", "$18 100000000000000000");
    check("return redis.call('SET').ok", "$2 OK");
    let raw = |reply: &str, code: &str, expect: &str| {
        check(&format!("local r = redis.call('RAW', '{reply}') {code}"), expect);
    };
    raw("$-1\\r\\n", "return tostring(r)", "$5 false");
    raw("*-1\\r\\n", "return tostring(r)", "$5 false");
    raw("_\\r\\n", "return tostring(r)", "$3 nil");
    raw("#t\\r\\n", "return tostring(r)", "$4 true");
    raw(",1.5\\r\\n", "return tostring(r.double)", "$3 1.5");
    raw("(99\\r\\n", "return r.big_number", "$2 99");
    raw("|1\\r\\n+ttl\\r\\n*1\\r\\n:3\\r\\n$1\\r\\nx\\r\\n", "return r", "$1 x");
    raw("%1\\r\\n+a\\r\\n:2\\r\\n", "local k = next(r.map) return k.ok", "$1 a");
    raw("~1\\r\\n$1\\r\\na\\r\\n", "return r.set.a", ":1");
    raw(
        "=6\\r\\ntxt:hi\\r\\n",
        "return {r.verbatim_string.format, r.verbatim_string.string}",
        "*2 $3 txt $2 hi",
    );
    raw("*2\\r\\n:1\\r\\n*1\\r\\n$1\\r\\nx\\r\\n", "return r", "*2 :1 *1 $1 x");
}

#[test]
fn errors_are_tables_with_a_place() {
    check("redis.call('FAIL')", "!WRONGTYPE it is another on @user_script:1");
    check("return redis.pcall('FAIL')", "-WRONGTYPE it is another");
    check(
        "\n\nreturn redis.call('NONE')",
        "!ERR Unknown Redis command called from script on @user_script:3",
    );
    check(
        "return redis.call()",
        "!ERR Please specify at least one argument for this redis lib call on @user_script:1",
    );
    check(
        "return redis.call({})",
        "!ERR Lua redis lib command arguments must be strings or integers on @user_script:1",
    );
    check("error('x')", "!ERR user_script:1: x on @user_script:1");
    check("error({err='My err'})", "!My err on @user_script:1");
    check("local ok, e = pcall(redis.call, 'FAIL') return e", "$23 WRONGTYPE it is another");
    check("local ok, e = pcall(error, {err='E'}) return e", "$1 E");
    check("return redis.error_reply('MY text')", "-MY text");
    check("return redis.error_reply('-MY text')", "-MY text");
    check("return redis.error_reply('alone')", "-ERR alone");
    check("return redis.error_reply(1, 2)", "-ERR wrong number or type of arguments");
    check("return redis.status_reply('fine')", "+fine");
    check("return redis.sha1hex('')", "$40 da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check(
        "return string.find('a', {})",
        "!ERR user_script:1: bad argument #2 to 'find' (string expected, got table) on @user_script:1",
    );
    check(
        "return bit.band('x')",
        "!ERR user_script:1: bad argument #1 to 'band' (number expected, got string) on @user_script:1",
    );
    check("syntax", "?user_script:1: '=' expected near '<eof>'");
    check("return redis.setresp(4)", "!ERR RESP version must be 2 or 3. on @user_script:1");
    check("return redis.log(9, 'x')", "!ERR Invalid debug level. on @user_script:1");
    check(
        "redis.register_function('f', function() end)",
        "!ERR user_script:1: attempt to call field 'register_function' (a nil value) on @user_script:1",
    );
}

#[test]
fn what_is_shared_cannot_be_changed() {
    let refused = "Attempt to modify a readonly table on @user_script:1";
    for code in [
        "x = 1",
        "redis.call = 1",
        "string.find = 1",
        "rawset(_G, 'x', 1)",
        "setmetatable(_G, {})",
        "getmetatable(_G).__index = nil",
        "getmetatable('').__index = nil",
        "getmetatable('').__add = 1",
        "table.insert(redis, 1)",
        "cjson.null = 1",
        "KEYS = 1",
    ] {
        let reply = eval(code);
        assert!(reply.ends_with(refused), "{code}: {reply}");
    }
    check(
        "return x",
        "!ERR user_script:1: Script attempted to access nonexistent global variable 'x' on @user_script:1",
    );
    check("KEYS[1] = 'y' return KEYS[1]", "$1 y");
    check("local t = setmetatable({}, {__index = {a = 1}}) return t.a", ":1");
    for gone in ["dofile", "loadfile", "require", "package", "io", "debug", "print"] {
        let reply = eval(&format!("return {gone}"));
        assert!(reply.contains("nonexistent"), "{gone}: {reply}");
    }
    check(
        "local n = 0 for k in pairs(os) do n = n + 1 end return {n, type(os.clock())}",
        "*2 :1 $6 number",
    );
}

#[test]
fn random_numbers_are_the_same_everywhere() {
    let code =
        "math.randomseed(7) local t = {} for i = 1, 3 do t[i] = math.random(100) end return t";
    assert_eq!(eval(code), eval(code));
    check(
        "return math.random(0)",
        "!ERR user_script:1: bad argument #1 to 'random' (interval is empty) on @user_script:1",
    );
}

#[test]
fn a_killed_script_cannot_go_on() {
    for code in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(error) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do xpcall(function() while true do end end, function() end) end",
        "xpcall(function() while true do end end, function() while true do end end)",
        "xpcall(error, function() while true do end end)",
        "repeat local co = coroutine.wrap(function() while true do end end) pcall(co) until false",
        // Searches that would take longer than anybody lives, without an instruction of Lua.
        "return string.find(('a'):rep(60), ('a*'):rep(60) .. 'b')",
        "pcall(string.match, ('a'):rep(60), ('a-'):rep(60) .. 'b') while true do end",
        "return string.gsub(('('):rep(10000000), '%b()', '')",
        "return string.find(('x'):rep(10000000), '[' .. ('a'):rep(10000000) .. ']')",
        "return string.find(('a'):rep(20000000), ('a'):rep(9000000) .. 'b', 1, true)",
    ] {
        let mut sandbox = sandbox();
        let function = sandbox.compile("@user_script", code.as_bytes()).unwrap();
        let mut host = Echo { kill_at: Some(3), ..Echo::default() };
        let reply = run(&mut sandbox, function, &mut host);
        assert_eq!(
            reply, "!ERR Script killed by user with SCRIPT KILL... on @user_script:1",
            "{code}"
        );
        assert_eq!(eval_in(&mut sandbox, "return 1"), ":1", "it is gone for good");
    }
}

#[test]
fn libraries_register_functions_and_nothing_else() {
    let mut sandbox = Sandbox::new(Purpose::Functions, MEMORY);
    let code = b"local call = redis.register_function\n\
        call('one', function(keys, args) return {keys[1], args[1], math.floor(1.5)} end)\n\
        redis.register_function{function_name = 'two', callback = function() return x end, \
        flags = {'no-writes'}, description = 'second'}";
    let compiled = sandbox.compile("@user_function", code).unwrap();
    let mut host = Echo::default();
    assert_eq!(sandbox.load(compiled, &mut host), Ok(()));
    let [one, two] = host.functions.clone().try_into().unwrap();
    assert_eq!((one.name.as_slice(), two.name.as_slice()), (&b"one"[..], &b"two"[..]));
    assert_eq!(
        (two.flags, two.description),
        (vec![b"no-writes".to_vec()], Some(b"second".to_vec()))
    );
    assert_eq!(run(&mut sandbox, one.function, &mut host), "*3 $2 k1 $2 a1 :1");
    let reply = run(&mut sandbox, two.function, &mut host);
    assert!(reply.contains("nonexistent global variable 'x'"), "{reply}");
    for refused in ["redis.call('PING')", "math.random()", "x = 1", "redis.register_function()"] {
        let compiled = sandbox.compile("@user_function", refused.as_bytes()).unwrap();
        assert!(sandbox.load(compiled, &mut host).is_err(), "{refused}");
    }
}
