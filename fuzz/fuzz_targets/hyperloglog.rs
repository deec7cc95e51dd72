//! libFuzzer's door to the target `hyperloglog`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("hyperloglog", data));
