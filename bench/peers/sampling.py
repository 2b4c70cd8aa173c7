"""One sample: a function repeated for long enough, with the share of the cores that others took meanwhile."""
import os
import time

TICKS = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count()


def busy_seconds():
    """Core seconds of the whole machine that were not idle, steal included."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def own_seconds():
    """Core seconds of this process."""
    times = os.times()
    return times.user + times.system


def process_seconds(pid):
    """Core seconds of a running process."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Window:
    """Share of all cores that was neither idle nor ours between construction and `end`."""

    def __init__(self, own=own_seconds):
        self.own_now = own
        self.busy, self.own, self.start = busy_seconds(), own(), time.perf_counter()

    def end(self):
        """Core seconds of ours, and the others' share."""
        elapsed = time.perf_counter() - self.start
        own = self.own_now() - self.own
        foreign = busy_seconds() - self.busy - own
        return own, round(max(0.0, foreign / (elapsed * CORES)), 4)


def sample(step, warmup=2, seconds=1.0):
    """Milliseconds and core milliseconds of one `step` (mean over at least `seconds`), and the others' share."""
    for _ in range(warmup):
        step()
    window, start, steps = Window(), time.perf_counter(), 0
    while True:
        step()
        steps += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            own, others = window.end()
            return {"ms": round(1000 * elapsed / steps, 3), "cpu_ms": round(1000 * own / steps, 1),
                    "steps": steps, "others": others}
