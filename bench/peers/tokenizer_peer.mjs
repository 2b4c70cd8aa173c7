// Hugging Face's Rust tokenizer through its Node binding. One command, one JSON line.
//   ids    --text FILE --out FILE   token ids of every line: `1 5 194 … 2`
//   encode --text FILE [--rows N]   one timing sample of a batch call on one thread; ids stay inside the Rust objects
//   train  --text FILE [--out FILE] BPE on whitespace-separated words, all threads; the binding fixes the
//                                   vocabulary at 30000 (bpe_train.py times the way to a smaller one)
// Common: --work DIR (default .work beside this file), --seconds S
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { sample } from './sampling.mjs';

const { values: options, positionals: [command] } = parseArgs({
  allowPositionals: true,
  options: {
    text: { type: 'string' }, out: { type: 'string' }, rows: { type: 'string' },
    work: { type: 'string', default: join(dirname(fileURLToPath(import.meta.url)), '.work') },
    seconds: { type: 'string', default: '1' },
  },
});
const { BPE, Tokenizer, whitespacePreTokenizer } =
  createRequire(join(options.work, 'node_modules', 'x.js'))('tokenizers');

const lines = () => readFileSync(options.text, 'utf8').trimEnd().split('\n').slice(0, Number(options.rows ?? 1e9));
const published = () => Tokenizer.fromFile(join(options.work, 'model', 'tokenizer.json'));
const print = (fields) => console.log(JSON.stringify({ peer: 'hf-tokenizers', what: command, ...fields }));

async function ids() {
  const encodings = await published().encodeBatch(lines());
  writeFileSync(options.out, encodings.map((encoding) => encoding.getIds().join(' ') + '\n').join(''));
  print({ shape: basename(options.text), rows: encodings.length });
}

async function encode() {
  process.env.RAYON_NUM_THREADS = '1';
  process.env.TOKENIZERS_PARALLELISM = 'false';
  const text = lines(), tokenizer = published();
  const bytes = text.reduce((sum, line) => sum + line.length, 0);
  let encodings;
  const timing = await sample(async () => { encodings = await tokenizer.encodeBatch(text); },
    { warmup: 1, seconds: Number(options.seconds) });
  // position-weighted, so that a wrong order shows
  const checksum = encodings.reduce((sum, encoding, row) => encoding.getIds().reduce(
    (hash, id) => (Math.imul(hash, 31) + id) >>> 0, sum ^ row), 0);
  print({ shape: `${text.length} lines of ${basename(options.text)}`, ...timing,
    mb_per_s: Number((bytes / timing.ms / 1000).toFixed(3)), checksum });
}

function train() {
  const tokenizer = new Tokenizer(BPE.empty());
  tokenizer.setPreTokenizer(whitespacePreTokenizer());
  console.log(JSON.stringify({ event: 'start' }));
  const start = performance.now();
  tokenizer.train([options.text]);
  const ms = performance.now() - start;
  if (options.out) tokenizer.save(options.out);
  print({ shape: basename(options.text), ms: Number(ms.toFixed(1)), vocabulary: tokenizer.getVocabSize() });
}

const commands = { ids, encode, train };
if (!commands[command]) {
  console.error(`usage: node tokenizer_peer.mjs ${Object.keys(commands).join('|')} --text FILE [options]`);
  process.exit(2);
}
await commands[command]();
