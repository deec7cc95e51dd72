//! libFuzzer's door to the target `restore`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("restore", data));
