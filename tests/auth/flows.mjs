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

const flows = {
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
    assert.equal((await c.auth.signInWithOtp({ email: 'ada@example.com' })).error.code, 'otp_disabled')
    assert.equal((await c.auth.resetPasswordForEmail('ada@example.com')).error.code, 'email_provider_disabled')
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
