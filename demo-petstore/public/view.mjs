// The view: what the shop's state looks like. Pure functions of (state, act); actions go to Python, nothing is decided here.
import { h, Fragment } from '/vendor/preact-11.2.0/preact.mjs';
import htm from '/vendor/htm-3.1.1/htm.mjs';
import { Cart, Account, Sell, Thanks, PetDialog } from '/dialogs.mjs';
import { Icon, Picture, Stock, money, age, SPECIES } from '/parts.mjs';

const html = htm.bind(h);
const SORTS = [['new', 'Newest first'], ['cheap', 'Price: low to high'], ['dear', 'Price: high to low'], ['young', 'Youngest first']];
const STEPS = ['placed', 'packed', 'shipped', 'delivered'];

/** What is drawn before Python is up: the frame of the shop with empty cards. */
export const empty = {
  route: location.hash || '#/', moves: 0, online: true, user: null, pet: null, orders: null, dialog: null, toasts: [],
  filters: { species: '', q: '', least: null, most: null, sort: 'new' },
  catalogue: { ids: [], pets: [], total: null, loading: true, more: false, error: '' },
  mine: { ids: [], pets: [], total: null, loading: true, more: false, error: '' },
  cart: { lines: [], count: 0, total: 0 },
};

export function Shop({ state, act, page }) {
  const at = state.route;
  const main = at === '#/orders' ? h(Orders, { state, act }) : at === '#/my-pets' ? h(MyPets, { state, act }) : h(Catalogue, { state, act });
  const { dialog } = state;
  return html`<${Fragment}>
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById('main').focus(); }}>Skip to the pets</a>
    ${page.broken && html`<p class="banner bad" role="alert">The shop could not start: ${page.broken} <button onClick=${() => location.reload()}>Reload</button></p>`}
    ${!state.online && html`<p class="banner" role="status">
      <${Icon} name="offline" /> <span>You are offline. You see the shop as it was; we keep trying.</span>
      <button onClick=${() => act.retry()}>Try now</button></p>`}
    <${Header} state=${state} act=${act} page=${page} />
    <main id="main" tabindex="-1">${main}</main>
    <${Footer} page=${page} />
    <${Tabs} state=${state} act=${act} />
    ${state.pet && !dialog && html`<${PetDialog} pet=${state.pet} act=${act} />`}
    ${dialog?.kind === 'cart' && html`<${Cart} dialog=${dialog} cart=${state.cart} user=${state.user} act=${act} />`}
    ${dialog?.kind === 'account' && html`<${Account} dialog=${dialog} act=${act} />`}
    ${dialog?.kind === 'sell' && html`<${Sell} dialog=${dialog} shop=${state.user?.shop} act=${act} />`}
    ${dialog?.kind === 'thanks' && html`<${Thanks} order=${dialog.order} act=${act} />`}
    <${Toasts} toasts=${state.toasts} act=${act} />
  </${Fragment}>`;
}

// A field shows what the state says, except while somebody types in it: the state then comes a moment later than the keys.
const told = (value) => (element) => { if (element && element !== document.activeElement && element.value !== String(value)) element.value = value; };

function Header({ state, act, page }) {
  const { user, cart, route } = state;
  return html`<header class="top"><div class="wide">
    <a class="brand" href="#/" aria-label="Pawprint, home"><img src="/art/logo.svg" alt="" width="38" height="38" /><span>Pawprint</span></a>
    <form class="search" role="search" onSubmit=${(event) => event.preventDefault()}>
      <${Icon} name="search" />
      <input type="search" aria-label="Search pets" placeholder="Search by name, breed or character" autocomplete="off"
        ref=${told(state.filters.q)} onInput=${(event) => { act.search(event.target.value); if (route !== '#/') location.hash = '#/'; }} />
    </form>
    <nav class="links" aria-label="Shop">
      <a href="#/" aria-current=${route === '#/' ? 'page' : undefined}>Pets</a>
      <a href="#/orders" aria-current=${route === '#/orders' ? 'page' : undefined}>My orders</a>
      <a href="#/my-pets" aria-current=${route === '#/my-pets' ? 'page' : undefined}>Sell</a>
    </nav>
    <div class="tools">
      <button class="icon" aria-label="Switch between light and dark" onClick=${page.switchTheme}><${Icon} name="theme" /></button>
      ${user
        ? html`<details class="who"><summary aria-label=${`Account of ${user.email}`}><span class="avatar">${user.email.slice(0, 1).toUpperCase()}</span></summary>
            <div class="menu"><p>${user.shop || 'Signed in'}<small>${user.email}</small></p>
              <button onClick=${() => act.sign_out()}>Sign out</button></div></details>`
        : html`<button class="quiet" onClick=${() => act.ask_account('in')}>Sign in</button>`}
      <button class="cart" aria-label=${`Cart, ${cart.count} ${cart.count === 1 ? 'pet' : 'pets'}`} onClick=${() => act.open_cart()}>
        <${Icon} name="cart" /><span class="count" data-empty=${cart.count === 0}>${cart.count}</span></button>
    </div>
  </div></header>`;
}

