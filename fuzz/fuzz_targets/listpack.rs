//! libFuzzer's door to the target `listpack`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("listpack", data));
