// Python in a Web Worker: loads Pyodide and the package `petstore` with the SDK, then passes calls in and states out. Nothing else is decided here.
// No JSPI: with it Chromium can crash (Pyodide would run callbacks on a side stack), and async Python does not need it.
delete WebAssembly.Suspending;
delete WebAssembly.promising;
delete WebAssembly.Suspender;

const waiting = [];   // what was clicked before Python was up
let perform = (call) => waiting.push(call);
onmessage = ({ data }) => perform(data);   // before any await, or early messages would be lost

const get = async (url) => {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: HTTP ${answer.status}`);
  return answer;
};

async function start() {
  const [where, site] = await Promise.all([
    get('/runtime.json').then((answer) => answer.json()),
    get('/.well-known/baaskit.json').then((answer) => answer.json()),
  ]);
  const code = get(where.python).then((answer) => answer.arrayBuffer());
  const { loadPyodide } = await import(`${where.pyodide}pyodide.mjs`);
  const python = await loadPyodide({
    indexURL: where.pyodide,
    stdLibURL: where.library,
    lockFileContents: where.lock,
    packageBaseUrl: where.pyodide,
  });
  python.unpackArchive(await code, 'zip', { extractDir: '/home/pyodide' });
  const store = python.pyimport('petstore').open_in_browser(self.location.origin, site.anon_key);
  perform = ({ call, args }) => store.act(call, python.toPy(args));
  for (const call of waiting.splice(0)) perform(call);
  postMessage({ up: { jspi: 'Suspending' in WebAssembly } });
}

start().catch((error) => postMessage({ broken: String(error?.message ?? error) }));
