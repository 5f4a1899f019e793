"""Celery's producer and worker under the harness: `agent.py <producer|worker>`. Speaks what `protocol.ts` says.

A worker of Celery takes seconds to start, so it runs on between sessions. What is enqueued before it "starts" goes to the
queue `staged`, which becomes the worker's queue at the start.
"""
import json
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
STAGED, QUEUE = "staged", "celery"


def payload(n, size, sent_at=0):
    rest = size - len('{"n":,"sentAt":,"text":""}') - len(str(n)) - len(str(sent_at))
    return {"n": n, "sentAt": sent_at, "text": "x" * max(0, rest)}


def cpu_of(pid):
    """Microseconds of CPU of a process and its children."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    own = (int(fields[11]) + int(fields[12])) * 1_000_000 // os.sysconf("SC_CLK_TCK")
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return own + sum(cpu_of(int(child)) for child in file.read().split())


class Producer:
    def __init__(self):
        self.app = None

    def make(self, n, size, sent_at=0):
        made = payload(n, size, sent_at)
        self.expected.append(n * 2 + len(made["text"]))
        self.ids.append(None)
        return made

    def send(self, made, queue, producer=None, **options):
        # the guide on calling tasks: a connection that is used again for many calls
        result = self.task.apply_async(kwargs=made, queue=queue, producer=producer, **options)
        self.ids[made["n"]] = result.id
        return result

    def Open(self, command):
        if self.app is None:
            os.environ["BENCH_URL"] = command["url"]
            from celery_app import app, bench

            self.app, self.task = app, bench
        self.ids, self.expected = [], []
        return {}

    def Fill(self, command):
        first = len(self.expected)
        made = [self.make(first + index, command["bytes"]) for index in range(command["count"])]
        options = {"countdown": command["dueIn"] / 1000} if "dueIn" in command else {}
        cpu, start = time.process_time_ns(), time.monotonic_ns()
        with self.app.producer_or_acquire() as producer:
            for one in made:
                self.send(one, STAGED, producer, **options)
        nanos = time.monotonic_ns() - start
        return {"figures": {"nanos": nanos, "cpu": (time.process_time_ns() - cpu) / 1000}}

    def Singles(self, command):
        first = len(self.expected)
        start = time.monotonic_ns()
        end = start + command["millis"] * 1_000_000
        lock = threading.Lock()

        def caller():
            with self.app.producer_or_acquire() as producer:
                while time.monotonic_ns() < end:
                    with lock:
                        made = self.make(len(self.expected), command["bytes"])
                    self.send(made, STAGED, producer)

        threads = [threading.Thread(target=caller) for _ in range(command["callers"] - 1)]
        for thread in threads:
            thread.start()
        caller()
        for thread in threads:
            thread.join()
        nanos = time.monotonic_ns() - start
        return {"figures": {"count": len(self.expected) - first, "nanos": nanos}}

    def Steady(self, command):
        start, sent = time.monotonic_ns(), 0
        total = command["count"]
        delay = command.get("delay", 0)
        options = {"countdown": delay / 1000} if delay else {}
        with self.app.producer_or_acquire() as producer:
            while sent < total:
                due = min(total, (time.monotonic_ns() - start) * command["rate"] // 1_000_000_000)
                while sent < due:
                    sent_at = int(time.monotonic_ns() + delay * 1_000_000)
                    self.send(self.make(len(self.expected), command["bytes"], sent_at), QUEUE, producer, **options)
                    sent += 1
                time.sleep(0.001)
        return {"figures": {"count": sent, "nanos": time.monotonic_ns() - start}, "samples": {"result": []}}

    def Calls(self, command):
        results = []
        for _ in range(command["count"]):
            start = time.monotonic_ns()
            made = self.make(len(self.expected), command["bytes"], start)
            value = self.send(made, QUEUE).get(timeout=20)
            results.append((time.monotonic_ns() - start) / 1e6)
            if value != self.expected[made["n"]]:
                raise RuntimeError(f"the caller of message {made['n']} was told {value}")
        return {"samples": {"result": results}}

    def Check(self, _):
        client = self.app.backend.client
        missing = wrong = 0
        for at in range(0, len(self.ids), 1000):
            keys = [f"celery-task-meta-{id}" for id in self.ids[at : at + 1000]]
            for index, stored in enumerate(client.mget(keys)):
                if stored is None:
                    missing += 1
                    continue
                meta = json.loads(stored)
                wrong += meta["status"] != "SUCCESS" or meta["result"] != self.expected[at + index]
        return {"figures": {"count": len(self.ids), "missing": missing, "wrong": wrong}}

    def Close(self, _):
        if self.app is not None:
            # nobody waits for these results any more: without this it stays subscribed to each of them
            consumer = self.app.backend.result_consumer
            consumer.stop()
            consumer._pubsub = None
            consumer.subscribed_to.clear()
        return {}


class Worker:
    def __init__(self):
        self.process = None
        self.settings = None
        self.folder = tempfile.mkdtemp(prefix="celeriac-bench-celery-")
        self.runs, self.starts = (os.path.join(self.folder, name) for name in ("runs", "starts"))

    def Open(self, command):
        import redis

        self.redis = redis.Redis.from_url(command["url"])
        settings = (command["url"], command["work"])
        if self.settings != settings:
            self.end()
            self.launch(*settings)
            self.settings = settings
        self.before = self.count()
        os.truncate(self.starts, 0)
        return {}

    def launch(self, url, work):
        with open(self.runs, "wb") as file:
            file.write(bytes(64 * 8))
        open(self.starts, "wb").close()
        env = {
            **os.environ,
            "BENCH_URL": url,
            "BENCH_WORK": str(work),
            "BENCH_RUNS": self.runs,
            "BENCH_STARTS": self.starts,
            "PYTHONPATH": HERE,
            "C_FORCE_ROOT": "1",
        }
        options = ["--pool=prefork", "--concurrency=2", "--without-gossip", "--without-mingle"]
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "celery_app", "worker", *options],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        with open(self.runs, "r+b") as file:
            self.counters = mmap.mmap(file.fileno(), 64 * 8)
        from celery import Celery

        control = Celery(broker=url).control
        for _ in range(60):
            if self.process.poll() is not None:
                break
            if control.ping(timeout=0.5):
                return
        self.log.seek(0)
        raise RuntimeError(f"the worker did not start: {self.log.read()[-2000:]}")

    def count(self):
        return sum(struct.unpack("64q", self.counters[:]))

    def Start(self, _):
        cpu, at = cpu_of(self.process.pid), time.monotonic_ns()
        if self.redis.exists(STAGED):
            self.redis.rename(STAGED, QUEUE)
        return {"figures": {"at": at, "cpu": cpu}}

    def Report(self, _):
        with open(self.starts, "rb") as file:
            starts = [value for (value,) in struct.iter_unpack("d", file.read())]
        figures = {"runs": self.count() - self.before, "cpu": cpu_of(self.process.pid)}
        return {"figures": figures, "samples": {"start": starts}}

    def Stop(self, _):
        return {}

    def Close(self, _):
        return {}

    def end(self):
        if self.process is None:
            return
        # at once: nothing runs any more
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def main():
    agent = Producer() if sys.argv[1] == "producer" else Worker()
    # what libraries print is no reply
    out, sys.stdout = sys.stdout, sys.stderr
    try:
        for line in sys.stdin:
            command = json.loads(line)
            try:
                reply = getattr(agent, command["_tag"])(command)
            except Exception as error:  # the harness decides what follows
                reply = {"error": f"{type(error).__name__}: {error}"}
            out.write(json.dumps(reply) + "\n")
            out.flush()
    finally:
        if isinstance(agent, Worker):
            agent.end()
            shutil.rmtree(agent.folder, ignore_errors=True)


main()