function Tabs({ state, act }) {
  const here = (route) => (state.route === route ? 'page' : undefined);
  return html`<nav class="tabs" aria-label="Sections">
    <a href="#/" aria-current=${here('#/')}><${Icon} name="paw" />Pets</a>
    <a href="#/orders" aria-current=${here('#/orders')}><${Icon} name="box" />Orders</a>
    <a href="#/my-pets" aria-current=${here('#/my-pets')}><${Icon} name="tag" />Sell</a>
    <button onClick=${() => act.open_cart()}><${Icon} name="cart" />Cart${state.cart.count ? html` <b>${state.cart.count}</b>` : null}</button>
  </nav>`;
}

function Catalogue({ state, act }) {
  const { catalogue, filters } = state;
  const narrowed = filters.q || filters.species || filters.least !== null || filters.most !== null;
  return html`<${Fragment}>
    ${!filters.q && html`<section class="hero"><div class="wide">
      <div><h1>Somebody here is waiting for you.</h1>
        <p>Ten thousand pets from sellers who care, each looking for a home. What you see is what is there: stock is live.</p></div>
      <div class="faces" aria-hidden="true">${['dog-2', 'cat-5', 'rabbit-1', 'bird-3'].map((name) => html`<img src=${`/art/${name}.svg`} alt="" width="170" height="170" />`)}</div>
    </div></section>`}
    <section class="wide" aria-label="Catalogue">
      <div class="chips" role="group" aria-label="Kind of pet">
        <button aria-pressed=${!filters.species} onClick=${() => act.set_filter({ species: '' })}>All pets</button>
        ${SPECIES.map(([key, , many]) => html`<button key=${key} aria-pressed=${filters.species === key} onClick=${() => act.set_filter({ species: key })}>
          <img src=${`/art/${key}-1.svg`} alt="" width="30" height="30" />${many}</button>`)}
      </div>
      <div class="bar">
        <p class="found" role="status">${catalogue.total === null ? ' ' : html`${filters.q && catalogue.total === 100 ? 'The best ' : ''}<b>${catalogue.total.toLocaleString('en')}</b> ${catalogue.total === 1 ? 'pet' : 'pets'}${filters.q ? html` for “${filters.q}”` : ''}`}</p>
        <fieldset class="range"><legend class="hidden">Price</legend>
          <input type="number" inputmode="numeric" min="0" aria-label="Lowest price" placeholder="€ min" ref=${told(filters.least ?? '')} onChange=${(event) => act.set_filter({ least: event.target.value })} />
          <span aria-hidden="true">–</span>
          <input type="number" inputmode="numeric" min="0" aria-label="Highest price" placeholder="€ max" ref=${told(filters.most ?? '')} onChange=${(event) => act.set_filter({ most: event.target.value })} />
        </fieldset>
        <label class="sort"><span class="hidden">Sort by</span><select key=${!!filters.q} aria-label="Sort by" disabled=${!!filters.q} onChange=${(event) => act.set_filter({ sort: event.target.value })}>
          ${filters.q ? html`<option key="best">Best match</option>` : SORTS.map(([key, name]) => html`<option key=${key} value=${key} selected=${filters.sort === key}>${name}</option>`)}</select></label>
      </div>
      <${Pets} listing=${catalogue} act=${act} nothing=${html`<div class="nothing"><img src="/art/empty.svg" alt="" width="200" height="150" />
        <h2>Nobody like that is here today</h2><p>Try other words, or look at everyone.</p>
        ${narrowed && html`<button class="main" onClick=${() => act.reset()}>Show all pets</button>`}</div>`} />
    </section>
  </${Fragment}>`;
}

