//! libFuzzer's door to the target `effect`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("effect", data));
