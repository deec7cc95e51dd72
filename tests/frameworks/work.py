"""What the workers of each framework do; imported by them and by queues.py.

REDIS_URL says where the server is. Each job adds its number to the set `done:<framework>`, so that a job that is run
twice, or never, is seen.
"""

import os

import redis

URL = os.environ["REDIS_URL"]
DATABASE = redis.Redis.from_url(URL)


def note(framework: str, number: int) -> int:
    """A job: `runs:<framework>` counts how often each number was run."""
    DATABASE.hincrby(f"runs:{framework}", number, 1)
    return number * number


def fail_once(framework: str, number: int) -> int:
    """A job that fails at its first run and is tried again."""
    if DATABASE.hincrby(f"tries:{framework}", number, 1) == 1:
        raise RuntimeError("the first try of this job fails")
    return note(framework, number)
