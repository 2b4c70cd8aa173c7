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
    """Core seconds of this process and the children it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Window:
    """Share of all cores that was neither idle nor ours between construction and `others`."""

    def __init__(self):
        self.busy, self.own, self.start = busy_seconds(), own_seconds(), time.perf_counter()

    def others(self):
        elapsed = time.perf_counter() - self.start
        foreign = (busy_seconds() - self.busy) - (own_seconds() - self.own)
        return round(max(0.0, foreign / (elapsed * CORES)), 4)


def sample(step, warmup=2, seconds=1.0):
    """Milliseconds of one `step` (mean over at least `seconds`), and the others' share."""
    for _ in range(warmup):
        step()
    window, start, steps = Window(), time.perf_counter(), 0
    while True:
        step()
        steps += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return {"ms": round(1000 * elapsed / steps, 3), "steps": steps, "others": window.others()}
