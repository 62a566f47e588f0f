// Small pieces that several views share.
import { h } from '/vendor/preact-11.2.0/preact.mjs';
import htm from '/vendor/htm-3.1.1/htm.mjs';

export const html = htm.bind(h);
export const SPECIES = [
  ['dog', 'Dog', 'Dogs'], ['cat', 'Cat', 'Cats'], ['bird', 'Bird', 'Birds'], ['fish', 'Fish', 'Fish'], ['rabbit', 'Rabbit', 'Rabbits'], ['reptile', 'Reptile', 'Reptiles'],
];
const euros = new Intl.NumberFormat('en', { style: 'currency', currency: 'EUR' });
export const money = (amount) => euros.format(amount);
export const age = (months) => (months < 24 ? `${months} ${months === 1 ? 'month' : 'months'}` : `${Math.floor(months / 12)} years`);

const PATHS = {
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14Zm5 12 5 5',
  cart: 'M3 4h2l2.2 11h10.3L20 7.5H6M9.5 20h.01M16.5 20h.01',
  plus: 'M12 5v14M5 12h14',
  theme: 'M12 4a8 8 0 1 0 8 8 6 6 0 0 1-8-8Z',
  offline: 'M3 3l18 18M8.5 16a5 5 0 0 1 7 0M5 12.5a10 10 0 0 1 4-2.4M19 12.5a10 10 0 0 0-5.5-2.9M12 19.5h.01',
  box: 'M4 8l8-4 8 4v8l-8 4-8-4V8Zm0 0 8 4 8-4M12 12v8',
  tag: 'M4 4h7l9 9-7 7-9-9V4Zm4 4h.01',
  close: 'M6 6l12 12M18 6 6 18',
  paw: 'M12 12c-3 0-5.5 2.7-5.5 5 0 1.6 1.2 2.5 2.7 2.5 1.1 0 1.8-.5 2.8-.5s1.7.5 2.8.5c1.5 0 2.7-.9 2.7-2.5 0-2.3-2.5-5-5.5-5ZM6 9.5v1M10 5.5v1.2M14 5.5v1.2M18 9.5v1',
  check: 'M5 12.5l4.5 4.5L19 7.5',
};
export const Icon = ({ name }) => html`<svg class="sign" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;

/** The pet's picture; when one address cannot be loaded, the next is tried. */
export function Picture({ pet }) {
  const first = pet.images[0];
  const next = (event) => {
    const at = Number(event.target.dataset.at) + 1;
    if (at < pet.images.length) { event.target.dataset.at = at; event.target.src = pet.images[at]; }
  };
  return html`<div class="picture"><img key=${first} src=${first} data-at="0" onError=${next} alt="" loading="lazy" decoding="async" width="400" height="400" /></div>`;
}

/** How many are left. `pulse` grows when somebody else's action changed it: the new element plays its highlight. */
export function Stock({ pet, exact }) {
  const { stock, gone, pulse } = pet;
  const [kind, text] = gone ? ['none', 'No longer for sale'] : stock === 0 ? ['none', 'Sold out'] : stock === 1 ? ['few', exact ? '1 left' : 'Last one'] : stock <= 3 ? ['few', `Only ${stock} left`] : ['some', `${stock} left`];
  return html`<span class="stock" key=${pulse} data-kind=${kind} data-pulse=${pulse}>${text}</span>`;
}
