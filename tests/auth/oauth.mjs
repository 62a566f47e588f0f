// The official JavaScript client signs in with accounts elsewhere. Prints {"passed": n}; a failure ends with status 1.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

const require = createRequire(process.env.CLIENTS + '/package.json')
const { createClient } = require('@supabase/supabase-js')
const { URL: url, ANON, ID_TOKEN } = process.env
const realtime = { transport: globalThis.WebSocket ?? class {} }
const client = (flowType) => {
  const kept = new Map()
  const storage = { getItem: (k) => kept.get(k) ?? null, setItem: (k, v) => kept.set(k, v), removeItem: (k) => kept.delete(k) }
  return createClient(url, ANON, { auth: { flowType, storage, persistSession: true, autoRefreshToken: false }, realtime })
}
const redirectTo = 'http://localhost:3000/welcome'
/** What a browser does with an address, until it is back at the app. */
const browse = async (address) => {
  const jars = {}
  for (let n = 0; n < 15 && !address.startsWith(redirectTo); n++) {
    const jar = (jars[new URL(address).host] ??= {})
    const cookie = Object.entries(jar).map((pair) => pair.join('=')).join('; ')
    const answer = await fetch(address, { redirect: 'manual', headers: cookie ? { cookie } : {} })
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0].split(/=(.*)/)
      jar[name] = value
    }
    assert.ok(answer.headers.get('location'), `${address}: ${answer.status} ${await answer.text()}`)
    address = new URL(answer.headers.get('location'), address).href
  }
  return new URL(address)
}
const options = (who) => ({ redirectTo, skipBrowserRedirect: true, queryParams: { login_hint: who } })

const flows = {
  async 'sign in with PKCE, link another account, list, unlink'() {
    const c = client('pkce')
    const { data, error } = await c.auth.signInWithOAuth({ provider: 'first', options: options('ada@example.com') })
    assert.equal(error, null)
    const back = await browse(data.url)
    const signed = await c.auth.exchangeCodeForSession(back.searchParams.get('code'))
    assert.equal(signed.error, null)
    assert.equal(signed.data.user.email, 'ada@example.com')
    assert.ok(signed.data.session.provider_token)

    const linking = await c.auth.linkIdentity({ provider: 'second', options: options('ada@elsewhere.org') })
    assert.equal(linking.error, null)
    const linked = await c.auth.exchangeCodeForSession((await browse(linking.data.url)).searchParams.get('code'))
    assert.equal(linked.error, null)
    assert.equal(linked.data.user.id, signed.data.user.id)

    const { identities } = (await c.auth.getUserIdentities()).data
    assert.deepEqual(identities.map((i) => [i.provider, i.id]), [['first', 'ada@example.com'], ['second', 'ada@elsewhere.org']])
    assert.equal((await c.auth.unlinkIdentity(identities[0])).error, null)
    assert.equal((await c.auth.unlinkIdentity(identities[1])).error.code, 'single_identity_not_deletable')
  },
  async 'sign in without PKCE'() {
    const c = client('implicit')
    const { data } = await c.auth.signInWithOAuth({ provider: 'first', options: options('bob@example.com') })
    const told = new URLSearchParams((await browse(data.url)).hash.slice(1))
    const session = { access_token: told.get('access_token'), refresh_token: told.get('refresh_token') }
    const { data: set, error } = await c.auth.setSession(session)
    assert.equal(error, null)
    assert.equal(set.user.email, 'bob@example.com')
    assert.equal((await c.auth.refreshSession()).error, null)
  },
  async 'sign in with an ID token'() {
    const { data, error } = await client('pkce').auth.signInWithIdToken({ provider: 'first', token: ID_TOKEN, nonce: 'once' })
    assert.equal(error, null)
    assert.equal(data.user.identities[0].id, 'cleo')
  },
  async 'an unknown provider'() {
    const { data } = await client('pkce').auth.signInWithOAuth({ provider: 'google', options: options('x') })
    const answer = await fetch(data.url, { redirect: 'manual' })
    assert.deepEqual([answer.status, (await answer.json()).error_code], [400, 'validation_failed'])
  },
}

let passed = 0
for (const [name, flow] of Object.entries(flows)) {
  try {
    await flow()
    passed += 1
  } catch (error) {
    console.error(`FAILED: ${name}\n${error.stack}`)
    process.exit(1)
  }
}
console.log(JSON.stringify({ passed }))
