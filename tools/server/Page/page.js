// Everything shown is text of this server's answers, put in as text: nothing that was pasted is ever read as HTML.
const most = 50;
const byId = id => document.getElementById(id);
let info = null;
let records = [];

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function say(text, isError) {
  byId('status').textContent = text;
  byId('status').className = isError ? 'error' : '';
}

async function ask(path, body) {
  const headers = { 'Content-Type': 'application/json' };
  if (byId('key').value) headers.Authorization = `Bearer ${byId('key').value}`;
  const answer = await fetch(path, body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) });
  if (answer.status === 401) byId('key-label').hidden = false;
  const content = await answer.json();
  if (!answer.ok) {
    const wait = answer.headers.get('Retry-After');
    throw new Error(content.error + (wait ? ` (in ${wait} s)` : ''));
  }

  return content;
}

// FASTA, or one sequence a line.
function parse(text) {
  const found = [];
  const isFasta = text.trimStart().startsWith('>');
  for (const line of text.split(/\r?\n/).map(part => part.trim())) {
    if (line === '' || line.startsWith(';')) continue;
    if (line.startsWith('>')) found.push({ name: line.slice(1).trim().split(/\s/)[0] || `${found.length + 1}`, bases: '' });
    else if (isFasta) found.at(-1).bases += line.replace(/\s/g, '');
    else found.push({ name: `${found.length + 1}`, bases: line });
  }

  if (found.length === 0) throw new Error('there is no sequence');
  if (found.length > most) throw new Error(`${found.length} sequences: this page shows at most ${most}`);
  return found;
}

function showTokens(tokens) {
  byId('tokens').replaceChildren(...tokens.map((row, i) => {
    const box = element('div', undefined, 'record');
    const bases = row.filter(token => !token.special).length;
    box.append(element('h3', `${records[i].name}: ${bases} tokens of ${records[i].bases.length} bases`));
    for (const token of row) {
      const chip = element('span', token.text, token.special ? 'token special' : 'token');
      chip.title = token.start === null ? `id ${token.id}` : `id ${token.id}, bases ${token.start} to ${token.stop - 1}`;
      if (!token.special) chip.style.backgroundColor = `hsl(${(token.id * 47) % 360} 60% 60% / 0.25)`;
      box.append(chip);
    }

    return box;
  }));
  byId('tokens-section').hidden = false;
}

function showSimilarity(vectors) {
  const head = element('tr');
  head.append(element('th'), ...records.map(record => element('th', record.name)));
  byId('similarity').replaceChildren(head, ...vectors.map((a, i) => {
    const row = element('tr');
    row.append(element('th', records[i].name));
    for (const b of vectors) {
      const cosine = a.reduce((sum, x, k) => sum + x * b[k], 0);
      const cell = element('td', cosine.toFixed(3));
      cell.style.backgroundColor = `hsl(210 80% 50% / ${Math.max(0, cosine) ** 4 * 0.6})`;
      row.append(cell);
    }

    return row;
  }));
  byId('similarity-section').hidden = false;
}

function showClasses(predictions) {
  const names = Object.values(info.model_type.classifier.id2label);
  const head = element('tr');
  head.append(element('th'), ...names.map(name => element('th', name)));
  byId('classes').replaceChildren(head, ...predictions.map((scores, i) => {
    const row = element('tr');
    row.append(element('th', records[i].name));
    for (const name of names) {
      const { score } = scores.find(candidate => candidate.label === name);
      const cell = element('td', score.toFixed(4));
      cell.style.backgroundColor = `hsl(150 60% 45% / ${Math.min(1, Math.max(0, score)) * 0.6})`;
      row.append(cell);
    }

    return row;
  }));
  byId('classes-section').hidden = false;
}

function offerAttribution() {
  byId('record').replaceChildren(...records.map((record, i) => new Option(record.name, i)));
  const names = info.model_type.classifier ? Object.values(info.model_type.classifier.id2label) : [];
  byId('class').replaceChildren(new Option('the most probable', ''), ...names.map(name => new Option(name, name)));
  byId('class-label').hidden = names.length < 2;
  byId('attribution').replaceChildren();
  byId('attribution-note').textContent = '';
  byId('attribution-section').hidden = false;
}

function showAttribution(result) {
  const what = { class: `the probability of class ${result.class}`, value: 'the value', likelihood: 'the log-likelihood' }[result.target];
  const largest = Math.max(1e-12, ...result.effects.flat().map(effect => Math.abs(effect ?? 0)));
  byId('attribution-note').textContent =
    `The change of ${what} by each substitution: blue up, red down, the strongest ${largest.toPrecision(3)}. A frame is the base itself.`;
  const head = element('tr');
  head.append(element('th'), ...[...result.bases].map(base => element('th', base)));
  byId('attribution').replaceChildren(head, ...[...'ACGT'].map((letter, k) => {
    const row = element('tr');
    row.append(element('th', letter));
    result.effects.forEach((effects, i) => {
      const effect = effects[k];
      const cell = element('td', undefined, result.bases[i] === letter ? 'here' : '');
      cell.title = `${result.bases[i]} at ${i} to ${letter}: ${effect === null ? 'unknown' : effect.toPrecision(3)}`;
      if (effect !== null)
        cell.style.backgroundColor = `hsl(${effect < 0 ? 5 : 215} 80% 50% / ${Math.abs(effect) / largest})`;
      row.append(cell);
    });
    return row;
  }));
}

// One thing at a time; whatever goes wrong is said.
async function work(button, action) {
  button.disabled = true;
  say('…');
  try {
    await action();
    say('');
  } catch (error) {
    say(error.message, true);
  } finally {
    button.disabled = false;
  }
}

async function loadInfo() {
  if (info) return;
  info = await ask('info');
  byId('model').textContent = `${info.model_id}, ${info.model_dtype}, up to ${info.max_input_length} tokens`;
}

byId('form').addEventListener('submit', event => {
  event.preventDefault();
  work(byId('run'), async () => {
    for (const section of document.querySelectorAll('section')) section.hidden = true;
    await loadInfo();
    records = parse(byId('fasta').value);
    const inputs = records.map(record => record.bases);
    showTokens(await ask('tokenize', { inputs }));
    if (info.embeds) showSimilarity(await ask('embed', { inputs, normalize: true }));
    if (info.model_type.classifier) showClasses(await ask('predict', { inputs: inputs.map(bases => [bases]) }));
    if (info.attributes) offerAttribution();
  });
});

byId('attribute').addEventListener('click', () => work(byId('attribute'), async () => {
  const request = { inputs: records[byId('record').value].bases };
  if (byId('class').value) request.class = byId('class').value;
  showAttribution(await ask('attribute', request));
}));

loadInfo().catch(error => say(error.message, true));
