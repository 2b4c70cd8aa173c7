// ONNX Runtime on the graphs of onnx_graph.py. One command, one JSON line.
//   infer --graph KIND --shape BxS       one timing sample
//   dump  --graph KIND --ids FILE --out FILE   hidden states of lines of ids, padded to one batch, as raw float32
//   real  --graph KIND --ids FILE --rows N --batch B [--sorted]   padded batches of real sequences
//   start --graph KIND [--text SEQUENCE] [--no-prepacking]   first embedding, for timing from outside the process
// Common: --work DIR (default .work beside this file), --threads N (default 2), --seconds S
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { sample } from './sampling.mjs';

const HIDDEN = 768, LAYERS = 12, HEADS = 12, VOCAB = 4096, LINEAR_PARAMETERS = 113246208;
const { values: options, positionals: [command] } = parseArgs({
  allowPositionals: true,
  options: {
    graph: { type: 'string', default: 'std' }, shape: { type: 'string', default: '8x128' },
    ids: { type: 'string' }, out: { type: 'string' }, text: { type: 'string' },
    rows: { type: 'string', default: '1024' }, batch: { type: 'string', default: '16' },
    sorted: { type: 'boolean', default: false }, 'no-prepacking': { type: 'boolean', default: false },
    work: { type: 'string', default: join(dirname(fileURLToPath(import.meta.url)), '.work') },
    threads: { type: 'string', default: '2' }, seconds: { type: 'string', default: '1' },
  },
});
const require = createRequire(join(options.work, 'node_modules', 'x.js'));

function loadRuntime() {
  return require('onnxruntime-node');
}

function openSession(ort, name) {
  return ort.InferenceSession.create(join(options.work, 'onnx', `${name}.onnx`), {
    executionProviders: ['cpu'], executionMode: 'sequential', graphOptimizationLevel: 'all',
    intraOpNumThreads: Number(options.threads), interOpNumThreads: 1,
    extra: { session: { disable_prepacking: options['no-prepacking'] ? '1' : '0' } },
  });
}

function alibiSlopes() {
  const powerOfTwo = (n) => {
    const start = 2 ** -(2 ** -(Math.log2(n) - 3));
    return Array.from({ length: n }, (_, i) => start ** (i + 1));
  };
  return [...powerOfTwo(8), ...powerOfTwo(16).filter((_, i) => i % 2 === 0).slice(0, HEADS - 8)];
}

/** The bias of a length, made once per length and kept, as a tuned caller would. */
const alibiOfLength = new Map();
function alibi(ort, length) {
  let tensor = alibiOfLength.get(length);
  if (tensor) return tensor;
  const data = new Float32Array(HEADS * length * length), slopes = alibiSlopes();
  for (let h = 0, at = 0; h < HEADS; h++) {
    for (let i = 0; i < length; i++) {
      for (let j = 0; j < length; j++) data[at++] = -Math.fround(slopes[h]) * Math.abs(i - j);
    }
  }
  tensor = new ort.Tensor('float32', data, [1, HEADS, length, length]);
  alibiOfLength.set(length, tensor);
  return tensor;
}

/** Inputs for rows of ids; rows are padded with [PAD] to the longest where the graph takes padding. */
function feeds(ort, session, rows) {
  const length = Math.max(...rows.map((row) => row.length));
  const ids = new BigInt64Array(rows.length * length).fill(3n);
  rows.forEach((row, b) => row.forEach((id, t) => { ids[b * length + t] = BigInt(id); }));
  const inputs = {
    ids: new ort.Tensor('int64', ids, [rows.length, length]),
    alibi: alibi(ort, length),
  };
  if (session.inputNames.includes('mask')) {
    const mask = new Float32Array(rows.length * length);
    rows.forEach((row, b) => mask.fill(-1e30, b * length + row.length, (b + 1) * length));
    inputs.mask = new ort.Tensor('float32', mask, [rows.length, 1, 1, length]);
  }
  if (session.inputNames.includes('lengths')) {
    inputs.lengths = new ort.Tensor('int32', Int32Array.from(rows, (row) => row.length), [rows.length]);
  }
  return inputs;
}

/** The timing input: [CLS], pseudo-random ordinary tokens, [SEP]; never padded. */
function timingRows(batch, length) {
  return Array.from({ length: batch }, (_, b) => Array.from({ length }, (_, t) => {
    if (t === 0) return 1;
    if (t === length - 1) return 2;
    const u = (Math.imul(b * length + t, 2654435761) + 374761393) >>> 0;
    return 5 + (u >>> 8) % (VOCAB - 5);
  }));
}

