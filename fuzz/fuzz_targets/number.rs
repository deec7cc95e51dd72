//! libFuzzer's door to the target `number`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("number", data));
