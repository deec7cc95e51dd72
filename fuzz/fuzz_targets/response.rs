//! libFuzzer's door to the target `response`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("response", data));
