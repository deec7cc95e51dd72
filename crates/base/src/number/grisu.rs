//! The digits of a double, found with 64-bit integers alone: the algorithm Grisu2 of Florian Loitsch, "Printing
//! Floating-Point Numbers Quickly and Accurately with Integers", PLDI 2010.
//!
//! Every number between the two borders, halfway to the neighbours of a double, reads back as this double. Value and
//! borders are multiplied by a power of ten from a table, so that the digits can be cut off one by one from the upper
//! border, and the cutting ends as soon as what is cut off is no more than what lies between the borders:
//!
//! ```text
//!             lower            value             upper
//!   ------------|----------------|-----------------|------>      times 10^k: 64 bits, `point` of them a fraction
//!                 '--------------- delta ---------'
//!                                '--- distance ---'
//!                        cut     <----- rest ------'             digits so far; the last one goes down
//!                         o---->--unit--<----o                   while that brings them nearer to the value
//! ```
//!
//! The products are rounded, so the borders move inwards by one unit of the last place: every text reads back as the
//! value. In exchange a shorter text, or one that is nearer to the value, is missed for one double in a hundred or so. Redis 7.2 prints
//! with this algorithm, and its digits are seen in replies, payloads and digests: for a given value they depend on the
//! powers in the table, on which of them is taken, and on where the cutting ends, all of which is part of the format.

/// The digits of a double: at most 17, without zeros in front or behind.
pub(super) struct Digits {
    bytes: [u8; DIGITS_MAX],
    count: usize,
    /// The value is the digits, read as an integer, times ten to this power.
    pub(super) exponent: i32,
}

/// With `n` digits the rest is less than one part of `10^(n-1)` of the value, and `delta` is more than one part of `2^53.01`,
/// also when it has lost two units of the last of 64 places: it is reached at the 17th digit.
pub(super) const DIGITS_MAX: usize = 17;

impl Digits {
    fn push(&mut self, digit: u64) {
        self.bytes[self.count] = b'0' + u8::try_from(digit).expect("a decimal digit");
        self.count += 1;
    }

    /// Takes the last digit down as long as the digits come nearer to the value and stay above the lower border. They
    /// are `rest` below the upper border, and one of the last digit is worth `unit`.
    fn approach(&mut self, distance: u64, delta: u64, mut rest: u64, unit: u64) {
        while rest < distance
            && delta - rest >= unit
            && (rest + unit < distance || distance - rest > rest + unit - distance)
        {
            self.bytes[self.count - 1] -= 1;
            rest += unit;
        }
    }
}

impl std::ops::Deref for Digits {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.count]
    }
}

/// The digits of a positive finite double.
pub(super) fn digits(value: f64) -> Digits {
    debug_assert!(value > 0.0 && value.is_finite(), "digits of {value}");
    let bits = value.to_bits();
    let (biased, fraction) = (bits >> FRACTION_BITS, bits & (HIDDEN_BIT - 1));
    let mantissa = if biased == 0 { fraction } else { fraction | HIDDEN_BIT };
    let exponent = i32::try_from(biased.max(1)).expect("11 bits") - EXPONENT_BIAS;

    // All three with the same exponent, and the value with its highest bit set. Below a power of two doubles are closer.
    let shift = mantissa.leading_zeros();
    let half = 1 << (shift - 1);
    let below = if mantissa == HIDDEN_BIT { half >> 1 } else { half };
    let value = mantissa << shift;
    let (upper, lower) = (value + half, value - below);
    let exponent = exponent - shift.cast_signed();

    let (index, power) = power_for(exponent);
    let point = (-(exponent + power.exponent + 64)).cast_unsigned();
    let upper = power.times(upper) - 1;
    let (distance, delta) = (upper - power.times(value), upper - (power.times(lower) + 1));
    cut(upper, distance, delta, point, -ten_to(index))
}

