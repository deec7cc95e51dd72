//! libFuzzer's door to the target `script`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("script", data));
