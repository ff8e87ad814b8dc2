// The other side of TestInterop: arvo-core reads what Go wrote, and writes what Go is to read.
//
//   node interop.mjs DIRECTORY < {"events": [text, ...], "subjects": [text, ...]}
//
// DIRECTORY holds node_modules/arvo-core. The answer, on standard output:
//
//   {"version", "events": [{"text"} | {"error"}, ...], "subjects": [{"content"} | {"error"}, ...],
//    "written": {"events": [text, ...], "subjects": [{"text", "content"}, ...]}}
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

const directory = path.resolve(process.argv[2]);
const require = createRequire(path.join(directory, 'package.json'));
const core = require('arvo-core');
const version = JSON.parse(fs.readFileSync(path.join(directory, 'node_modules/arvo-core/package.json'), 'utf8')).version;
const isV3 = Number(version.split('.')[0]) >= 3;
const attributes = new Set(['id', 'source', 'specversion', 'type', 'subject', 'datacontenttype', 'dataschema', 'time', 'to', 'accesscontrol',
  'redirectto', 'executionunits', 'traceparent', 'tracestate', 'parentid', 'domain']);

const attempt = (f) => { try { return f(); } catch (e) { return { error: String(e.message ?? e) }; } };

const read = (text) => {
  const { data, ...rest } = JSON.parse(text);
  const context = {}, extensions = {};
  for (const [name, value] of Object.entries(rest)) (attributes.has(name) ? context : extensions)[name] = value;
  return { text: new core.ArvoEvent(context, data, extensions).toString() };
};

const texts = ['plain', 'with space', 'ü/日本/😀', "https://x.y/z?a=b&c=d#frag;,:@+$!*'()~-_.", 'a%20b', '<&>\u2028\u2029"\\\u0007', '\u007f'];
const numbers = [0, -0, 1, -1.5, 1e21, 1e-7, 0.1, 123456789012345680000, 9007199254740991, 5e-324, 1.7976931348623157e308];

const writtenEvents = () => {
  const events = [];
  for (const [n, text] of texts.entries()) for (const units of [null, ...numbers]) {
    const given = {
      id: `evt-${n} ${text}`, source: text, subject: text, type: 'com.test.event', to: n % 2 ? text : undefined,
      redirectto: n % 3 ? text : undefined, dataschema: n % 2 ? `#/${text}/1.0.0` : undefined, accesscontrol: n % 3 ? text : undefined,
      executionunits: units, traceparent: n % 2 ? text : undefined, data: { [text]: text, list: [units, null, true, { deep: text }], empty: {} },
      ...(isV3 ? { parentid: text, domain: n % 2 ? 'a.b' : undefined } : {}),
    };
    if (isV3) given.id = { deduplication: 'DEVELOPER_MANAGED', value: given.id };
    events.push(core.createArvoEvent(given, n % 2 ? { foo: text, n: units, yes: true, nil: null, 7: 'integer' } : undefined, { disable: true }).toString());
  }
  return events;
};

const writtenSubjects = () => {
  const S = core.ArvoOrchestrationSubject;
  const list = [];
  for (const text of [...texts, 'x'.repeat(500)]) {
    const first = S.new({ orchestator: 'arvo.orc.order', version: '1.0.0', initiator: 'api.thin.lambda', meta: { k: text, [text]: '' } });
    const child = S.from({ orchestator: 'arvo.orc.child', version: null, subject: first, meta: { k: 'other' }, ...(isV3 ? { domain: 'a.b' } : {}) });
    for (const subject of [first, child]) list.push({ text: subject, content: S.parse(subject) });
  }
  return list;
};

console.log = () => {}; // the library logs there when nobody traces
const given = JSON.parse(fs.readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify({
  version,
  events: given.events.map((text) => attempt(() => read(text))),
  subjects: given.subjects.map((text) => attempt(() => ({ content: core.ArvoOrchestrationSubject.parse(text) }))),
  written: { events: writtenEvents(), subjects: writtenSubjects() },
}));
