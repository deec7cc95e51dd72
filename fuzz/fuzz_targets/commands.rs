//! libFuzzer's door to the target `commands`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("commands", data));
