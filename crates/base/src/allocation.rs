//! What the allocator makes of a request.

/// Bytes that jemalloc takes for a request: 8, multiples of 16 up to 128, then four classes
/// for each doubling. Source: jemalloc's size classes with a quantum of 16.
#[inline]
pub fn size_class(bytes: usize) -> usize {
    match bytes {
        0..=8 => 8,
        9..=128 => (bytes + 15) & !15,
        _ => {
            // 2^k < bytes <= 2^(k+1) is divided into four steps of 2^(k-2).
            let step = 1 << ((bytes - 1).ilog2() - 2);
            bytes.checked_next_multiple_of(step).unwrap_or(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_are_those_of_jemalloc() {
        for (bytes, class) in [
            (0, 8),
            (8, 8),
            (9, 16),
            (88, 96),
            (96, 96),
            (97, 112),
            (128, 128),
            (129, 160),
            (256, 256),
            (257, 320),
            (1025, 1280),
            (16_385, 20_480),
        ] {
            assert_eq!(size_class(bytes), class, "{bytes}");
        }
        assert_eq!(size_class(usize::MAX), usize::MAX);
    }
}
