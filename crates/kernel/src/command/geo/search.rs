//! GEOSEARCH, GEOSEARCHSTORE and the older GEORADIUS family.
//!
//! ```text
//!   shape --> cells that cover it --> members by score, cell by cell --> those inside --> sorted, counted
//! ```

use store::Zset;
use wire::listpack::TextBuffer;
use wire::resp::reply::ErrorReply;

use super::hash::{Cell, Point};
use super::shape::{Form, Shape};
use super::{distance_text, parse_unit, point_at, reply_point};
use crate::command::zset::{Members, ranks_of_scores, replace};
use crate::command::{Args, CmdResult, Stop, Turn};

/// Which of the six commands it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Radius,
    RadiusByMember,
    Search,
    SearchStore,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    None,
    Ascending,
    Descending,
}

/// The arguments. `shape` is `None` when it could not be known because the source is missing.
struct Search<'a> {
    shape: Option<Shape>,
    /// Metres in the unit of the reply.
    unit: f64,
    with_distance: bool,
    with_hash: bool,
    with_point: bool,
    order: Order,
    /// 0: all.
    count: usize,
    /// Any will do, not only the nearest.
    is_any: bool,
    target: Option<&'a [u8]>,
    stores_distance: bool,
}

/// A member inside the shape.
struct Found {
    member: Vec<u8>,
    score: f64,
    /// Metres from the centre.
    distance: f64,
    point: Point,
}

pub(super) fn georadius(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Variant::Radius, true)
}

pub(super) fn georadius_ro(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Variant::Radius, false)
}

pub(super) fn georadiusbymember(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Variant::RadiusByMember, true)
}

pub(super) fn georadiusbymember_ro(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Variant::RadiusByMember, false)
}

pub(super) fn geosearch(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Variant::Search, false)
}

pub(super) fn geosearchstore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Variant::SearchStore, true)
}

fn run(cx: &mut Turn<'_>, args: &Args<'_>, variant: Variant, may_store: bool) -> CmdResult {
    let source = args.key(if variant == Variant::SearchStore { 2 } else { 1 });
    let zset = cx.keys.zset(source)?;
    let search = Parser::new(args, variant, may_store, zset).parse()?;
    let found = match (zset, &search.shape) {
        (Some(zset), Some(shape)) => search.find(zset, shape),
        (_, _) => Vec::new(),
    };
    let mut found = cx.keys.temporary(found);
    let count = if search.count > 0 { search.count.min(found.len()) } else { found.len() };
    let found = &mut found[..count];
    match search.target {
        None => search.reply(cx, found),
        Some(target) => {
            let is_search = variant == Variant::SearchStore;
            let event = if is_search { "geosearchstore" } else { "georadiusstore" };
            search.store(cx, target, found, event)?;
        }
    }
    Ok(())
}

impl Search<'_> {
    /// The members inside the shape, in the order that was asked for; maybe more than were asked for.
    fn find(&self, zset: &Zset, shape: &Shape) -> Vec<Found> {
        let limit = if self.is_any { self.count } else { usize::MAX };
        let mut found = Vec::new();
        // The cell visited last, but for the first: with cells of a quarter of the map, neighbours are the same ones.
        let mut last = None;
        for (at, cell) in shape.cover().into_iter().enumerate() {
            if last == Some(cell) {
                continue;
            }
            if found.len() >= limit {
                break;
            }
            find_in_cell(zset, cell, shape, limit, &mut found);
            if at > 0 {
                last = Some(cell);
            }
        }
        let order = match self.order {
            Order::None if self.count > 0 && !self.is_any => Order::Ascending,
            order => order,
        };
        match order {
            Order::None => {}
            Order::Ascending => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
            Order::Descending => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
        }
        found
    }

    fn reply(&self, cx: &mut Turn<'_>, found: &[Found]) {
        let extras = [self.with_distance, self.with_hash, self.with_point];
        let width = 1 + extras.into_iter().filter(|is_wanted| *is_wanted).count();
        cx.reply.array(found.len());
        for found in found {
            if width > 1 {
                cx.reply.array(width);
            }
            cx.reply.bulk(&found.member);
            if self.with_distance {
                cx.reply.bulk(distance_text(found.distance / self.unit).as_bytes());
            }
            if self.with_hash {
                cx.reply.integer(found.score as i64);
            }
            if self.with_point {
                reply_point(&mut cx.reply, found.point);
            }
        }
    }

    fn store(
        &self,
        cx: &mut Turn<'_>,
        target: &[u8],
        found: &mut [Found],
        event: &'static str,
    ) -> CmdResult {
        let score = |found: &Found| {
            if self.stores_distance { found.distance / self.unit } else { found.score }
        };
        let members: Members = found
            .iter_mut()
            .map(|found| (score(found), std::mem::take(&mut found.member)))
            .collect();
        let members = cx.keys.temporary(members);
        replace(cx, target, &members, event)?;
        cx.reply.count(members.len());
        Ok(())
    }
}

