"""Huey: tasks, retries, delays, priorities, locks."""

import os
import subprocess
import sys

import huey

from huey_app import fail_once, note, note_soon, under_lock

PATIENCE = 120


def run() -> None:
    program = os.path.join(os.path.dirname(sys.executable), "huey_consumer")
    if not os.path.exists(program):
        program += ".py"
    consumers = [
        subprocess.Popen(
            [sys.executable, program, f"huey_app.{name}", "--workers=3"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(os.environ, PYTHONPATH="."),
        )
        for name in ("plain", "urgent")
    ]
    try:
        results = [note(number) for number in range(100)]
        results += [fail_once(100), note.schedule((101,), delay=1), note_soon(102)]
        for number, result in enumerate(results):
            value = result.get(blocking=True, timeout=PATIENCE, preserve=True)
            assert value == number * number, (number, value)
        assert under_lock(103) == 103 * 103
    except huey.exceptions.HueyException as error:
        raise AssertionError(f"huey: {error!r}") from error
    finally:
        for consumer in consumers:
            consumer.terminate()
        for consumer in consumers:
            consumer.wait(timeout=60)
