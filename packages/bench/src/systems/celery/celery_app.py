"""The task of the benchmark, for Celery. Results are kept for a day, which is its default."""
import mmap
import os
import struct
import time

from celery import Celery
from celery.signals import worker_process_init

URL = os.environ.get("BENCH_URL", "redis://127.0.0.1:6379")
WORK = float(os.environ.get("BENCH_WORK", "0")) / 1000
# one counter of runs for each process of the pool, so that none is shared
RUNS = os.environ.get("BENCH_RUNS")
SLOTS = 64
# latencies, as binary numbers, appended by all processes
STARTS = os.environ.get("BENCH_STARTS")

app = Celery("bench", broker=URL, backend=URL)
app.conf.update(
    # the optimizing guide: "lots of short tasks": 64 or 128
    worker_prefetch_multiplier=64,
    # the same: as many connections as there are threads that use them
    broker_pool_limit=50,
)

counters = None
slot = 0
starts = None


@worker_process_init.connect
def prepare(**_):
    global counters, slot, starts
    from billiard import current_process

    slot = current_process().index % SLOTS
    with open(RUNS, "r+b") as file:
        counters = mmap.mmap(file.fileno(), SLOTS * 8)
    starts = os.open(STARTS, os.O_WRONLY | os.O_APPEND)


@app.task(name="bench")
def bench(n, sentAt, text):
    at = slot * 8
    counters[at : at + 8] = struct.pack("q", struct.unpack("q", counters[at : at + 8])[0] + 1)
    if sentAt > 0:
        os.write(starts, struct.pack("d", (time.monotonic_ns() - sentAt) / 1e6))
    if WORK > 0:
        time.sleep(WORK)
    return n * 2 + len(text)