/// Appends the members of one cell that lie inside the shape, until there are `limit` of all.
fn find_in_cell(zset: &Zset, cell: Cell, shape: &Shape, limit: usize, found: &mut Vec<Found>) {
    let (first, behind) = cell.scores();
    let ranks = ranks_of_scores(zset, first, behind);
    for (score, member) in zset.range(ranks.start, ranks.len()) {
        let point = Cell::of_score(score).point();
        if let Some(distance) = shape.distance_inside(point) {
            let member = member.text(&mut TextBuffer::default()).to_vec();
            found.push(Found { member, score, distance, point });
            if found.len() >= limit {
                return;
            }
        }
    }
}

/// Reads the arguments, which depend on the source: a member of it may be the centre.
struct Parser<'p, 'a> {
    args: &'p Args<'a>,
    variant: Variant,
    may_store: bool,
    zset: Option<&'p Zset>,
    centre: Option<Point>,
    from_member: bool,
    from_point: bool,
    form: Option<Form>,
    search: Search<'a>,
}

impl<'p, 'a> Parser<'p, 'a> {
    fn new(
        args: &'p Args<'a>,
        variant: Variant,
        may_store: bool,
        zset: Option<&'p Zset>,
    ) -> Parser<'p, 'a> {
        let target = (variant == Variant::SearchStore).then(|| args.key(1));
        let search = Search {
            shape: None,
            unit: 1.0,
            with_distance: false,
            with_hash: false,
            with_point: false,
            order: Order::None,
            count: 0,
            is_any: false,
            target,
            stores_distance: false,
        };
        let (centre, form) = (None, None);
        Parser {
            args,
            variant,
            may_store,
            zset,
            centre,
            from_member: false,
            from_point: false,
            form,
            search,
        }
    }

    fn is_search(&self) -> bool {
        matches!(self.variant, Variant::Search | Variant::SearchStore)
    }

