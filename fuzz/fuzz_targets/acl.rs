//! libFuzzer's door to the target `acl`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("acl", data));
