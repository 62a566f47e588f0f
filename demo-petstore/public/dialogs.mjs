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

/** A labelled input; what is wrong with it is said below and belongs to it for screen readers, too. */
function Field({ errors, name, label, tag = 'input', children, ...given }) {
  const fault = errors[name];
  const input = h(tag, { id: `f-${name}`, name, 'aria-invalid': fault ? 'true' : undefined, 'aria-describedby': fault ? `e-${name}` : undefined, ...given }, children);
  return html`<div class="field"><label for=${`f-${name}`}>${label}</label>${input}${fault && html`<span class="fault" id=${`e-${name}`} role="alert">${fault}</span>`}</div>`;
}

function preview(event) {
  const [file] = event.target.files;
  const image = event.target.closest('.drop').querySelector('.preview');
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
    else act.sell(values, ...event.target.elements.photo.files);
  };
  return html`<${Dialog} label=${pet ? `Edit ${pet.name}` : 'Sell a pet'} className="form" onClose=${() => act.close()}>
    <h2>${pet ? `Edit ${pet.name}` : 'Sell a pet'}</h2>
    <form onSubmit=${send} novalidate>
      ${!pet && !shop && html`<${Field} errors=${errors} name="shop_name" label="Name of your shop" maxlength="60" />`}
      ${!pet && html`<div class="drop"><${Field} errors=${errors} name="photo" label="Photo" type="file" accept="image/jpeg,image/png,image/webp" onChange=${preview} />
        <img class="preview" alt="" hidden /></div>`}
      <${Field} errors=${errors} name="name" label="Name" maxlength="60" defaultValue=${pet?.name} />
      <div class="pair"><${Field} errors=${errors} name="species" label="Kind" tag="select">
          ${!pet && html`<option value="">Choose …</option>`}${SPECIES.map(([key, one]) => html`<option key=${key} value=${key} selected=${pet?.species === key}>${one}</option>`)}</${Field}>
        <${Field} errors=${errors} name="breed" label="Breed" maxlength="60" defaultValue=${pet?.breed} /></div>
      <div class="pair three"><${Field} errors=${errors} name="price" label="Price in €" inputmode="decimal" defaultValue=${pet?.price} />
        <${Field} errors=${errors} name="stock" label="In stock" inputmode="numeric" defaultValue=${pet?.stock ?? 1} />
        <${Field} errors=${errors} name="age_months" label="Age in months" inputmode="numeric" defaultValue=${pet?.age_months ?? 12} /></div>
      <${Field} errors=${errors} name="description" label="About" tag="textarea" rows="3" maxlength="2000" defaultValue=${pet?.description} />
      ${progress !== null && progress !== undefined && html`<div class="progress"><progress max="1" value=${progress} aria-label="Upload of the photo"></progress><span>${Math.round(progress * 100)} %</span></div>`}
      <${Fault} text=${dialog.error} />
      <button class="main" disabled=${busy}>${busy ? 'One moment …' : pet ? 'Save' : 'Put it in the shop'}</button>
    </form></${Dialog}>`;
}