    fn parse(mut self) -> Result<Search<'a>, Stop> {
        let mut at = self.parse_fixed()?;
        while at < self.args.len() {
            at += match self.parse_common(at)? {
                Some(words) => words,
                None => self.parse_special(at)?,
            };
        }
        self.check()?;
        if let (Some(centre), Some(form)) = (self.centre, self.form) {
            self.search.shape = Some(Shape { centre, form });
        }
        Ok(self.search)
    }

    /// What stands at fixed places; returns where the options begin.
    fn parse_fixed(&mut self) -> Result<usize, Stop> {
        match self.variant {
            Variant::Search => Ok(2),
            Variant::SearchStore => Ok(3),
            Variant::Radius => {
                self.centre = Some(point_at(self.args, 2)?);
                self.parse_radius(4)?;
                Ok(6)
            }
            Variant::RadiusByMember => {
                if let Some(zset) = self.zset {
                    self.centre = Some(member_point(zset, self.args.key(2))?);
                    self.parse_radius(3)?;
                }
                Ok(5)
            }
        }
    }

    /// An option of all variants at `at`: how many words it has.
    fn parse_common(&mut self, at: usize) -> Result<Option<usize>, Stop> {
        let search = &mut self.search;
        match self.args.key(at).to_ascii_lowercase().as_slice() {
            b"withdist" => search.with_distance = true,
            b"withhash" => search.with_hash = true,
            b"withcoord" => search.with_point = true,
            b"any" => search.is_any = true,
            b"asc" => search.order = Order::Ascending,
            b"desc" => search.order = Order::Descending,
            b"count" if at + 1 < self.args.len() => {
                search.count = match self.args.int(at + 1)? {
                    ..=0 => return Err(ErrorReply::new("ERR COUNT must be > 0").into()),
                    count => usize::try_from(count).unwrap_or(usize::MAX),
                };
                return Ok(Some(2));
            }
            _ => return Ok(None),
        }
        Ok(Some(1))
    }

    /// An option that not all variants have: how many words it has.
    fn parse_special(&mut self, at: usize) -> Result<usize, Stop> {
        let args = self.args;
        let behind = args.len() - at - 1;
        let word = args.key(at).to_ascii_lowercase();
        if !self.is_search() {
            let stores_distance = word == b"storedist";
            if (stores_distance || word == b"store") && behind >= 1 && self.may_store {
                self.search.target = Some(args.key(at + 1));
                self.search.stores_distance = stores_distance;
                return Ok(2);
            }
            return Err(ErrorReply::SYNTAX.into());
        }
        let is_circle = matches!(self.form, Some(Form::Circle { .. }));
        let is_box = matches!(self.form, Some(Form::Box { .. }));
        match word.as_slice() {
            b"storedist" if self.variant == Variant::SearchStore => {
                self.search.stores_distance = true;
                Ok(1)
            }
            b"frommember" if behind >= 1 && !self.from_point => {
                self.from_member = true;
                if let Some(zset) = self.zset {
                    self.centre = Some(member_point(zset, args.key(at + 1))?);
                }
                Ok(2)
            }
            b"fromlonlat" if behind >= 2 && !self.from_member => {
                self.centre = Some(point_at(args, at + 1)?);
                self.from_point = true;
                Ok(3)
            }
            b"byradius" if behind >= 2 && !is_box => {
                self.parse_radius(at + 1)?;
                Ok(3)
            }
            b"bybox" if behind >= 3 && !is_circle => {
                self.parse_box(at + 1)?;
                Ok(4)
            }
            _ => Err(ErrorReply::SYNTAX.into()),
        }
    }

    fn parse_radius(&mut self, at: usize) -> Result<(), Stop> {
        let numeric = |_| ErrorReply::new("ERR need numeric radius");
        let radius = self.args.float(at).map_err(numeric)?;
        if radius < 0.0 {
            return Err(ErrorReply::new("ERR radius cannot be negative").into());
        }
        let unit = parse_unit(self.args.key(at + 1))?;
        self.form = Some(Form::Circle { radius: radius * unit });
        self.search.unit = unit;
        Ok(())
    }

    fn parse_box(&mut self, at: usize) -> Result<(), Stop> {
        let numeric = |text| move |_| ErrorReply::new(text);
        let width = self.args.float(at).map_err(numeric("ERR need numeric width"))?;
        let height = self.args.float(at + 1).map_err(numeric("ERR need numeric height"))?;
        if height < 0.0 || width < 0.0 {
            return Err(ErrorReply::new("ERR height or width cannot be negative").into());
        }
        let unit = parse_unit(self.args.key(at + 2))?;
        self.form = Some(Form::Box { width: width * unit, height: height * unit });
        self.search.unit = unit;
        Ok(())
    }

    /// Whether the options fit together.
    fn check(&self) -> Result<(), Stop> {
        let error = |text: String| Err(Stop::Error(text.into()));
        let search = &self.search;
        let name = String::from_utf8_lossy(self.args.key(0));
        if search.target.is_some()
            && (search.with_distance || search.with_hash || search.with_point)
        {
            let who = match self.variant {
                Variant::SearchStore => "GEOSEARCHSTORE",
                Variant::Radius | Variant::RadiusByMember | Variant::Search => {
                    "STORE option in GEORADIUS"
                }
            };
            let text = "is not compatible with WITHDIST, WITHHASH and WITHCOORD options";
            return error(format!("ERR {who} {text}"));
        }
        if self.is_search() && !self.from_member && !self.from_point {
            let text = "exactly one of FROMMEMBER or FROMLONLAT can be specified for";
            return error(format!("ERR {text} {name}"));
        }
        if self.is_search() && self.form.is_none() {
            let text = "exactly one of BYRADIUS and BYBOX can be specified for";
            return error(format!("ERR {text} {name}"));
        }
        if search.is_any && search.count == 0 {
            return error("ERR the ANY argument requires COUNT argument".to_owned());
        }
        Ok(())
    }
}

fn member_point(zset: &Zset, member: &[u8]) -> Result<Point, Stop> {
    let score = zset
        .score(member)
        .ok_or(Stop::Error(ErrorReply::new("ERR could not decode requested zset member")))?;
    Ok(Cell::of_score(score).point())
}
