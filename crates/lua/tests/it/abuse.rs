//! Scripts that mean harm: whatever they do, the process goes on, and so does the sandbox. Names are those of the
//! vulnerabilities that Redis had, where there is one.

use super::*;

/// Runs it, expects an error that contains this, and that the sandbox is still of use.
fn refused(code: &str, expect: &str) {
    let mut sandbox = sandbox();
    let reply = eval_in(&mut sandbox, code);
    assert!(reply.starts_with(['!', '?']) && reply.contains(expect), "{code}: {reply}");
    assert_eq!(eval_in(&mut sandbox, "return {cjson.encode({1}), #'abc'}"), "*2 $3 [1] :3");
}

/// Runs it; whatever comes of it, the sandbox is still of use.
fn survived(code: &str) -> String {
    let mut sandbox = sandbox();
    let reply = eval_in(&mut sandbox, code);
    assert_eq!(eval_in(&mut sandbox, "return 1"), ":1", "after {code}");
    reply
}

#[test]
fn cve_2025_46817_unpack() {
    for range in [
        "-2147483647, 2147483647",
        "0, 2147483647",
        "-2147483648, 2147483647",
        "1, 1e6",
        "2147483647, -1e300",
    ] {
        let reply = survived(&format!("return {{unpack({{}}, {range})}}"));
        assert!(reply.contains("too many results to unpack") || reply == "*0", "{range}: {reply}");
    }
    check("return {unpack({1, 2, 3}, 2)}", "*2 :2 :3");
    check("return {unpack({1, 2}, 2147483647, 2147483647)}", "*0");
}

#[test]
fn cve_2025_49844_names_of_chunks_survive_the_parser() {
    let code = "for i = 1, 200 do \
        local name = string.rep('n', 60) .. i \
        local f = loadstring(string.rep('local a = {} ', 150) .. ' error(\"x\")', name) \
        collectgarbage() pcall(f) end return 1";
    check(code, ":1");
    let code = "local n = 0 local f = load(function() n = n + 1 collectgarbage() \
        if n < 50 then return 'local a' .. n .. ' = ' .. n .. ' ' end end, string.rep('x', 50)) return f and n";
    check(code, ":50");
}

#[test]
fn cve_2022_0543_there_is_no_way_out() {
    refused("return package.loadlib", "nonexistent global variable 'package'");
    refused("return getmetatable(_G).__index(1, 'q')", "nonexistent");
    survived("return getfenv(0)");
    refused("setfenv(0, {}) return 1", "cannot change environment");
    refused(
        "local globals = getfenv(0) setfenv('0', setmetatable({}, {__index = globals})) return 1",
        "cannot change environment",
    );
    survived("setfenv(1, {}) return 1");
}

/// What Rust puts together for a script counts with the script's memory.
#[test]
fn memory_is_bounded_outside_of_the_interpreter_too() {
    let many = "local s = ('x'):rep(1024 * 1024) local t = {} for i = 1, 400 do t[i] = s end ";
    for code in [
        "return #struct.pack(('s'):rep(400), unpack(t))",
        "return redis.call('ECHO', unpack(t))",
        "redis.log(1, unpack(t)) return 1",
        "return #cjson.encode(t)",
        "return #cmsgpack.pack(unpack(t))",
        "return #table.concat(t)",
    ] {
        refused(&format!("{many}{code}"), "not enough memory");
    }
}

#[test]
fn a_reply_is_bounded() {
    let error = "-ERR the script returned too much";
    for code in [
        "local t = {} for i = 1, 1000 do t[i] = t end return t",
        "local t = {} t[1] = t t[2] = t return t",
        "local t = {} for i = 1, 1000 do t[i] = {map = t} end return t",
        "local s = ('x'):rep(1024 * 1024) local t = {} for i = 1, 1100 do t[i] = s end return t",
    ] {
        assert_eq!(survived(code), error, "{code}");
    }
}

#[test]
fn bytecode_is_not_loaded() {
    check("return loadstring('\\27Lua') == nil", ":1");
    check("return load(function() return '\\27LuaQ' end) == nil", ":1");
    refused(
        "return loadstring(string.dump(function() return 1 end))()",
        "attempt to call a nil value",
    );
}

