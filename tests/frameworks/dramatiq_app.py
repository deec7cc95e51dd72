"""The actors of Dramatiq; its broker does everything in one Lua script."""

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

import work

broker = RedisBroker(url=work.URL)
broker.add_middleware(Results(backend=RedisBackend(url=work.URL)))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def note(number: int) -> int:
    return work.note("dramatiq", number)


@dramatiq.actor(store_results=True, max_retries=3, min_backoff=1)
def fail_once(number: int) -> int:
    return work.fail_once("dramatiq", number)
