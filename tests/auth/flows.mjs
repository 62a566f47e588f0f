// The official JavaScript client through accounts, sessions and the admin API. Prints {"passed": n}; a failure ends with status 1.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

const require = createRequire(process.env.CLIENTS + '/package.json')
const { createClient } = require('@supabase/supabase-js')
const { URL: url, ANON, SERVICE } = process.env
// Node < 22 has no WebSocket and the client refuses to be made without one, although nothing here opens any.
const realtime = { transport: globalThis.WebSocket ?? class {} }
const options = { auth: { persistSession: false, autoRefreshToken: false }, realtime }
const client = (key = ANON) => createClient(url, key, options)
const password = 'correct horse'
const fresh = async (name) => {
  const c = client()
  const { data, error } = await c.auth.signUp({ email: `${name}@example.com`, password, options: { data: { name } } })
  assert.equal(error, null)
  return { c, session: data.session, user: data.user }
}

const pkce = () => {
  const kept = new Map()
  const storage = { getItem: (k) => kept.get(k) ?? null, setItem: (k, v) => kept.set(k, v), removeItem: (k) => kept.delete(k) }
  return createClient(url, ANON, { auth: { ...options.auth, persistSession: true, flowType: 'pkce', storage }, realtime })
}
/** The newest message to an address, once there are `count`. */
const mail = async (to, count = 1) => {
  for (let n = 0; n < 500; n++) {
    const { messages } = await (await fetch(`${url}/auth/v1/mailbox`, { headers: { accept: 'application/json' } })).json()
    const found = messages.filter((m) => m.to === to)
    if (found.length >= count) return found[0]
    await new Promise((done) => setTimeout(done, 20))
  }
  throw new Error(`no message to ${to}`)
}

// With addresses that must be confirmed.
const confirming = {
  async 'sign up, resend, confirm by code'() {
    const c = client()
    const { data, error } = await c.auth.signUp({ email: 'ada@example.com', password })
    assert.equal(error, null)
    assert.equal(data.session, null)
    assert.equal((await c.auth.signInWithPassword({ email: 'ada@example.com', password })).error.code, 'email_not_confirmed')
    await mail('ada@example.com')
    assert.equal((await c.auth.resend({ type: 'signup', email: 'ada@example.com' })).error, null)
    const { code } = await mail('ada@example.com', 2)
    const verified = await c.auth.verifyOtp({ type: 'signup', email: 'ada@example.com', token: code })
    assert.equal(verified.error, null)
    assert.equal((await c.auth.getUser()).data.user.id, data.user.id)
  },
  async 'sign up and confirm by a link and PKCE'() {
    const c = pkce()
    await c.auth.signUp({ email: 'bob@example.com', password })
    const led = new URL((await fetch((await mail('bob@example.com')).link, { redirect: 'manual' })).headers.get('location'))
    const { data, error } = await c.auth.exchangeCodeForSession(led.searchParams.get('code'))
    assert.equal(error, null)
    assert.equal(data.user.email, 'bob@example.com')
  },
  async 'change the address with both mailboxes, and prove it once more'() {
    const c = client()
    await c.auth.signInWithPassword({ email: 'ada@example.com', password })
    const { data, error } = await c.auth.updateUser({ email: 'ada@lovelace.org' })
    assert.equal(error, null)
    assert.deepEqual([data.user.email, data.user.new_email], ['ada@example.com', 'ada@lovelace.org'])
    const old = await mail('ada@example.com', 3)
    const fresh = await mail('ada@lovelace.org')
    assert.equal((await c.auth.verifyOtp({ type: 'email_change', email: old.to, token: old.code })).error, null)
    const { data: done } = await c.auth.verifyOtp({ type: 'email_change', email: fresh.to, token: fresh.code })
    assert.equal(done.user.email, 'ada@lovelace.org')
    assert.equal((await c.auth.reauthenticate()).error, null)
    const { code } = await mail('ada@lovelace.org', 2)
    assert.equal((await c.auth.updateUser({ password: 'a new password', nonce: code })).error, null)
  },
}

