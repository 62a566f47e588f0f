// What opens over the shop. Native <dialog>: focus stays inside, Escape closes, the page behind is inert.
import { h } from '/vendor/preact-11.2.0/preact.mjs';
import { html, Icon, Picture, Stock, money, age, SPECIES } from '/parts.mjs';

const open = (element) => { if (element && !element.open) element.showModal(); };

function Dialog({ label, className, onClose, children }) {
  const outside = (event) => { if (event.target === event.currentTarget) onClose(); };
  return html`<dialog class=${className} aria-label=${label} ref=${open} onCancel=${(event) => { event.preventDefault(); onClose(); }} onMouseDown=${outside}>
    <div class="sheet"><button class="icon shut" aria-label="Close" onClick=${onClose}><${Icon} name="close" /></button>${children}</div></dialog>`;
}

const Fault = ({ text }) => (text ? html`<p class="fault" role="alert">${text}</p>` : null);

export function PetDialog({ pet, act }) {
  const none = pet.gone || pet.stock === 0;
  const back = () => { if (history.length > 1 && document.referrer !== '') history.back(); else location.hash = '#/'; };
  const [, one] = SPECIES.find(([key]) => key === pet.species) || [];
  return html`<${Dialog} label=${pet.name} className="detail" onClose=${() => { location.hash = '#/'; }}>
    <${Picture} pet=${{ ...pet, images: pet.images.length > 1 ? pet.images.slice(-2) : pet.images }} />
    <div class="story"><p class="kind">${one} · ${pet.breed}</p><h2>${pet.name}</h2>
      <p class="facts"><span>${age(pet.age_months)} old</span>${pet.tags?.map((tag) => html`<span key=${tag}>${tag}</span>`)}</p>
      <p>${pet.description}</p>
      ${pet.shop && html`<p class="seller">Offered by <b>${pet.shop}</b></p>`}
      <div class="offer"><strong class="price">${money(pet.price)}</strong><${Stock} pet=${pet} /></div>
      <button class="main" disabled=${none} onClick=${() => act.add(pet.id)}>${none ? 'Sold out' : pet.in_cart ? `Add another (${pet.in_cart} in your cart)` : 'Add to cart'}</button>
    </div></${Dialog}>`;
}

export function Cart({ dialog, cart, user, act }) {
  const blocked = cart.lines.some((line) => line.problem);
  return html`<${Dialog} label="Cart" className="drawer" onClose=${() => act.close()}>
    <h2>Your cart</h2>
    ${cart.lines.length === 0 && html`<div class="nothing"><img src="/art/empty.svg" alt="" width="200" height="150" /><h3>Still empty</h3><p>Somebody out there would like to change that.</p><button class="main" onClick=${() => act.close()}>Look around</button></div>`}
    <ul class="lines">${cart.lines.map((line) => html`<${Line} key=${line.id} line=${line} act=${act} busy=${dialog.busy} />`)}</ul>
    ${cart.lines.length > 0 && html`<div class="sum"><${Fault} text=${dialog.error} />
      <p><span>Total</span><strong class="price" data-testid="total">${money(cart.total)}</strong></p>
      <button class="main" disabled=${dialog.busy || blocked} onClick=${() => act.checkout()}>${dialog.busy ? 'Buying …' : user ? 'Buy now' : 'Sign in and buy'}</button>
      <small>No money moves: this is a demo.</small></div>`}
  </${Dialog}>`;
}

function Line({ line, act, busy }) {
  const { pet, quantity, problem } = line;
  if (!pet) return html`<li class="skeleton"><i></i></li>`;
  return html`<li data-problem=${!!problem} aria-label=${pet.name}><${Picture} pet=${pet} />
    <div><h3>${pet.name}</h3><p class="kind">${money(pet.price)} each</p>${problem ? html`<span class="stock" data-kind="none">${problem}</span>` : html`<${Stock} pet=${pet} />`}</div>
    <div class="many" role="group" aria-label=${`Quantity of ${pet.name}`}>
      <button aria-label=${`One ${pet.name} less`} disabled=${busy} onClick=${() => act.set_quantity(line.id, quantity - 1)}>−</button>
      <output>${quantity}</output>
      <button aria-label=${`One ${pet.name} more`} disabled=${busy || quantity >= pet.stock} onClick=${() => act.set_quantity(line.id, quantity + 1)}>+</button></div>
    <button class="remove" disabled=${busy} aria-label=${`Remove ${pet.name}`} onClick=${() => act.set_quantity(line.id, 0)}>Remove</button></li>`;
}