/// Cuts digits off `upper`, of which the lowest `point` bits are a fraction. `scale` is the power of ten that undoes the
/// multiplication.
fn cut(upper: u64, distance: u64, mut delta: u64, point: u32, scale: i32) -> Digits {
    let mut digits = Digits { bytes: [0; DIGITS_MAX], count: 0, exponent: 0 };
    let one = 1 << point;
    let (mut whole, mut fraction) = (upper >> point, upper & (one - 1));
    let mut unit = 1;
    let mut exponent = scale;
    while whole / unit >= 10 {
        (unit, exponent) = (unit * 10, exponent + 1);
    }
    while unit > 0 {
        digits.push(whole / unit);
        whole %= unit;
        let rest = (whole << point) + fraction;
        if rest <= delta {
            digits.exponent = exponent;
            digits.approach(distance, delta, rest, unit << point);
            return digits;
        }
        (unit, exponent) = (unit / 10, exponent - 1);
    }
    // The whole part is used up: ten times the fraction has the next digit before its point. `delta` stays below the
    // fraction, and the fraction below 2^60, so that nothing overflows.
    let mut scaled = distance;
    exponent = scale;
    loop {
        (fraction, delta, scaled, exponent) =
            (fraction * 10, delta * 10, scaled * 10, exponent - 1);
        digits.push(fraction >> point);
        fraction &= one - 1;
        if fraction < delta {
            digits.exponent = exponent;
            digits.approach(scaled, delta, fraction, one);
            return digits;
        }
    }
}

/// Of the bits of a double the fraction, below the leading 1 that is not stored.
const FRACTION_BITS: u32 = 52;
const HIDDEN_BIT: u64 = 1 << FRACTION_BITS;
/// What a stored exponent is above that of the mantissa's lowest bit.
const EXPONENT_BIAS: i32 = 1075;

/// `mantissa * 2^exponent`, a power of ten to the nearest of 64 bits, the highest of them set.
#[derive(Clone, Copy)]
struct Power {
    mantissa: u64,
    exponent: i32,
}

impl Power {
    /// The upper half of the product with `factor`, rounded to nearest, halves up.
    fn times(self, factor: u64) -> u64 {
        let product = u128::from(factor) * u128::from(self.mantissa);
        ((product + (1 << 63)) >> 64) as u64
    }
}

/// The exponents of ten in the table are this far apart: 26.6 bits, so that each window of 28 bits has one.
const STEP: usize = 8;
const COUNT: usize = 87;
/// The first exponent of ten.
const FIRST: i32 = -348;

fn ten_to(index: usize) -> i32 {
    FIRST + i32::try_from(STEP * index).expect("a small table")
}

/// Products have at most this many bits behind the point, so that ten times a fraction fits in 64 bits.
const POINT_MAX: i32 = 60;

/// For a number of 64 bits times `2^exponent` the least power whose product has no more bits behind the point than
/// [`POINT_MAX`]; it has at least 33, and so at most 10 digits before the point.
fn power_for(exponent: i32) -> (usize, Power) {
    // A power of ten has 64 bits from `floor(log2 10^k) - 63` on, which must be at least `-64 - POINT_MAX - exponent`.
    let bits = -1 - POINT_MAX - exponent;
    // The next integer above `bits * log10 2`, for up to 1650 bits. (For none it is 1 where 0 would do: the table has neither.)
    let ten = ((bits * 78_913) >> 18) + 1;
    let index = usize::try_from(ten - FIRST).expect("no double needs a lower one").div_ceil(STEP);
    (index, POWERS[index])
}

/// `10^FIRST`, `10^(FIRST + STEP)` and so on.
static POWERS: [Power; COUNT] = powers();

