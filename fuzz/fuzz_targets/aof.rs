//! libFuzzer's door to the target `aof`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("aof", data));