function Pets({ listing, act, nothing }) {
  if (listing.error && !listing.pets.length) return h(Trouble, { text: listing.error, act });
  if (!listing.pets.length && !listing.loading) return nothing;
  const fresh = listing.loading && !listing.pets.length;
  return html`<${Fragment}>
    <ul class="grid" aria-busy=${listing.loading} data-stale=${listing.loading && !fresh}>
      ${fresh ? Array.from({ length: 12 }, (_, n) => html`<li key=${`s${n}`} class="card skeleton" aria-hidden="true"><div class="picture"></div><i></i><i></i></li>`)
        : listing.pets.map((pet) => html`<${Card} key=${pet.id} pet=${pet} act=${act} />`)}
    </ul>
    <${More} listing=${listing} act=${act} />
  </${Fragment}>`;
}

function Card({ pet, act }) {
  const none = pet.gone || pet.stock === 0;
  return html`<li class="card" data-none=${none}>
    <a href=${`#/pet/${pet.id}`} aria-label=${`${pet.name}, ${pet.breed || pet.species}`}><${Picture} pet=${pet} /></a>
    <div class="about">
      <h3><a href=${`#/pet/${pet.id}`} tabindex="-1">${pet.name}</a></h3>
      <p class="kind">${pet.breed || pet.species} · ${age(pet.age_months)}</p>
      <${Stock} pet=${pet} />
      <div class="buy"><span class="price">${money(pet.price)}</span>
        <button class="add" aria-label=${`Add ${pet.name} to the cart`} disabled=${none} onClick=${() => act.add(pet.id)}><${Icon} name="plus" /></button></div>
    </div>
  </li>`;
}

const soon = (act) => (element) => {
  // The next page is read when the visitor comes near the end; the button stays for the keyboard.
  if (!element || element.seen) return;
  element.seen = new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) act.more(); }, { rootMargin: '600px' });
  element.seen.observe(element);
};

function More({ listing, act }) {
  if (listing.error) return h(Trouble, { text: listing.error, act });
  if (!listing.more || !listing.pets.length) return null;
  return html`<div class="more" key=${listing.pets.length} ref=${soon(act)}><button onClick=${() => act.more()} disabled=${listing.loading}>${listing.loading ? 'One moment …' : 'Show more pets'}</button></div>`;
}

const Trouble = ({ text, act }) => html`<div class="nothing" role="alert"><h2>${text}</h2><button class="main" onClick=${() => act.retry()}>Try again</button></div>`;

function Orders({ state, act }) {
  if (!state.user) return html`<section class="wide page"><h1>My orders</h1><div class="nothing"><h2>Sign in to see your orders</h2><button class="main" onClick=${() => act.ask_account('in')}>Sign in</button></div></section>`;
  const { orders } = state;
  return html`<section class="wide page narrow"><h1>My orders</h1>
    ${orders === null && html`<div class="order skeleton"><i></i><i></i><i></i></div>`}
    ${orders?.length === 0 && html`<div class="nothing"><img src="/art/empty.svg" alt="" width="200" height="150" /><h2>No orders yet</h2><p>When you bring somebody home, you can follow the way here.</p><a class="main" href="#/">Look around</a></div>`}
    ${orders?.map((order) => html`<${Order} key=${order.id} order=${order} />`)}
  </section>`;
}

function Order({ order }) {
  const reached = STEPS.indexOf(order.status);
  const when = new Date(order.created_at).toLocaleString('en', { dateStyle: 'long', timeStyle: 'short' });
  return html`<article class="order" aria-label=${`Order of ${when}`}>
    <header><div><h2>${when}</h2><small>No. ${order.id.slice(0, 8)}</small></div><strong class="price">${money(order.total)}</strong></header>
    <ol class="steps" aria-label=${`Status: ${order.status}`}>${STEPS.map((step, n) => html`<li key=${step} data-done=${n <= reached} aria-current=${n === reached ? 'step' : undefined}>${step}</li>`)}</ol>
    <ul class="items">${order.items?.map((item) => html`<li key=${item.pet_id}><a href=${`#/pet/${item.pet_id}`}>${item.name}</a><span>${item.quantity > 1 ? `${item.quantity} × ` : ''}${money(item.price)}</span></li>`)}</ul>
  </article>`;
}

function MyPets({ state, act }) {
  const { mine, user } = state;
  if (!user) return html`<section class="wide page"><h1>Sell with Pawprint</h1><div class="nothing"><h2>Sign in to sell a pet</h2><button class="main" onClick=${() => act.ask_account('in')}>Sign in</button></div></section>`;
  return html`<section class="wide page"><div class="head"><h1>${user.shop || 'My pets'}${mine.total !== null ? html` <small>${mine.total.toLocaleString('en')} ${mine.total === 1 ? 'pet' : 'pets'}</small>` : ''}</h1>
      <button class="main" onClick=${() => act.ask_sell()}><${Icon} name="plus" /> Sell a pet</button></div>
    ${mine.error && !mine.pets.length ? h(Trouble, { text: mine.error, act }) : ''}
    ${!mine.pets.length && mine.loading ? html`<div class="order skeleton"><i></i><i></i></div>` : ''}
    ${!mine.pets.length && !mine.loading && !mine.error ? html`<div class="nothing"><img src="/art/empty.svg" alt="" width="200" height="150" /><h2>Nothing for sale yet</h2><p>Offer your first pet: a photo, a name and a price are enough.</p></div>` : ''}
    <ul class="own">${mine.pets.map((pet) => html`<${OwnPet} key=${pet.id} pet=${pet} act=${act} />`)}</ul>
    <${More} listing=${{ ...mine, error: mine.pets.length ? mine.error : '' }} act=${act} />
  </section>`;
}

function OwnPet({ pet, act }) {
  const hidden = pet.status === 'hidden';
  return html`<li data-hidden=${hidden} aria-label=${pet.name}>
    <a href=${`#/pet/${pet.id}`} tabindex="-1" aria-hidden="true"><${Picture} pet=${pet} /></a>
    <div><h3>${pet.name}</h3><p class="kind">${pet.breed || pet.species} · ${age(pet.age_months)}${hidden ? html` · <b>hidden</b>` : ''}</p></div>
    <span class="price">${money(pet.price)}</span><${Stock} pet=${pet} exact />
    <div class="row">
      <button onClick=${() => act.ask_sell(pet.id)} aria-label=${`Edit ${pet.name}`}>Edit</button>
      <button onClick=${() => act.hide(pet.id, !hidden)} aria-label=${`${hidden ? 'Show' : 'Hide'} ${pet.name}`}>${hidden ? 'Show' : 'Hide'}</button>
      <button class="danger" onClick=${() => act.withdraw(pet.id)} aria-label=${`Withdraw ${pet.name}`}>Withdraw</button>
    </div>
  </li>`;
}

const leave = (act, toast) => (element) => { if (element && !element.timer) element.timer = setTimeout(() => act.forget(toast.id), 4500); };

// A popover, so that messages lie above an open dialog; it is raised again for each new message.
const raised = (toasts) => (element) => {
  const newest = toasts.at(-1)?.id ?? 0;
  if (!element || element.newest === newest) return;
  element.newest = newest;
  if (element.matches(':popover-open')) element.hidePopover();
  if (newest) element.showPopover();
};

const Toasts = ({ toasts, act }) => html`<div class="toasts" popover="manual" role="status" aria-live="polite" ref=${raised(toasts)}>${toasts.map((toast) => html`
  <p key=${toast.id} class=${toast.kind} ref=${leave(act, toast)}>${toast.text}<button aria-label="Close message" onClick=${() => act.forget(toast.id)}>×</button></p>`)}</div>`;

function Footer({ page }) {
  const { timing } = page;
  const shown = timing && (timing.first
    ? `First pets after ${timing.seconds.toFixed(1)} s; ${timing.first.toFixed(1)} s on your first visit.`
    : `First pets after ${timing.seconds.toFixed(1)} s, on your first visit.`);
  return html`<footer><div class="wide"><p><b>Pawprint</b> is the example shop of baaskit. No pet was ever sold here.</p>
    <p class="timing">${shown || ' '} Python ${'in your browser, nothing loaded from elsewhere.'}</p></div></footer>`;
}
