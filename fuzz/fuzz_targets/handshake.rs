//! libFuzzer's door to the target `handshake`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("handshake", data));
