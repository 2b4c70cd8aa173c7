// One sample: a function repeated for long enough, with the share of the cores that others took meanwhile.
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

const TICKS = 100;  // USER_HZ of Linux, as /proc/stat counts
const CORES = cpus().length;

/** Core seconds of the whole machine that were not idle, steal included. */
function busySeconds() {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0];
  const [user, nice, system, , , irq, softirq, steal] = line.split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS;
}

function ownSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Milliseconds and core milliseconds of one `step` (mean over at least `seconds`), and the others' share. */
export async function sample(step, { warmup = 2, seconds = 1 } = {}) {
  for (let i = 0; i < warmup; i++) await step();
  const busy = busySeconds(), own = ownSeconds(), start = performance.now();
  let steps = 0, elapsed = 0;
  do {
    await step();
    steps++;
    elapsed = (performance.now() - start) / 1000;
  } while (elapsed < seconds);
  const mine = ownSeconds() - own, foreign = busySeconds() - busy - mine;
  const round = (x, digits) => Number(x.toFixed(digits));
  return { ms: round(1000 * elapsed / steps, 3), cpu_ms: round(1000 * mine / steps, 1), steps,
    others: round(Math.max(0, foreign / (elapsed * CORES)), 4) };
}
