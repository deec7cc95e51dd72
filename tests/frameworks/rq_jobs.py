"""rq: jobs, retries, dependencies, results."""

import subprocess
import sys

from rq import Queue, Retry
from rq.job import Job

from work import DATABASE, URL, fail_once, note


def run() -> None:
    queue = Queue("pollux", connection=DATABASE)
    jobs = [queue.enqueue(note, "rq", number) for number in range(100)]
    jobs += [queue.enqueue(fail_once, "rq", number, retry=Retry(max=2)) for number in range(100, 110)]
    last = queue.enqueue(note, "rq", 110, depends_on=jobs[:100])
    worker = [sys.executable, "-m", "rq.cli", "worker", "--burst", "--url", URL, "pollux"]
    for _ in range(3):
        # A worker may be through before the other one has put a failed job, or the dependent one, back.
        workers = [subprocess.Popen(worker, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
        assert [process.wait(timeout=120) for process in workers] == [0, 0]
    for job in [*jobs, last]:
        found = Job.fetch(job.id, connection=DATABASE)
        number = job.args[1]
        assert found.return_value() == number * number, (job, found.get_status())
    assert len(queue) == 0 and len(queue.failed_job_registry) == 0
