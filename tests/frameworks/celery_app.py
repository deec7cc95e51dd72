"""The Celery application: broker and results in one database."""

from celery import Celery

import work

app = Celery("pollux", broker=work.URL, backend=work.URL)
app.conf.broker_connection_retry_on_startup = True
app.conf.task_acks_late = True


@app.task
def note(number: int) -> int:
    return work.note("celery", number)


@app.task(bind=True, max_retries=3)
def fail_once(self, number: int) -> int:
    try:
        return work.fail_once("celery", number)
    except RuntimeError as error:
        raise self.retry(exc=error, countdown=0) from error


@app.task
def add_up(numbers: list) -> int:
    return sum(numbers)
