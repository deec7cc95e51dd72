"""The tasks of Huey: a queue with priorities, and a plain one."""

from huey import PriorityRedisHuey, RedisHuey

import work

plain = RedisHuey("plain", url=work.URL)
urgent = PriorityRedisHuey("urgent", url=work.URL)


@plain.task()
def note(number: int) -> int:
    return work.note("huey", number)


@plain.task(retries=2)
def fail_once(number: int) -> int:
    return work.fail_once("huey", number)


@plain.lock_task("only-one")
def under_lock(number: int) -> int:
    return work.note("huey", number)


@urgent.task(priority=10)
def note_soon(number: int) -> int:
    return work.note("huey", number)
