"""redis-py against an endpoint: what an application does, in RESP2 and RESP3.

usage: redis_py.py HOST PORT    exits 0 and prints "ok N checks" when every check held
"""

import sys
import threading

import redis

checks = 0


def check(what, found, expected):
    global checks
    checks += 1
    if found != expected:
        sys.exit(f"{what}: found {found!r}, expected {expected!r}")


def strings_and_keys(r):
    check("set", r.set("s", "v", ex=1000), True)
    check("get", r.get("s"), "v")
    check("set nx", r.set("s", "w", nx=True), None)
    check("getset by option", r.set("s", "w", get=True), "v")
    check("ttl cleared", r.ttl("s"), -1)
    check("incr", [r.incr("n"), r.incrby("n", 5), r.incrbyfloat("n", 0.5)], [1, 6, 6.5])
    check("mget", r.mget("s", "missing"), ["w", None])
    check("expire", r.expire("s", 100), True)
    check("type", r.type("s"), "string")
    check("rename", r.rename("s", "t"), True)
    check("scan", sorted(r.scan_iter(count=10)), ["n", "t"])
    check("delete", r.delete("t", "n", "missing"), 2)


def collections(r):
    check("rpush", r.rpush("l", *"abc"), 3)
    check("lrange", r.lrange("l", 0, -1), ["a", "b", "c"])
    check("lpop", r.lpop("l", 2), ["a", "b"])
    check("hset", r.hset("h", mapping={"f": "1", "g": "2"}), 2)
    check("hgetall", r.hgetall("h"), {"f": "1", "g": "2"})
    check("hincrby", r.hincrby("h", "f", 4), 5)
    check("sadd", r.sadd("set", "a", "b"), 2)
    check("smembers", r.smembers("set"), {"a", "b"})
    check("zadd", r.zadd("z", {"a": 1, "b": 2.5}), 2)
    check("zrange", [tuple(pair) for pair in r.zrange("z", 0, -1, withscores=True)], [("a", 1.0), ("b", 2.5)])
    check("zscore", r.zscore("z", "b"), 2.5)
    check("many", r.hset("big", mapping={f"f{i}": i for i in range(1000)}), 1000)
    check("hscan", len(dict(r.hscan_iter("big"))), 1000)


def transactions(r):
    with r.pipeline() as p:
        p.set("a", 1).incr("a").get("a")
        check("multi", p.execute(), [True, 2, "2"])
    with r.pipeline() as p:
        p.watch("a")
        r.set("a", "changed")
        p.multi()
        p.set("a", "lost")
        try:
            p.execute()
            sys.exit("WATCH did not stop the transaction")
        except redis.WatchError:
            check("watched key kept", r.get("a"), "changed")
    with r.pipeline(transaction=False) as p:
        for i in range(1000):
            p.set(f"p{i}", i)
        check("pipeline", p.execute(), [True] * 1000)


def blocking_and_pubsub(r):
    pusher = threading.Timer(0.05, lambda: r.rpush("queue", "job"))
    pusher.start()
    check("blpop", tuple(r.blpop("queue", timeout=10)), ("queue", "job"))
    pusher.join()
    p = r.pubsub()
    p.subscribe("news")
    check("subscribed", p.get_message(timeout=10)["type"], "subscribe")
    check("publish", r.publish("news", "hello"), 1)
    check("message", p.get_message(timeout=10)["data"], "hello")
    p.close()


def administration(r):
    check("info", r.info()["role"], "master")
    check("config", r.config_set("hash-max-listpack-entries", "64"), True)
    check("config get", r.config_get("hash-max-listpack-entries"), {"hash-max-listpack-entries": "64"})
    r.config_set("hash-max-listpack-entries", "128")
    check("client name", r.client_setname("me"), True)
    check("client list", any(c["name"] == "me" for c in r.client_list()), True)
    check("object", r.object("encoding", "h"), "listpack")
    check("dbsize", r.dbsize() > 1000, True)
    try:
        r.lpush("h", "x")
        sys.exit("WRONGTYPE was not raised")
    except redis.ResponseError as error:
        check("wrong type", str(error).startswith("WRONGTYPE"), True)


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    for protocol in (2, 3):
        r = redis.Redis(host, port, decode_responses=True, protocol=protocol)
        check("flushall", r.flushall(), True)
        strings_and_keys(r)
        collections(r)
        transactions(r)
        blocking_and_pubsub(r)
        administration(r)
        r.close()
    print(f"ok {checks} checks")


main()
