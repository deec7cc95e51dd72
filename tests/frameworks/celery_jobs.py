"""Celery: groups, chords, chains, retries, delays; results by pub/sub."""

import subprocess
import sys

from celery import chain, chord, group

from celery_app import add_up, app, fail_once, note

PATIENCE = 120


def run() -> None:
    command = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--pool=threads"]
    worker = subprocess.Popen(
        [*command, "--concurrency=4", "--loglevel=error"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        squares = group(note.s(number) for number in range(100))().get(timeout=PATIENCE)
        assert squares == [number * number for number in range(100)], squares
        total = chord(note.s(number) for number in range(100, 120))(add_up.s())
        assert total.get(timeout=PATIENCE) == sum(number * number for number in range(100, 120))
        assert chain(note.s(2), note.s())().get(timeout=PATIENCE) == 16
        assert fail_once.delay(120).get(timeout=PATIENCE) == 120 * 120
        assert note.apply_async((121,), countdown=1).get(timeout=PATIENCE) == 121 * 121
        assert app.control.ping(timeout=10), "the worker hears of the others by pub/sub"
    finally:
        worker.terminate()
        worker.wait(timeout=60)
