//! Geo sets: sorted sets whose scores are geohashes.

mod hash;
mod search;
mod shape;

use store::Zset;
use wire::resp::reply::{ErrorReply, ReplyWriter};

use super::table::Binding;
use super::zset;
use super::{Args, CmdResult, Handler, Stop, Turn};
use hash::{Cell, Point, STEPS};

pub(crate) const COMMANDS: &[Binding] = &[
    ("geoadd", Handler::Data(geoadd)),
    ("geodist", Handler::Data(geodist)),
    ("geohash", Handler::Data(geohash)),
    ("geopos", Handler::Data(geopos)),
    ("georadius", Handler::Data(search::georadius)),
    ("georadius_ro", Handler::Data(search::georadius_ro)),
    ("georadiusbymember", Handler::Data(search::georadiusbymember)),
    ("georadiusbymember_ro", Handler::Data(search::georadiusbymember_ro)),
    ("geosearch", Handler::Data(search::geosearch)),
    ("geosearchstore", Handler::Data(search::geosearchstore)),
];

/// Longitude and latitude from argument `at` on.
fn point_at(args: &Args<'_>, at: usize) -> Result<Point, Stop> {
    let point = Point { longitude: args.float(at)?, latitude: args.float(at + 1)? };
    if shape::is_on_map(point) {
        return Ok(point);
    }
    let Point { longitude, latitude } = point;
    let text = format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}");
    Err(Stop::Error(text.into()))
}

/// Metres in a unit.
fn parse_unit(text: &[u8]) -> Result<f64, Stop> {
    match text.to_ascii_lowercase().as_slice() {
        b"m" => Ok(1.0),
        b"km" => Ok(1000.0),
        b"ft" => Ok(0.3048),
        b"mi" => Ok(1609.34),
        _ => {
            let text = "ERR unsupported unit provided. please use M, KM, FT, MI";
            Err(ErrorReply::new(text).into())
        }
    }
}

/// A distance with four decimals.
fn distance_text(distance: f64) -> String {
    let scaled = (distance * 10_000.0).round_ties_even() as u64;
    format!("{}.{:04}", scaled / 10_000, scaled % 10_000)
}

/// Longitude and latitude, each with as many of 17 decimals as are not 0.
fn reply_point(reply: &mut ReplyWriter<'_>, point: Point) {
    reply.array(2);
    for coordinate in [point.longitude, point.latitude] {
        let text = format!("{coordinate:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        reply.double_text(if text == "-0" { b"0" } else { text.as_bytes() });
    }
}

fn geoadd(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (mut nx, mut xx, mut counts_changed, mut at) = (false, false, false, 2);
    while at < args.len() {
        match args.key(at).to_ascii_lowercase().as_slice() {
            b"nx" => nx = true,
            b"xx" => xx = true,
            b"ch" => counts_changed = true,
            _ => break,
        }
        at += 1;
    }
    if (nx && xx) || !(args.len() - at).is_multiple_of(3) {
        return Err(ErrorReply::SYNTAX.into());
    }
    let member = |at: usize| {
        let point = point_at(args, at)?;
        Ok::<_, Stop>((Cell::of(point, STEPS).score(), args.key(at + 2)))
    };
    let members: Vec<_> = (at..args.len()).step_by(3).map(member).collect::<Result<_, Stop>>()?;
    if members.is_empty() {
        return Err(ErrorReply::SYNTAX.into());
    }
    zset::add(cx, args.key(1), zset::only(nx, xx), counts_changed, members)
}

/// The point of a member.
fn point_of(zset: Option<&Zset>, member: &[u8]) -> Option<Point> {
    zset?.score(member).map(|score| Cell::of_score(score).point())
}

fn geodist(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let unit = match args.len() {
        4 => 1.0,
        5 => parse_unit(args.key(4))?,
        _ => return Err(ErrorReply::SYNTAX.into()),
    };
    let zset = cx.keys.zset(args.key(1))?;
    match (point_of(zset, args.key(2)), point_of(zset, args.key(3))) {
        (Some(a), Some(b)) => {
            cx.reply.bulk(distance_text(shape::distance(a, b) / unit).as_bytes());
        }
        (_, _) => cx.reply.null(),
    }
    Ok(())
}

fn geohash(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let zset = cx.keys.zset(args.key(1))?;
    cx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        match point_of(zset, member) {
            Some(point) => cx.reply.bulk(&Cell::standard(point).letters()),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

fn geopos(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let zset = cx.keys.zset(args.key(1))?;
    cx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        match point_of(zset, member) {
            Some(point) => reply_point(&mut cx.reply, point),
            None => cx.reply.null_array(),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_four_decimals() {
        for (distance, text) in
            [(0.0, "0.0000"), (0.01234, "0.0123"), (166_274.151_56, "166274.1516"), (2.0, "2.0000")]
        {
            assert_eq!(distance_text(distance), text);
        }
    }
}
