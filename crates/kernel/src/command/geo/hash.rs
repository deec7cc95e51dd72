//! The 52-bit geohash: a place on earth as a number that keeps neighbours together.
//!
//! ```text
//!   longitude -180..180 and latitude -85.05..85.05, each cut in halves `step` times:
//!   bits  ... x2 y2 x1 y1 x0 y0        x: longitude (odd positions), y: latitude (even ones)
//! ```
//!
//! A member of a geo set is a member of a sorted set whose score is a geohash of 26 steps, 52 bits, so that a double
//! holds it. All members inside a cell of fewer steps have scores in one interval.
//!
//! Invariant: the floating-point operations are those of Redis, in its order, as clients see their last digits.

/// Steps of a score.
pub(super) const STEPS: u32 = 26;
pub(super) const LONGITUDE: Extent = Extent { min: -180.0, max: 180.0 };
/// The square map of EPSG:900913 ends before the poles.
pub(super) const LATITUDE: Extent = Extent { min: -85.051_128_78, max: 85.051_128_78 };

/// From the least to the largest value of a coordinate, degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Extent {
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Extent {
    pub(super) fn contains(self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    fn size(self) -> f64 {
        self.max - self.min
    }

    /// The number of the part that `value` lies in, of 2^steps parts.
    fn part_of(self, value: f64, steps: u32) -> u32 {
        let share = (value - self.min) / self.size();
        (share * (1_u64 << steps) as f64) as u32
    }

    /// The part with that number.
    fn part(self, number: u32, steps: u32) -> Extent {
        let edge =
            |number: u32| self.min + (f64::from(number) / (1_u64 << steps) as f64) * self.size();
        Extent { min: edge(number), max: edge(number.wrapping_add(1)) }
    }

    fn middle(self, limits: Extent) -> f64 {
        f64::midpoint(self.min, self.max).clamp(limits.min, limits.max)
    }
}

/// A point, degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Point {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

/// A rectangle of the map, degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Area {
    pub(super) longitude: Extent,
    pub(super) latitude: Extent,
}

/// A cell of the map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cell {
    pub(super) bits: u64,
    /// 1 to 26.
    pub(super) steps: u32,
}

const X_BITS: u64 = 0xaaaa_aaaa_aaaa_aaaa;
const Y_BITS: u64 = 0x5555_5555_5555_5555;

impl Cell {
    /// The cell that holds a point of the map.
    pub(super) fn of(point: Point, steps: u32) -> Cell {
        Cell::within(point, steps, LONGITUDE, LATITUDE)
    }

    fn within(point: Point, steps: u32, longitude: Extent, latitude: Extent) -> Cell {
        let y = latitude.part_of(point.latitude, steps);
        let x = longitude.part_of(point.longitude, steps);
        Cell { bits: spread(y) | spread(x) << 1, steps }
    }

    /// The cell of the standard geohash, whose map reaches the poles.
    pub(super) fn standard(point: Point) -> Cell {
        let to = |max: f64| Extent { min: -max, max };
        Cell::within(point, STEPS, to(180.0), to(90.0))
    }

    /// The cell that a score stands for.
    pub(super) fn of_score(score: f64) -> Cell {
        Cell { bits: truncated(score), steps: STEPS }
    }

    pub(super) fn area(self) -> Area {
        Area {
            longitude: LONGITUDE.part(gather(self.bits >> 1), self.steps),
            latitude: LATITUDE.part(gather(self.bits), self.steps),
        }
    }

    /// The middle.
    pub(super) fn point(self) -> Point {
        let area = self.area();
        Point {
            longitude: area.longitude.middle(LONGITUDE),
            latitude: area.latitude.middle(LATITUDE),
        }
    }

    /// The score of a member in this cell of 26 steps.
    pub(super) fn score(self) -> f64 {
        self.scores().0
    }

