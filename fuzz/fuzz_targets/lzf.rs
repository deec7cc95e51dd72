//! libFuzzer's door to the target `lzf`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("lzf", data));
