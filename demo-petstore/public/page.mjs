// The page's side of the worker: states come in and are drawn, actions go out. It decides nothing about the shop.
import { render, h } from '/vendor/preact-11.2.0/preact.mjs';
import { Shop, empty } from '/view.mjs';
import { applyTheme, nextTheme, storedTheme } from '/theme.mjs';

const worker = new Worker('/worker.mjs', { type: 'module', name: 'petstore' });
const send = (call, args) => worker.postMessage({ call, args });
const act = new Proxy({}, { get: (_, call) => (...args) => send(call, args) });

let state = empty;
let moves = 0;
const page = { broken: '', theme: storedTheme(), timing: null };

page.switchTheme = () => { page.theme = nextTheme(page.theme); applyTheme(page.theme); draw(); };

function draw() {
  render(h(Shop, { state, act, page }), document.getElementById('app'));
}

worker.onmessage = ({ data }) => {
  if (typeof data === 'string') {
    state = JSON.parse(data);
    if (state.moves > moves) {   // the shop sends the visitor somewhere
      moves = state.moves;
      if (location.hash !== state.route) history.pushState(null, '', state.route);
    }
    draw();
    if (!page.timing && state.catalogue.pets.length) measure();
    return;
  }
  if (data.broken) page.broken = data.broken;
  if (data.up) document.documentElement.dataset.jspi = String(data.up.jspi);
  draw();
};
worker.onerror = (event) => { page.broken = event.message || 'The shop could not start.'; draw(); };

function measure() {
  // How long until the first pets were drawn, beside the first visit's figure, which this browser remembers.
  const seconds = performance.now() / 1000;
  const first = Number(localStorage.getItem('first-catalogue')) || 0;
  if (!first) localStorage.setItem('first-catalogue', String(seconds));
  page.timing = { seconds, first };
  draw();
}

const route = () => send('go', [location.hash || '#/']);
addEventListener('hashchange', () => { route(); scrollTo(0, 0); });
addEventListener('popstate', () => route());
addEventListener('offline', () => send('network', [false]));
addEventListener('online', () => send('network', [true]));
document.addEventListener('visibilitychange', () => { if (!document.hidden) send('wake', []); });

applyTheme(page.theme);
if (location.hash && location.hash !== '#/') route();
if (!navigator.onLine) send('network', [false]);
draw();