    /// The scores of members inside: from the first, which is included, to the second, which is not.
    pub(super) fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEPS - self.steps);
        ((self.bits << shift) as f64, ((self.bits + 1) << shift) as f64)
    }

    /// The neighbour `east` (-1, 0, 1) cells to the east and `north` cells to the north; the map is a torus here.
    pub(super) fn neighbour(self, east: i32, north: i32) -> Cell {
        let unused = 64 - 2 * self.steps;
        let x = moved(self.bits & X_BITS, X_BITS >> unused, Y_BITS >> unused, east);
        let y = moved(self.bits & Y_BITS, Y_BITS >> unused, X_BITS >> unused, north);
        Cell { bits: x | y, steps: self.steps }
    }

    /// The eleven letters of the standard geohash. There are bits for ten; the last is 0, as in Redis.
    pub(super) fn letters(self) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = 2 * self.steps as usize;
        std::array::from_fn(|at| match at {
            10 => ALPHABET[0],
            at => ALPHABET[(self.bits >> (bits - 5 * (at + 1)) & 0x1f) as usize],
        })
    }
}

/// Counts the number in the bits `own` up or down; `other` are the bits between them.
fn moved(number: u64, own: u64, other: u64, by: i32) -> u64 {
    let carried = match by {
        0 => return number,
        1.. => number.wrapping_add(other + 1),
        _ => (number | other).wrapping_sub(other + 1),
    };
    carried & own
}

/// Puts the bits of a number into the even positions.
fn spread(number: u32) -> u64 {
    let mut bits = u64::from(number);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, Y_BITS),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// The number in the even positions.
fn gather(bits: u64) -> u32 {
    let mut number = bits & Y_BITS;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        number = (number | number >> shift) & mask;
    }
    u32::try_from(number).expect("32 bits are left")
}

/// What a C compiler for x86-64 makes of `(uint64_t)score`: any score may stand in a sorted set.
fn truncated(score: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    let signed = |value: f64| if value < HALF { value as i64 } else { i64::MIN };
    if score < HALF {
        signed(score).cast_unsigned()
    } else {
        signed(score - HALF).cast_unsigned() ^ 1 << 63
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PALERMO: Point = Point { longitude: 13.361389, latitude: 38.115556 };
    const CATANIA: Point = Point { longitude: 15.087269, latitude: 37.502669 };

    #[test]
    fn scores_and_letters_of_known_places() {
        assert_eq!(Cell::of(PALERMO, STEPS).score(), 3_479_099_956_230_698.0);
        assert_eq!(Cell::of(CATANIA, STEPS).score(), 3_479_447_370_796_909.0);
        let letters = |point| String::from_utf8(Cell::standard(point).letters().to_vec());
        assert_eq!(letters(PALERMO).as_deref(), Ok("sqc8b49rny0"));
        assert_eq!(letters(CATANIA).as_deref(), Ok("sqdtr74hyu0"));
        let point = Cell::of_score(3_479_099_956_230_698.0).point();
        assert_eq!(format!("{:.17}", point.longitude), "13.36138933897018433");
        assert_eq!(format!("{:.17}", point.latitude), "38.11555639549629859");
    }

    #[test]
    fn bits_are_spread_and_gathered() {
        for number in [0, 1, 0x0123_4567, 0xdead_beef, u32::MAX] {
            assert_eq!(gather(spread(number)), number);
            assert_eq!(spread(number) & X_BITS, 0);
        }
    }

    #[test]
    fn a_neighbour_is_one_cell_away_and_back() {
        for steps in [1, 2, 7, 26] {
            let cell = Cell::of(PALERMO, steps);
            for (east, north) in [(1, 0), (-1, 1), (0, -1), (1, 1)] {
                assert_eq!(cell.neighbour(east, north).neighbour(-east, -north), cell);
            }
        }
        let cell = Cell::of(PALERMO, 7);
        assert_eq!(cell.area().longitude.max, cell.neighbour(1, 0).area().longitude.min);
        assert_eq!(cell.area().latitude.min, cell.neighbour(0, -1).area().latitude.max);
    }

    #[test]
    fn any_score_has_a_point() {
        for score in [0.0, -1.0, 1e300, -1e300, f64::INFINITY, f64::NEG_INFINITY, 0.5, 1e19] {
            let point = Cell::of_score(score).point();
            assert!(LONGITUDE.contains(point.longitude), "{score}");
            assert!(LATITUDE.contains(point.latitude), "{score}");
        }
    }
}
