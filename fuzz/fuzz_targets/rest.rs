//! libFuzzer's door to the target `rest`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("rest", data));