const flows = process.env.CONFIRM ? confirming : {
  async 'sign up, read, verify by the published key'() {
    const { c, session, user } = await fresh('ada')
    assert.equal(user.user_metadata.name, 'ada')
    assert.equal(session.token_type, 'bearer')
    assert.equal((await c.auth.getUser()).data.user.id, user.id)
    const { data, error } = await c.auth.getClaims()
    assert.equal(error, null)
    assert.equal(data.header.alg, 'ES256')
    assert.equal(data.claims.sub, user.id)
    assert.equal(data.claims.role, 'authenticated')
  },
  async 'refusals carry their code'() {
    const c = client()
    const wrong = await c.auth.signInWithPassword({ email: 'ada@example.com', password: 'wrong' })
    assert.deepEqual([wrong.error.status, wrong.error.code, wrong.error.message], [400, 'invalid_credentials', 'Invalid login credentials'])
    const twice = await c.auth.signUp({ email: 'ada@example.com', password })
    assert.equal(twice.error.code, 'user_already_exists')
    const weak = await c.auth.signUp({ email: 'weak@example.com', password: 'abc' })
    assert.equal(weak.error.name, 'AuthWeakPasswordError')
    assert.deepEqual(weak.error.reasons, ['length'])
  },
  async 'refresh and five tabs at once'() {
    const { session } = await fresh('bob')
    const tabs = await Promise.all([1, 2, 3, 4, 5].map(() => client().auth.refreshSession({ refresh_token: session.refresh_token })))
    assert.deepEqual(tabs.map((tab) => tab.error), [null, null, null, null, null])
    assert.equal(new Set(tabs.map((tab) => tab.data.session.refresh_token)).size, 1)
  },
  async 'set a session from its tokens'() {
    const { session, user } = await fresh('cleo')
    const { data, error } = await client().auth.setSession(session)
    assert.equal(error, null)
    assert.equal(data.user.id, user.id)
  },
  async 'change the user'() {
    const { c } = await fresh('dora')
    const changed = await c.auth.updateUser({ data: { name: 'Dora' }, password: 'another one', email: 'dora@lovelace.org' })
    assert.equal(changed.error, null)
    assert.equal(changed.data.user.email, 'dora@lovelace.org')
    assert.equal((await c.auth.updateUser({ password: 'another one' })).error.code, 'same_password')
    assert.equal((await client().auth.signInWithPassword({ email: 'dora@lovelace.org', password: 'another one' })).error, null)
  },
  async 'sign out by scope'() {
    const { c, session } = await fresh('emma')
    const other = client()
    await other.auth.signInWithPassword({ email: 'emma@example.com', password })
    assert.equal((await other.auth.signOut({ scope: 'others' })).error, null)
    assert.equal((await c.auth.getUser(session.access_token)).error.name, 'AuthSessionMissingError')
    assert.notEqual((await other.auth.getUser()).data.user, null)
    assert.equal((await other.auth.signOut()).error, null)
    assert.equal((await other.auth.getSession()).data.session, null)
  },
  async 'an anonymous visitor becomes a user'() {
    const c = client()
    const { data } = await c.auth.signInAnonymously({ options: { data: { theme: 'dark' } } })
    assert.equal(data.user.is_anonymous, true)
    const { data: upgraded, error } = await c.auth.updateUser({ email: 'faye@example.com', password })
    assert.equal(error, null)
    assert.deepEqual([upgraded.user.id, upgraded.user.is_anonymous], [data.user.id, false])
  },
  async 'a code by mail and by phone signs in'() {
    const c = client()
    assert.equal((await c.auth.signInWithOtp({ email: 'hugo@example.com', options: { data: { name: 'Hugo' } } })).error, null)
    const { data, error } = await c.auth.verifyOtp({ type: 'email', email: 'hugo@example.com', token: (await mail('hugo@example.com')).code })
    assert.equal(error, null)
    assert.equal(data.user.user_metadata.name, 'Hugo')
    const sms = client()
    assert.equal((await sms.auth.signInWithOtp({ phone: '+49123456789' })).error, null)
    const verified = await sms.auth.verifyOtp({ type: 'sms', phone: '+49123456789', token: (await mail('49123456789')).code })
    assert.equal(verified.data.session.user.phone, '49123456789')
    const wrong = await sms.auth.verifyOtp({ type: 'sms', phone: '+49123456789', token: '000000' })
    assert.deepEqual([wrong.error.status, wrong.error.code], [403, 'otp_expired'])
  },
  async 'a forgotten password, by a link and PKCE'() {
    await fresh('ivy')
    const c = pkce()
    assert.equal((await c.auth.resetPasswordForEmail('ivy@example.com', { redirectTo: 'http://localhost:3000/reset' })).error, null)
    const led = new URL((await fetch((await mail('ivy@example.com')).link, { redirect: 'manual' })).headers.get('location'))
    assert.equal(led.origin + led.pathname, 'http://localhost:3000/reset')
    const { data, error } = await c.auth.exchangeCodeForSession(led.searchParams.get('code'))
    assert.equal(error, null)
    assert.equal(data.user.email, 'ivy@example.com')
    assert.equal((await c.auth.updateUser({ password: 'a new password' })).error, null)
    assert.equal((await client().auth.signInWithPassword({ email: 'ivy@example.com', password: 'a new password' })).error, null)
    assert.notEqual((await client().auth.exchangeCodeForSession('x').catch((e) => ({ error: e }))).error, null)
  },
  async 'look after users'() {
    const admin = client(SERVICE).auth.admin
    const { data: made } = await admin.createUser({ email: 'gina@example.com', password, email_confirm: true, app_metadata: { team: 'a' } })
    const { data: page } = await admin.listUsers({ page: 1, perPage: 2 })
    assert.equal(page.users[0].id, made.user.id)
    assert.deepEqual([page.nextPage, page.lastPage, page.total], [2, Math.ceil(page.total / 2), page.total])
    const { data: changed } = await admin.updateUserById(made.user.id, { user_metadata: { a: 1 } })
    assert.equal(changed.user.user_metadata.a, 1)
    assert.equal((await admin.getUserById(made.user.id)).data.user.app_metadata.team, 'a')
    const { data: signedIn } = await client().auth.signInWithPassword({ email: 'gina@example.com', password })
    assert.equal((await admin.signOut(signedIn.session.access_token, 'global')).error, null)
    assert.equal((await admin.deleteUser(made.user.id)).error, null)
    assert.equal((await admin.getUserById(made.user.id)).error.code, 'user_not_found')
    assert.equal((await client().auth.admin.listUsers()).error.code, 'not_admin')
  },
}

let passed = 0
for (const [name, flow] of Object.entries(flows)) {
  try {
    await flow()
    passed += 1
  } catch (problem) {
    console.error(`${name}: ${problem.stack}`)
    process.exit(1)
  }
}
console.log(JSON.stringify({ passed }))
process.exit(0)
