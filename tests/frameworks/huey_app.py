"""The tasks of Huey: a queue with priorities, and a plain one."""

from huey import PriorityRedisHuey, RedisHuey

import work

# Without `store_intermediate_errors=False` who waits for a job can read the error of a try that is to be repeated.
plain = RedisHuey("plain", url=work.URL, store_intermediate_errors=False)
urgent = PriorityRedisHuey("urgent", url=work.URL, store_intermediate_errors=False)


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
