"""Dramatiq: actors, retries, delays, groups, results."""

import subprocess
import sys

from dramatiq import group

from dramatiq_app import fail_once, note

PATIENCE_MS = 120_000


def run() -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", "dramatiq", "dramatiq_app", "--processes", "1", "--threads", "4"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        jobs = group([note.message(number) for number in range(100)]).run()
        squares = list(jobs.get_results(block=True, timeout=PATIENCE_MS))
        assert squares == [number * number for number in range(100)], squares
        retried = fail_once.send(100)
        assert retried.get_result(block=True, timeout=PATIENCE_MS) == 100 * 100
        delayed = note.send_with_options(args=(101,), delay=1000)
        assert delayed.get_result(block=True, timeout=PATIENCE_MS) == 101 * 101
    finally:
        worker.terminate()
        worker.wait(timeout=60)
