//! libFuzzer's door to the target `glob`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("glob", data));