export function Account({ dialog, act }) {
  const up = dialog.mode === 'up';
  const send = (event) => {
    event.preventDefault();
    const { email, password } = event.target.elements;
    act[up ? 'sign_up' : 'sign_in'](email.value, password.value);
  };
  return html`<${Dialog} label=${up ? 'Create an account' : 'Sign in'} className="small" onClose=${() => act.close()}>
    <h2>${up ? 'Create an account' : 'Welcome back'}</h2>${dialog.reason && html`<p>${dialog.reason}</p>`}
    <form onSubmit=${send} novalidate><label>Email<input name="email" type="email" autocomplete="email" autofocus /></label>
      <label>Password<input name="password" type="password" autocomplete=${up ? 'new-password' : 'current-password'} /></label>
      <${Fault} text=${dialog.error} />
      <button class="main" disabled=${dialog.busy}>${dialog.busy ? 'One moment …' : up ? 'Create account' : 'Sign in'}</button></form>
    <p class="switch">${up ? 'You have an account?' : 'New here?'} <button onClick=${() => act.ask_account(up ? 'in' : 'up')}>${up ? 'Sign in' : 'Create an account'}</button></p>
  </${Dialog}>`;
}

export function Thanks({ order, act }) {
  return html`<${Dialog} label="Thank you" className="small" onClose=${() => act.close()}><div class="nothing">
    <span class="tick"><${Icon} name="check" /></span><h2>Thank you!</h2>
    <p>${order.items.map((item) => item.name).join(', ')} ${order.items.length > 1 ? 'are' : 'is'} coming home for ${money(order.total)}.</p>
    <a class="main" href="#/orders" onClick=${() => act.close()}>See my orders</a><button class="quiet" onClick=${() => act.close()}>Go on looking</button></div></${Dialog}>`;
}

const field = (errors, name, label, input) => html`<label class="field">${label}${input}${errors[name] && html`<span class="fault" role="alert">${errors[name]}</span>`}</label>`;

function preview(event) {
  const [file] = event.target.files;
  const image = event.target.closest('form').querySelector('.preview');
  if (image.src) URL.revokeObjectURL(image.src);
  image.hidden = !file;
  if (file) image.src = URL.createObjectURL(file);
}

export function Sell({ dialog, shop, act }) {
  const { pet, errors, busy, progress } = dialog;
  const send = (event) => {
    event.preventDefault();
    const values = Object.fromEntries([...new FormData(event.target)].filter(([, value]) => typeof value === 'string'));
    if (pet) act.change_pet(pet.id, values);
    else act.sell(values, event.target.elements.photo.files[0] ?? null);
  };
  return html`<${Dialog} label=${pet ? `Edit ${pet.name}` : 'Sell a pet'} className="form" onClose=${() => act.close()}>
    <h2>${pet ? `Edit ${pet.name}` : 'Sell a pet'}</h2>
    <form onSubmit=${send} novalidate>
      ${!pet && !shop && field(errors, 'shop_name', 'Name of your shop', html`<input name="shop_name" maxlength="60" />`)}
      ${!pet && html`<label class="drop">Photo<input name="photo" type="file" accept="image/jpeg,image/png,image/webp" onChange=${preview} /><img class="preview" alt="" hidden />
        ${errors.photo && html`<span class="fault" role="alert">${errors.photo}</span>`}</label>`}
      ${field(errors, 'name', 'Name', html`<input name="name" maxlength="60" defaultValue=${pet?.name} />`)}
      <div class="pair">${field(errors, 'species', 'Kind', html`<select name="species">${!pet && html`<option value="">Choose …</option>`}${SPECIES.map(([key, one]) => html`<option key=${key} value=${key} selected=${pet?.species === key}>${one}</option>`)}</select>`)}
      ${field(errors, 'breed', 'Breed', html`<input name="breed" maxlength="60" defaultValue=${pet?.breed} />`)}</div>
      <div class="pair three">${field(errors, 'price', 'Price in €', html`<input name="price" inputmode="decimal" defaultValue=${pet?.price} />`)}
      ${field(errors, 'stock', 'In stock', html`<input name="stock" inputmode="numeric" defaultValue=${pet?.stock ?? 1} />`)}
      ${field(errors, 'age_months', 'Age in months', html`<input name="age_months" inputmode="numeric" defaultValue=${pet?.age_months ?? 12} />`)}</div>
      ${field(errors, 'description', 'About', html`<textarea name="description" rows="3" maxlength="2000" defaultValue=${pet?.description}></textarea>`)}
      ${progress !== null && progress !== undefined && html`<div class="progress"><progress max="1" value=${progress} aria-label="Upload of the photo"></progress><span>${Math.round(progress * 100)} %</span></div>`}
      <${Fault} text=${dialog.error} />
      <button class="main" disabled=${busy}>${busy ? 'One moment …' : pet ? 'Save' : 'Put it in the shop'}</button>
    </form></${Dialog}>`;
}
