//! libFuzzer's door to the target `lua`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("lua", data));
