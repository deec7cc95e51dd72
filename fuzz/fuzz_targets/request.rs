//! libFuzzer's door to the target `request`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("request", data));