/// Exact integers are multiplied, or divided, step by step, and rounded once, when an entry is taken from them.
const fn powers() -> [Power; COUNT] {
    /// Up to 10^340, and with 123 bits left of 2^1279 when it is divided by 10^348.
    const LIMBS: usize = 40;
    const TOP: i32 = 1279;
    let step = 10_u64.pow(STEP as u32);
    let mut powers = [Power { mantissa: 0, exponent: 0 }; COUNT];

    // 10^4, 10^12, ...: the product, limb by limb, the lowest first.
    let first = (-FIRST) as usize / STEP + 1;
    let mut number = [0_u32; LIMBS];
    number[0] = 10_000;
    let mut index = first;
    while index < COUNT {
        powers[index] = rounded(&number, 0);
        let (mut limb, mut carry) = (0, 0);
        while limb < LIMBS {
            let product = number[limb] as u64 * step + carry;
            (number[limb], carry) = (product as u32, product >> 32);
            limb += 1;
        }
        index += 1;
    }

    // 10^-4, 10^-12, ...: the quotient, limb by limb, the highest first. What is dropped at each step does not add up,
    // as the floor of a quotient of a floor is the floor of the whole quotient.
    let mut number = [0_u32; LIMBS];
    number[LIMBS - 1] = 1 << 31;
    let mut divisor = 10_000;
    let mut index = first;
    while index > 0 {
        index -= 1;
        let (mut limb, mut rest) = (LIMBS, 0);
        while limb > 0 {
            limb -= 1;
            let dividend = (rest << 32) | number[limb] as u64;
            (number[limb], rest) = ((dividend / divisor) as u32, dividend % divisor);
        }
        powers[index] = rounded(&number, -TOP);
        divisor = step;
    }
    powers
}

/// The highest 64 bits of `number * 2^exponent`, rounded to nearest.
const fn rounded(number: &[u32], exponent: i32) -> Power {
    let mut limb = number.len() - 1;
    while number[limb] == 0 {
        limb -= 1;
    }
    let length = 32 * limb as i32 + number[limb].ilog2() as i32 + 1;
    let (mut mantissa, mut place) = (0_u64, length - 1);
    while place >= length - 64 {
        mantissa = (mantissa << 1) | bit(number, place);
        place -= 1;
    }
    mantissa += bit(number, place);
    assert!(mantissa >> 63 == 1, "no power of ten is rounded up to a power of two");
    Power { mantissa, exponent: exponent + length - 64 }
}

const fn bit(number: &[u32], place: i32) -> u64 {
    if place < 0 { 0 } else { (number[place as usize / 32] >> (place as usize % 32) & 1) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_those_of_ten() {
        let entry = |ten: i32| POWERS[usize::try_from((ten - FIRST) / 8).expect("in the table")];
        assert_eq!((ten_to(0), ten_to(COUNT - 1)), (-348, 340));
        assert_eq!((entry(4).mantissa, entry(4).exponent), (10_000 << 50, -50));
        // The first two whose bits do not all fit: 5^28 has 66 bits, and 5^36 has 84.
        assert_eq!(entry(28).mantissa, u64::try_from((5_u128.pow(28) + 2) >> 2).expect("64 bits"));
        assert_eq!(entry(36).mantissa, ((5_u128.pow(36) + (1 << 19)) >> 20) as u64);
        for (index, power) in POWERS.iter().enumerate() {
            assert_eq!(power.mantissa >> 63, 1);
            // What doubles know of it: 53 bits, in the range of normal ones.
            let ten = ten_to(index);
            if (-300..=300).contains(&ten) {
                let double: f64 = format!("1e{ten}").parse().expect("a number");
                let (high, low) = (power.exponent / 2, power.exponent - power.exponent / 2);
                assert_eq!(power.mantissa as f64 * 2_f64.powi(high) * 2_f64.powi(low), double);
            }
        }
        // Outside of it each is 10^8 times the one before, as far as two rounded numbers can say it.
        for pair in POWERS.windows(2) {
            let product = u128::from(pair[0].mantissa) * 100_000_000;
            let shift = pair[1].exponent - pair[0].exponent;
            let off = product.abs_diff(u128::from(pair[1].mantissa) << shift);
            assert!(off <= 50_000_000 + (1 << (shift - 1)), "{off} at 2^{shift}");
        }
    }

    #[test]
    fn every_exponent_has_its_power() {
        for exponent in -1_137..=960 {
            let (index, power) = power_for(exponent);
            let point = |power: Power| -(exponent + power.exponent + 64);
            assert!((33..=POINT_MAX).contains(&point(power)), "{exponent}: {}", point(power));
            assert!(index == 0 || point(POWERS[index - 1]) > POINT_MAX, "{exponent}");
        }
    }
}