#[test]
fn cve_2014_5461_vararg_functions() {
    let names: Vec<String> = (0..180).map(|n| format!("p{n}")).collect();
    let code = format!(
        "local function f({}, ...) end for i = 1, 100 do coroutine.wrap(f)() end return 1",
        names.join(",")
    );
    check(&code, ":1");
}

#[test]
fn memory_is_bounded() {
    for code in [
        "return string.rep('x', 2147483647)",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = {} end",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "return string.rep('x', 2^25):gsub('x', string.rep('y', 100))",
        "return string.format('%s%s', string.rep('x', 2^25), string.rep('x', 2^25))",
        "return table.concat({string.rep('x', 2^25), string.rep('x', 2^25)})",
        "local s = string.rep('x', 2^20) local t = {} for i = 1, 1e6 do t[i] = s end return cjson.encode(t)",
        "local s = string.rep('x', 2^20) local t = {} for i = 1, 1e6 do t[i] = s end return cmsgpack.pack(t)",
        "local t = {} while true do t[#t + 1] = redis.call('ECHO', string.rep('x', 2^20) .. #t) end",
        "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
    ] {
        refused(code, "not enough memory");
    }
    check("return #string.rep('', 2147483647)", ":0");
    // Garbage is no harm.
    check("for i = 1, 200 do local s = string.rep('x', 2^20) .. i end return 1", ":1");
    check(
        "collectgarbage('stop') for i = 1, 200 do local s = string.rep('x', 2^18) .. i end collectgarbage() return 1",
        ":1",
    );
}

#[test]
fn a_caught_lack_of_memory_leaves_a_sound_interpreter() {
    let code = "for i = 1, 5 do pcall(string.rep, 'x', 2147483647) end \
        for i = 1, 5 do pcall(function() local t = {} while true do t[#t + 1] = {i} end end) end \
        for i = 1, 5 do pcall(cjson.decode, '[' .. string.rep('[1,2,3],', 2^16) .. '1]') end \
        collectgarbage() return #string.rep('x', 1000)";
    check(code, ":1000");
}

#[test]
fn recursion_is_bounded() {
    refused("local function f() return 1 + f() end return f()", "stack overflow");
    refused("return loadstring(string.rep('(', 10000))()", "attempt to call a nil value");
    survived("return loadstring('return ' .. string.rep('{', 10000))");
    survived("return loadstring(string.rep('do ', 10000) .. string.rep('end ', 10000))");
    survived("return loadstring('return ' .. string.rep('a..', 10000) .. 'a')");
    survived("return loadstring('local a = ' .. string.rep('function() return ', 1000))");
    survived("local function f() return coroutine.wrap(f)() end return f()");
    survived("local function f() return pcall(f) end return f()");
    survived("local function f(s) return (s:gsub('.', f)) end return f('x')");
    survived("local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x");
    survived("local t = {} t[1] = t return t");
    survived("local t = {} for i = 1, 1e5 do t = {t} end return t");
    survived("local t = {} for i = 1, 1e5 do t = {map = {t = t}} end return t");
    survived(
        "local t = setmetatable({}, {__tostring = function(t) return tostring(t) end}) return tostring(t)",
    );
    survived("xpcall(function() error() end, function() error() end)");
    survived(
        "local function f(n) if n > 0 then return sort2 end table.sort({3, 1, 2, 5, 4}, f) end f(1)",
    );
    survived("table.sort({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, function() return true end)");
}

#[test]
fn patterns_nest_only_so_deep() {
    refused(
        "return string.find(string.rep('a', 300000), string.rep('a?', 300000))",
        "pattern too complex",
    );
    refused(
        "return string.gsub(string.rep('a', 300000), string.rep('a?', 300000), '')",
        "pattern too complex",
    );
    survived("return string.find(string.rep('a', 300000), '^.-b')");
    survived("return string.match(string.rep('(', 100000), string.rep('(', 100000))");
    check("return (string.rep('ab', 500):find(string.rep('a?b', 500)))", ":1");
}

