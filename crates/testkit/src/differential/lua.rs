//! Small scripts and libraries, made of a seed: what EVAL and FUNCTION LOAD get in the differential tester.
//!
//! They end soon, are the same for every server, and say nothing whose order or form Redis leaves open, or that
//! 7.0 and 7.2 answer differently.

use crate::random::Random;

/// One step of a script; `r` is what it returns at its end.
const STEPS: &[&str] = &[
    "r = redis.call('SET', KEYS[1], ARGV[1])",
    "r = redis.call('GET', KEYS[1])",
    "r = redis.pcall('INCR', KEYS[1])",
    "r = redis.pcall('LPUSH', KEYS[1], ARGV[1], 'b', 3)",
    "r = redis.call('LRANGE', KEYS[1], 0, -1)",
    "r = redis.pcall('HSET', KEYS[1], 'f', ARGV[1])",
    "r = redis.pcall('HGET', KEYS[1], 'f')",
    "r = redis.pcall('ZADD', KEYS[1], 1, 'm', 2, 'n')",
    "r = redis.pcall('ZRANGE', KEYS[1], 0, -1)",
    "r = redis.call('SADD', KEYS[1], 'x', 'y')",
    "r = redis.call('TYPE', KEYS[1])",
    "r = redis.call('DEL', KEYS[1])",
    "r = redis.call('EXISTS', KEYS[1])",
    "if type(r) ~= 'table' then r = redis.call('ECHO', tostring(r)) end",
    "r = redis.call('NOSUCH')",
    "r = redis.pcall('GET')",
    "r = redis.pcall('SUBSCRIBE', 'channel')",
    "r = redis.pcall('MULTI')",
    "r = {pcall(redis.call, 'LPUSH', KEYS[1], 'z')}",
    "r = {r, #KEYS, #ARGV}",
    "r = {ok = 'fine'}",
    "r = {err = 'MY fault'}",
    "r = redis.error_reply('MY fault')",
    "r = redis.status_reply('fine')",
    "r = redis.sha1hex(tostring(ARGV[1]))",
    "r = type(r)",
    "r = not r",
    "r = nil",
    "r = r.x.y",
    "r = r .. 'tail'",
    "r = r + 1",
    "undeclared = 1",
    "r = undeclared",
    "error('raised')",
    "error({err = 'MY table'})",
    "for i = 1, 3 do r = {i, r} end",
    "if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SET', KEYS[1], 0) end",
    "redis.setresp(3) r = redis.call('GET', 'nosuchkey')",
    "r = cjson.encode({1, 'two', {three = 3}})",
    "r = cjson.decode('[1, [2, \"x\"], {\"a\": [3]}]')",
    "r = cjson.decode('{bad')",
    "r = {cmsgpack.unpack(cmsgpack.pack(1, 'a', {2, 3}))}",
    "r = {struct.unpack('>I2hs', struct.pack('>I2hs', 1, -2, 'abc'))}",
    "r = {bit.band(12, 10), bit.bxor(5, 1), bit.tohex(255)}",
    "r = {string.find('key:17', '(%a+):(%d+)')}",
    "r = table.concat({1, 2, 3}, '-')",
    "math.randomseed(7) r = {math.random(100), math.random(100)}",
];

const SHEBANGS: &[&str] =
    &["", "", "", "", "", "#!lua\n", "#!lua flags=no-writes\n", "#!lua flags=x\n", "#!js\n"];

/// The code between `local r` and `return r`.
fn steps(random: &mut Random) -> String {
    let count = random.between(1, 4);
    (0..count).map(|_| format!("{}\n", random.pick(STEPS))).collect()
}

/// A script for EVAL.
pub(super) fn script(random: &mut Random) -> Vec<u8> {
    let shebang = random.pick(SHEBANGS);
    let steps = steps(random);
    format!("{shebang}local r\n{steps}return r").into_bytes()
}

/// A library with one function, `f`.
pub(super) fn library(random: &mut Random) -> Vec<u8> {
    let steps = steps(random);
    let flags =
        random.pick(&["", ", flags = {'no-writes'}", ", flags = {'allow-oom'}", ", flags = {'x'}"]);
    format!(
        "#!lua name=lib\nlocal function f(KEYS, ARGV)\nlocal r\n{steps}return r\nend\n\
         redis.register_function{{function_name = 'f', callback = f{flags}}}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_scripts() {
        let make = |seed| {
            let mut random = Random::new(seed);
            (script(&mut random), library(&mut random))
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
    }
}
