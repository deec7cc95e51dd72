//! What a search covers: a circle or a box around a point, and the cells of the map that can hold it.
//!
//! Invariant: the floating-point operations are those of Redis, in its order, as they decide who lies on an edge.

use super::hash::{Cell, LATITUDE, LONGITUDE, Point, STEPS};

/// Quadratic mean radius of WGS-84, metres.
const EARTH_RADIUS: f64 = 6_372_797.560_856;
/// Half of the map's width in the Mercator projection, metres.
const MERCATOR_MAX: f64 = 20_037_726.37;
const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

fn radians(degrees: f64) -> f64 {
    degrees * RADIANS_PER_DEGREE
}

fn degrees(radians: f64) -> f64 {
    radians / RADIANS_PER_DEGREE
}

/// Metres between two points (haversine).
pub(super) fn distance(a: Point, b: Point) -> f64 {
    let v = ((radians(b.longitude) - radians(a.longitude)) / 2.0).sin();
    if v == 0.0 {
        return distance_of_latitudes(a.latitude, b.latitude);
    }
    let (from, to) = (radians(a.latitude), radians(b.latitude));
    let u = ((to - from) / 2.0).sin();
    let a = u * u + from.cos() * to.cos() * v * v;
    2.0 * EARTH_RADIUS * a.sqrt().asin()
}

fn distance_of_latitudes(a: f64, b: f64) -> f64 {
    EARTH_RADIUS * (radians(b) - radians(a)).abs()
}

/// A circle or a box; lengths are metres.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Form {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

/// A form around a point.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Shape {
    pub(super) centre: Point,
    pub(super) form: Form,
}

impl Shape {
    /// The distance from the centre (metres) of a point that lies inside.
    pub(super) fn distance_inside(&self, point: Point) -> Option<f64> {
        match self.form {
            Form::Circle { radius } => {
                let distance = distance(self.centre, point);
                (distance <= radius).then_some(distance)
            }
            Form::Box { width, height } => {
                if distance_of_latitudes(point.latitude, self.centre.latitude) > height / 2.0 {
                    return None;
                }
                let beside = Point { longitude: self.centre.longitude, ..point };
                if distance(point, beside) > width / 2.0 {
                    return None;
                }
                Some(distance(self.centre, point))
            }
        }
    }

    /// Metres from the centre to the farthest point.
    fn reach(&self) -> f64 {
        match self.form {
            Form::Circle { radius } => radius,
            Form::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        }
    }

    /// The corners of a rectangle around the form, degrees: south-west and north-east.
    fn bounds(&self) -> (Point, Point) {
        let (width, height) = match self.form {
            Form::Circle { radius } => (radius, radius),
            Form::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let Point { longitude, latitude } = self.centre;
        let up = degrees(height / EARTH_RADIUS);
        // A degree of longitude is shortest on the side of the pole.
        let towards_pole = if latitude < 0.0 { latitude - up } else { latitude + up };
        let aside = degrees(width / EARTH_RADIUS / radians(towards_pole).cos());
        (
            Point { longitude: longitude - aside, latitude: latitude - up },
            Point { longitude: longitude + aside, latitude: latitude + up },
        )
    }

    /// The cells that together hold the form, the one of the centre first. Some may stand there twice.
    pub(super) fn cover(&self) -> Vec<Cell> {
        let (min, max) = self.bounds();
        let mut steps = steps_for(self.reach(), self.centre.latitude);
        let mut cell = Cell::of(self.centre, steps);
        let reaches_beyond = cell.neighbour(0, 1).area().latitude.max < max.latitude
            || cell.neighbour(0, -1).area().latitude.min > min.latitude
            || cell.neighbour(1, 0).area().longitude.max < max.longitude
            || cell.neighbour(-1, 0).area().longitude.min > min.longitude;
        if steps > 1 && reaches_beyond {
            steps -= 1;
            cell = Cell::of(self.centre, steps);
        }
        // Neighbours on a side where the form ends inside the middle cell hold nothing of it.
        let area = cell.area();
        let may_skip = steps >= 2;
        let skips_south = may_skip && area.latitude.min < min.latitude;
        let skips_north = may_skip && area.latitude.max > max.latitude;
        let skips_west = may_skip && area.longitude.min < min.longitude;
        let skips_east = may_skip && area.longitude.max > max.longitude;
        let is_useful = |&(east, north): &(i32, i32)| {
            !(north < 0 && skips_south
                || north > 0 && skips_north
                || east < 0 && skips_west
                || east > 0 && skips_east)
        };
        let around = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let neighbours = around.into_iter().filter(is_useful);
        let neighbours = neighbours.map(|(east, north)| cell.neighbour(east, north));
        std::iter::once(cell).chain(neighbours).collect()
    }
}

/// Steps of cells of which nine hold a circle of that radius (metres) at that latitude.
fn steps_for(radius: f64, latitude: f64) -> u32 {
    if radius == 0.0 {
        return STEPS;
    }
    let (mut radius, mut steps) = (radius, 1);
    while radius < MERCATOR_MAX {
        radius *= 2.0;
        steps += 1;
    }
    steps -= 2;
    // Cells are narrower towards the poles.
    let narrow = [66.0, 80.0].into_iter().filter(|limit| latitude.abs() > *limit).count();
    steps -= i32::try_from(narrow).expect("at most 2");
    u32::try_from(steps.max(1)).expect("at least 1").min(STEPS)
}

/// Whether a point lies on the map.
pub(super) fn is_on_map(point: Point) -> bool {
    LONGITUDE.contains(point.longitude) && LATITUDE.contains(point.latitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PALERMO: Point = Point { longitude: 13.361389, latitude: 38.115556 };

    #[test]
    fn the_cover_of_a_form_holds_its_points() {
        let places = [PALERMO, Point { longitude: 179.5, latitude: -84.0 }];
        for centre in places {
            for size in [1.0, 500.0, 100_000.0] {
                for form in
                    [Form::Circle { radius: size }, Form::Box { width: size, height: size * 3.0 }]
                {
                    let shape = Shape { centre, form };
                    let cover = shape.cover();
                    let (min, max) = shape.bounds();
                    for (x, y) in (0..=20).flat_map(|x| (0..=20).map(move |y| (x, y))) {
                        let at =
                            |min: f64, max: f64, i: i32| min + (max - min) * f64::from(i) / 20.0;
                        let point = Point {
                            longitude: at(min.longitude, max.longitude, x),
                            latitude: at(min.latitude, max.latitude, y),
                        };
                        if is_on_map(point) && shape.distance_inside(point).is_some() {
                            let score = Cell::of(point, STEPS).score();
                            let is_held = cover.iter().any(|cell| {
                                let (first, behind) = cell.scores();
                                first <= score && score < behind
                            });
                            assert!(is_held, "{shape:?} {point:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn sizes_of_any_kind_have_a_cover() {
        for size in [0.0, 1e-300, 1e300, f64::INFINITY] {
            for form in [Form::Circle { radius: size }, Form::Box { width: size, height: size }] {
                let cover = Shape { centre: PALERMO, form }.cover();
                assert!((1..=9).contains(&cover.len()), "{size}");
            }
        }
    }

    #[test]
    fn a_known_distance() {
        let catania = Cell::of(Point { longitude: 15.087269, latitude: 37.502669 }, STEPS);
        let metres = distance(Cell::of(PALERMO, STEPS).point(), catania.point());
        assert_eq!(format!("{metres:.4}"), "166274.1516");
    }
}
