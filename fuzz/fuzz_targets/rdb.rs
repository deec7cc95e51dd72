//! libFuzzer's door to the target `rdb`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("rdb", data));
