//! libFuzzer's door to the target `intset`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("intset", data));