/** Mean-pooled embeddings of the rows of a padded batch. */
function pool(hidden, rows) {
  const [, length] = hidden.dims, data = hidden.data;
  return rows.map((row, b) => {
    const sum = new Float64Array(HIDDEN);
    for (let t = 0; t < row.length; t++) {
      const at = (b * length + t) * HIDDEN;
      for (let d = 0; d < HIDDEN; d++) sum[d] += data[at + d];
    }
    return sum.map((value) => value / row.length);
  });
}

function checksum(pooled) {
  let total = 0;
  for (const row of pooled) row.forEach((value, d) => { total += value * (d % 7 - 3); });
  return Number((total / pooled.length).toFixed(5));
}

function forwardFlops(rows) {
  return rows.reduce((sum, { length }) =>
    sum + 2 * LINEAR_PARAMETERS * length + 4 * length * HIDDEN * length * LAYERS, 0);
}

function readIds(path, limit = Infinity) {
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(0, limit).map((line) => line.split(' ').map(Number));
}

const print = (fields) => console.log(JSON.stringify({ peer: `ort-${options.graph}`, what: command, ...fields }));

async function infer() {
  const ort = loadRuntime(), session = await openSession(ort, options.graph);
  const [batch, length] = options.shape.split('x').map(Number);
  const rows = timingRows(batch, length), inputs = feeds(ort, session, rows);
  let output;
  const timing = await sample(async () => { output = await session.run(inputs); }, { seconds: Number(options.seconds) });
  print({ shape: options.shape, ...timing, gflops: Number((forwardFlops(rows) / timing.ms / 1e6).toFixed(1)),
    checksum: checksum(pool(output.hidden, rows)) });
}

async function dump() {
  const ort = loadRuntime(), session = await openSession(ort, options.graph);
  const rows = readIds(options.ids), { hidden } = await session.run(feeds(ort, session, rows));
  writeFileSync(options.out, new Uint8Array(hidden.data.buffer, hidden.data.byteOffset, hidden.data.byteLength));
  print({ dims: hidden.dims, checksum: checksum(pool(hidden, rows)) });
}

async function real() {
  const ort = loadRuntime(), session = await openSession(ort, `${options.graph}-padded`);
  const rows = readIds(options.ids, Number(options.rows)), batch = Number(options.batch);
  if (options.sorted) rows.sort((a, b) => a.length - b.length);
  for (const { length } of rows) alibi(ort, length);  // of every length, before the clock starts
  let total = 0;
  const step = async () => {
    total = 0;
    for (let at = 0; at < rows.length; at += batch) {
      const part = rows.slice(at, at + batch), { hidden } = await session.run(feeds(ort, session, part));
      total += checksum(pool(hidden, part)) * part.length;
    }
  };
  // warm-up: the largest batch there will be, so that the arena has its size
  const longest = rows.reduce((a, b) => (b.length > a.length ? b : a));
  await session.run(feeds(ort, session, Array(Math.min(batch, rows.length)).fill(longest)));
  const timing = await sample(step, { warmup: 0, seconds: 0 });
  const tokens = rows.reduce((sum, row) => sum + row.length, 0);
  print({ shape: `${rows.length} rows of ${options.ids.split('/').pop()}`, batch, sorted: options.sorted, ...timing,
    tokens, tokens_per_s: Math.round(tokens / timing.ms * 1000),
    gflops: Number((forwardFlops(rows) / timing.ms / 1e6).toFixed(1)), checksum: Number((total / rows.length).toFixed(5)) });
}

async function start() {
  const ort = loadRuntime();
  let row = timingRows(1, 128)[0];
  if (options.text) {
    const { Tokenizer } = require('tokenizers');
    const tokenizer = Tokenizer.fromFile(join(options.work, 'model', 'tokenizer.json'));
    row = (await tokenizer.encode(options.text)).getIds();
  }
  const session = await openSession(ort, options.graph);
  const { hidden } = await session.run(feeds(ort, session, [row]));
  print({ shape: `1x${row.length}`, checksum: checksum(pool(hidden, [row])),
    process_ms: Number(performance.now().toFixed(1)), peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024) });
  process.exit(0);
}

const commands = { infer, dump, real, start };
if (!commands[command]) {
  console.error(`usage: node ort_peer.mjs ${Object.keys(commands).join('|')} [options]`);
  process.exit(2);
}
await commands[command]();
