//! The libraries that Redis adds. Expectations are those of redis-server 7.2.

use super::*;

#[test]
fn json() {
    check("return cjson.encode({1, 2, 3})", "$7 [1,2,3]");
    check("return cjson.encode({})", "$2 {}");
    check("return cjson.encode(cjson.decode('[]'))", "$2 {}");
    check("return cjson.encode({[1] = 1, [3] = 3})", "$10 [1,null,3]");
    check("return cjson.encode({a = cjson.null})", "$10 {\"a\":null}");
    check("return cjson.encode({[1.5] = 1})", "$9 {\"1.5\":1}");
    check(
        "return cjson.encode('\\0\\1/\"\\\\\\127é')",
        "$28 \"\\u0000\\u0001\\/\\\"\\\\\\u007fé\"",
    );
    check("return cjson.encode(0.1)", "$3 0.1");
    check("return cjson.encode(1e15)", "$5 1e+15");
    check(
        "return cjson.encode(0/0)",
        "!ERR user_script:1: Cannot serialise number: must not be NaN or Inf on @user_script:1",
    );
    check(
        "return cjson.encode({[1] = 1, [20] = 2})",
        "!ERR user_script:1: Cannot serialise table: excessively sparse array on @user_script:1",
    );
    check(
        "cjson.encode_sparse_array(true) return cjson.encode({[1] = 1, [20] = 2}) == '{\"1\":1,\"20\":2}'",
        ":1",
    );
    check(
        "return cjson.encode(print2 or pairs)",
        "!ERR user_script:1: Script attempted to access nonexistent global variable 'print2' on @user_script:1",
    );
    check(
        "return cjson.encode(pairs)",
        "!ERR user_script:1: Cannot serialise function: type not supported on @user_script:1",
    );
    check("return cjson.decode('[1, \"a\", true, {\"x\": -1.5e1}]')", "*4 :1 $1 a :1 *0");
    check("return cjson.decode('{\"a\": {\"b\": [10]}}').a.b[1]", ":10");
    check("return cjson.decode('[null]')[1] == cjson.null", ":1");
    check("return cjson.decode('\"\\\\u00e9\\\\ud83d\\\\ude00\"')", "$6 é😀");
    check(
        "return cjson.decode('\"\\\\ud83d\"')",
        "!ERR user_script:1: Expected value but found invalid unicode escape code at character 2 on @user_script:1",
    );
    check(
        "return cjson.decode('')",
        "!ERR user_script:1: Expected value but found T_END at character 1 on @user_script:1",
    );
    check(
        "return cjson.decode('{1}')",
        "!ERR user_script:1: Expected object key string but found T_NUMBER at character 2 on @user_script:1",
    );
    check(
        "return cjson.decode('[1 2]')",
        "!ERR user_script:1: Expected comma or array end but found T_NUMBER at character 4 on @user_script:1",
    );
    check(
        "return cjson.decode('[1] x')",
        "!ERR user_script:1: Expected the end but found invalid token at character 5 on @user_script:1",
    );
    check("return tostring(cjson.decode('inf'))", "$3 inf");
    check(
        "cjson.decode_invalid_numbers(false) return cjson.decode('0x10')",
        "!ERR user_script:1: Expected value but found invalid number at character 1 on @user_script:1",
    );
    check(
        "return {cjson.encode_max_depth(), cjson.decode_max_depth(5), cjson.encode_number_precision()}",
        "*3 :1000 :5 :14",
    );
    check(
        "return cjson.encode_number_precision(20)",
        "!ERR user_script:1: bad argument #1 to 'encode_number_precision' (expected integer between 1 and 14) on @user_script:1",
    );
}

#[test]
fn messages() {
    check(
        "return cmsgpack.pack(1, -1, 200, -200, 'abc', true, nil)",
        "$13 \u{1}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}8\u{fffd}abc\u{fffd}\u{fffd}",
    );
    let code = "local t = {1, -1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, -32, -33, -128, -129, \
        -32768, -32769, -2147483648, -2147483649, 2^53, -2^53, 0.5, 1.1, 'x', string.rep('y', 300), string.rep('z', 70000)} \
        for i, v in ipairs(t) do local back = cmsgpack.unpack(cmsgpack.pack(v)) if back ~= v then return i end end return 'same'";
    check(code, "$4 same");
    check("local t = cmsgpack.unpack(cmsgpack.pack({a = {1, 2, {b = 3}}})) return t.a[3].b", ":3");
    check("return {cmsgpack.unpack_one(cmsgpack.pack(1, 2), 0)}", "*2 :1 :1");
    check("return {cmsgpack.unpack_one(cmsgpack.pack(1, 2), 1)}", "*2 :-1 :2");
    check("return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 2)}", "*3 :2 :1 :2");
    check(
        "return cmsgpack.pack()",
        "!ERR user_script:1: bad argument #0 to 'pack' (MessagePack pack needs input.) on @user_script:1",
    );
}

#[test]
fn structures() {
    check("return struct.pack('>I2hsb', 258, -2, 'ab', 3) == '\\1\\2\\255\\254ab\\0\\3'", ":1");
    check(
        "return {struct.unpack('>I2hsb', '\\1\\2\\255\\254ab\\0\\3')}",
        "*5 :258 :-2 $2 ab :3 :9",
    );
    check(
        "return {struct.unpack('<i8Bc0', struct.pack('<i8Bc0', -5, 3, 'abc'))}",
        "*3 :-5 $3 abc :13",
    );
    check(
        "return {tostring(struct.unpack('>d', struct.pack('>d', 1.5))), struct.size('!8 b d')}",
        "*2 $3 1.5 :16",
    );
    check("return struct.unpack('f', struct.pack('f', 0.5)) * 2", ":1");
    check(
        "return struct.pack('bc0', 1)",
        "!ERR user_script:1: bad argument #3 to 'pack' (string expected, got nil) on @user_script:1",
    );
    check(
        "return struct.size('s')",
        "!ERR user_script:1: bad argument #1 to 'size' (option 's' has no fixed size) on @user_script:1",
    );
    check(
        "return struct.unpack('b', 'x', -1)",
        "!ERR user_script:1: bad argument #2 to 'unpack' (data string too short) on @user_script:1",
    );
    check("return {struct.unpack('', 'x', -1)}", "*1 :-1");
    check(
        "return struct.pack('z', 1)",
        "!ERR user_script:1: bad argument #1 to 'pack' (invalid format option 'z') on @user_script:1",
    );
}

#[test]
fn bits() {
    check(
        "return {bit.band(12, 10), bit.bor(12, 10), bit.bxor(12, 10), bit.bnot(0)}",
        "*4 :8 :14 :6 :-1",
    );
    check(
        "return {bit.lshift(1, 31), bit.rshift(-1, 28), bit.arshift(-16, 2), bit.rol(1, 33), bit.ror(1, 1)}",
        "*5 :-2147483648 :15 :-4 :2 :-2147483648",
    );
    check(
        "return {bit.tobit(2^32 + 5), bit.bswap(1), bit.tohex(255), bit.tohex(-1, -4)}",
        "*4 :5 :16777216 $8 000000ff $4 FFFF",
    );
}