#[test]
fn cve_2022_24834_json_is_bounded() {
    let deep = "string.rep('[', 100000) .. string.rep(']', 100000)";
    refused(
        &format!("return cjson.decode({deep})"),
        "Found too many nested data structures (1001)",
    );
    refused(
        &format!("cjson.decode_max_depth(1000000) return cjson.decode({deep})"),
        "too many nested",
    );
    refused(
        "local t = {} for i = 1, 1e5 do t = {t} end return cjson.encode(t)",
        "excessive nesting (1001)",
    );
    refused(
        "cjson.encode_max_depth(1000000) local t = {} t[1] = t return cjson.encode(t)",
        "excessive nesting (1001)",
    );
    check("local t = {} for i = 1, 999 do t = {t} end return #cjson.encode(t)", ":2000");
    check(
        &format!("cjson.decode({}) return 1", "string.rep('[', 1000) .. string.rep(']', 1000)"),
        ":1",
    );
    refused("return cjson.encode({[2^40] = 1})", "excessively sparse array");
    refused(
        "cjson.encode_sparse_array(false, 0) return cjson.encode({[2^40] = 1})",
        "not enough memory",
    );
}

#[test]
fn cve_2022_24834_messages_are_bounded() {
    refused("return cmsgpack.unpack(string.rep('\\145', 100000))", "stack overflow");
    refused("return cmsgpack.unpack('\\221\\255\\255\\255\\255')", "Missing bytes");
    refused("return cmsgpack.unpack('\\219\\255\\255\\255\\255abc')", "Missing bytes");
    refused("return cmsgpack.unpack('\\223\\255\\255\\255\\255')", "Missing bytes");
    refused("return cmsgpack.unpack('\\193')", "Bad data format");
    refused("return cmsgpack.unpack('\\129\\192\\1')", "table index is nil");
    refused("return cmsgpack.unpack(string.rep('\\1', 100000))", "stack overflow");
    refused("return cmsgpack.unpack_one('\\1', -1)", "Invalid request to unpack");
    refused("return cmsgpack.unpack_one('\\1', 2^62)", "greater than input length");
    survived("local t = {} t[1] = t return cmsgpack.pack(t)");
}

#[test]
fn cve_2018_11218_structures_are_bounded() {
    for code in [
        "return struct.pack('i2147483648', 1)",
        "return struct.pack('i99999999999', 1)",
        "return struct.pack('i33', 1)",
        "return struct.pack('!3 i4', 1)",
        "return struct.pack('c2147483647', 'x')",
        "return struct.unpack('c2147483647', 'x')",
        "return struct.unpack('i4', 'abc')",
        "return struct.unpack('i4', 'abcd', 2^60)",
        "return struct.unpack('i4', 'abcd', 0)",
        "return struct.unpack('i4', 'abcd', -1)",
        "return struct.unpack('dc0', struct.pack('d', -1))",
        "return struct.unpack('dc0', struct.pack('d', 1e300) .. 'x')",
        "return struct.unpack('c0', 'x')",
        "return struct.unpack('s', 'abc')",
        "return struct.unpack(string.rep('b', 10000), string.rep('x', 10000))",
        "return struct.size('c0')",
    ] {
        assert!(survived(code).starts_with('!'), "{code}");
    }
    survived("return struct.unpack('i0', '')");
    survived("return struct.size(string.rep('c2147483647', 1000))");
}

#[test]
fn cve_2024_31449_bits() {
    check("return bit.tohex(65535, -2147483648)", "$8 0000FFFF");
    check("return bit.tohex(65535, 2^31)", "$8 0000FFFF");
    check("return bit.tohex(65535, 0)", "$0");
    check("return bit.lshift(1, 2^31 + 4)", ":16");
}

#[test]
fn finalizers_never_run() {
    let code = "local p = newproxy(true) local n = 0 \
        getmetatable(p).__gc = function() n = n + 1 redis.call('SET') error('x') end \
        p = nil collectgarbage() collectgarbage() return n";
    check(code, ":0");
}

#[test]
fn cve_2025_67733_replies_stay_on_their_line() {
    check("return redis.error_reply('a\\r\\n+OK\\r\\n')", "-ERR a  +OK");
    check("return redis.status_reply('a\\r\\n:1')", "+a  :1");
    check("return {big_number='1\\r\\n:1'}", "(1  :1");
    check("return {verbatim_string={string='x', format='a\\r\\n'}}", "=5 a  :x");
}
