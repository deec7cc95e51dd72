//! table: the commands of the group "geo".

use crate::row::{ONE, at, behind, block, double, integer, key, one_of, row, string, token};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row("geoadd", -5, &[F::Write, F::Denyoom], &[C::Geo])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs(
            "3.2.0",
            "O(log(N)) for each item added, where N is the number of elements in the \
             sorted set.",
            "Adds one or more members to a geospatial index. The key is created if it \
             doesn't exist.",
        )
        .history(&[("6.2.0", "Added the `CH`, `NX` and `XX` options.")])
        .arguments(&[
            key("key", 0),
            one_of("condition", &[token("nx", "NX"), token("xx", "XX")]).since("6.2.0").optional(),
            token("change", "CH").since("6.2.0").optional(),
            block("data", &[double("longitude"), double("latitude"), string("member")]).multiple(),
        ]),
    row("geodist", -4, &[F::Readonly], &[C::Geo])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("3.2.0", "O(1)", "Returns the distance between two members of a geospatial index.")
        .arguments(&[
            key("key", 0),
            string("member1"),
            string("member2"),
            one_of(
                "unit",
                &[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")],
            )
            .optional(),
        ]),
    row("geohash", -2, &[F::Readonly], &[C::Geo])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "3.2.0",
            "O(1) for each member requested.",
            "Returns members from a geospatial index as geohash strings.",
        )
        .arguments(&[key("key", 0), string("member").optional().multiple()]),
    row("geopos", -2, &[F::Readonly], &[C::Geo])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "3.2.0",
            "O(1) for each member requested.",
            "Returns the longitude and latitude of members from a geospatial index.",
        )
        .arguments(&[key("key", 0), string("member").optional().multiple()]),
    row("georadius", -6, &[F::Write, F::Denyoom, F::MovableKeys], &[C::Geo])
        .range(1, 1, 1)
        .keys(&[
            at(1, ONE, &[K::Ro, K::Access]),
            behind("STORE", 6, ONE, &[K::Ow, K::Update]),
            behind("STOREDIST", 6, ONE, &[K::Ow, K::Update]),
        ])
        .docs(
            "3.2.0",
            "O(N+log(M)) where N is the number of elements inside the bounding box of the \
             circular area delimited by center and radius and M is the number of items \
             inside the index.",
            "Queries a geospatial index for members within a distance from a coordinate, \
             optionally stores the result.",
        )
        .history(&[
            ("6.2.0", "Added the `ANY` option for `COUNT`."),
            ("7.0.0", "Added support for uppercase unit names."),
        ])
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")
        .arguments(&[
            key("key", 0),
            double("longitude"),
            double("latitude"),
            double("radius"),
            one_of(
                "unit",
                &[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")],
            ),
            token("withcoord", "WITHCOORD").optional(),
            token("withdist", "WITHDIST").optional(),
            token("withhash", "WITHHASH").optional(),
            block(
                "count-block",
                &[integer("count").token("COUNT"), token("any", "ANY").since("6.2.0").optional()],
            )
            .optional(),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
            one_of(
                "store",
                &[
                    key("storekey", 1).token("STORE").display("key"),
                    key("storedistkey", 2).token("STOREDIST").display("key"),
                ],
            )
            .optional(),
        ]),
    row("georadius_ro", -6, &[F::Readonly], &[C::Geo])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "3.2.10",
            "O(N+log(M)) where N is the number of elements inside the bounding box of the \
             circular area delimited by center and radius and M is the number of items \
             inside the index.",
            "Returns members from a geospatial index that are within a distance from a \
             coordinate.",
        )
        .history(&[("6.2.0", "Added the `ANY` option for `COUNT`.")])
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")
        .arguments(&[
            key("key", 0),
            double("longitude"),
            double("latitude"),
            double("radius"),
            one_of(
                "unit",
                &[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")],
            ),
            token("withcoord", "WITHCOORD").optional(),
            token("withdist", "WITHDIST").optional(),
            token("withhash", "WITHHASH").optional(),
            block(
                "count-block",
                &[integer("count").token("COUNT"), token("any", "ANY").since("6.2.0").optional()],
            )
            .optional(),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
        ]),
    row("georadiusbymember", -5, &[F::Write, F::Denyoom, F::MovableKeys], &[C::Geo])
        .range(1, 1, 1)
        .keys(&[
            at(1, ONE, &[K::Ro, K::Access]),
            behind("STORE", 5, ONE, &[K::Ow, K::Update]),
            behind("STOREDIST", 5, ONE, &[K::Ow, K::Update]),
        ])
        .docs(
            "3.2.0",
            "O(N+log(M)) where N is the number of elements inside the bounding box of the \
             circular area delimited by center and radius and M is the number of items \
             inside the index.",
            "Queries a geospatial index for members within a distance from a member, \
             optionally stores the result.",
        )
        .history(&[("7.0.0", "Added support for uppercase unit names.")])
        .deprecated(
            "6.2.0",
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        )
        .arguments(&[
            key("key", 0),
            string("member"),
            double("radius"),
            one_of(
                "unit",
                &[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")],
            ),
            token("withcoord", "WITHCOORD").optional(),
            token("withdist", "WITHDIST").optional(),
            token("withhash", "WITHHASH").optional(),
            block(
                "count-block",
                &[integer("count").token("COUNT"), token("any", "ANY").optional()],
            )
            .optional(),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
            one_of(
                "store",
                &[
                    key("storekey", 1).token("STORE").display("key"),
                    key("storedistkey", 2).token("STOREDIST").display("key"),
                ],
            )
            .optional(),
        ]),
    row("georadiusbymember_ro", -5, &[F::Readonly], &[C::Geo])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "3.2.10",
            "O(N+log(M)) where N is the number of elements inside the bounding box of the \
             circular area delimited by center and radius and M is the number of items \
             inside the index.",
            "Returns members from a geospatial index that are within a distance from a \
             member.",
        )
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")
        .arguments(&[
            key("key", 0),
            string("member"),
            double("radius"),
            one_of(
                "unit",
                &[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")],
            ),
            token("withcoord", "WITHCOORD").optional(),
            token("withdist", "WITHDIST").optional(),
            token("withhash", "WITHHASH").optional(),
            block(
                "count-block",
                &[integer("count").token("COUNT"), token("any", "ANY").optional()],
            )
            .optional(),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
        ]),
    row("geosearch", -7, &[F::Readonly], &[C::Geo])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "6.2.0",
            "O(N+log(M)) where N is the number of elements in the grid-aligned bounding \
             box area around the shape provided as the filter and M is the number of \
             items inside the shape",
            "Queries a geospatial index for members inside an area of a box or a circle.",
        )
        .history(&[("7.0.0", "Added support for uppercase unit names.")])
        .arguments(&[
            key("key", 0),
            one_of(
                "from",
                &[
                    string("member").token("FROMMEMBER"),
                    block("fromlonlat", &[double("longitude"), double("latitude")])
                        .token("FROMLONLAT"),
                ],
            ),
            one_of(
                "by",
                &[
                    block(
                        "circle",
                        &[
                            double("radius").token("BYRADIUS"),
                            one_of(
                                "unit",
                                &[
                                    token("m", "M"),
                                    token("km", "KM"),
                                    token("ft", "FT"),
                                    token("mi", "MI"),
                                ],
                            ),
                        ],
                    ),
                    block(
                        "box",
                        &[
                            double("width").token("BYBOX"),
                            double("height"),
                            one_of(
                                "unit",
                                &[
                                    token("m", "M"),
                                    token("km", "KM"),
                                    token("ft", "FT"),
                                    token("mi", "MI"),
                                ],
                            ),
                        ],
                    ),
                ],
            ),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
            block(
                "count-block",
                &[integer("count").token("COUNT"), token("any", "ANY").optional()],
            )
            .optional(),
            token("withcoord", "WITHCOORD").optional(),
            token("withdist", "WITHDIST").optional(),
            token("withhash", "WITHHASH").optional(),
        ]),
    row("geosearchstore", -8, &[F::Write, F::Denyoom], &[C::Geo])
        .range(1, 2, 1)
        .keys(&[at(1, ONE, &[K::Ow, K::Update]), at(2, ONE, &[K::Ro, K::Access])])
        .docs(
            "6.2.0",
            "O(N+log(M)) where N is the number of elements in the grid-aligned bounding \
             box area around the shape provided as the filter and M is the number of \
             items inside the shape",
            "Queries a geospatial index for members inside an area of a box or a circle, \
             optionally stores the result.",
        )
        .history(&[("7.0.0", "Added support for uppercase unit names.")])
        .arguments(&[
            key("destination", 0),
            key("source", 1),
            one_of(
                "from",
                &[
                    string("member").token("FROMMEMBER"),
                    block("fromlonlat", &[double("longitude"), double("latitude")])
                        .token("FROMLONLAT"),
                ],
            ),
            one_of(
                "by",
                &[
                    block(
                        "circle",
                        &[
                            double("radius").token("BYRADIUS"),
                            one_of(
                                "unit",
                                &[
                                    token("m", "M"),
                                    token("km", "KM"),
                                    token("ft", "FT"),
                                    token("mi", "MI"),
                                ],
                            ),
                        ],
                    ),
                    block(
                        "box",
                        &[
                            double("width").token("BYBOX"),
                            double("height"),
                            one_of(
                                "unit",
                                &[
                                    token("m", "M"),
                                    token("km", "KM"),
                                    token("ft", "FT"),
                                    token("mi", "MI"),
                                ],
                            ),
                        ],
                    ),
                ],
            ),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
            block(
                "count-block",
                &[integer("count").token("COUNT"), token("any", "ANY").optional()],
            )
            .optional(),
            token("storedist", "STOREDIST").optional(),
        ]),
];
