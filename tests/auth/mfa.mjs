// The official JavaScript client with a second factor. Prints {"passed": n}; a failure ends with status 1.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createRequire } from 'node:module'

const require = createRequire(process.env.CLIENTS + '/package.json')
const { createClient } = require('@supabase/supabase-js')
const { URL: url, ANON, SERVICE } = process.env
const options = { auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport: globalThis.WebSocket ?? class {} } }
const client = (key = ANON) => createClient(url, key, options)
const who = { email: 'zoe@example.com', password: 'correct horse' }

/** The code of a secret (RFC 6238), `later` periods from now. */
const codeOf = (secret, later = 0) => {
  const bits = [...secret].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + later))
  const mac = createHmac('sha1', key).update(counter).digest()
  const at = mac[19] & 15
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1e6).padStart(6, '0')
}
const levels = async (c) => {
  const { currentLevel, nextLevel } = (await c.auth.mfa.getAuthenticatorAssuranceLevel()).data
  return [currentLevel, nextLevel]
}

const c = client()
assert.equal((await c.auth.signUp(who)).error, null)
const { data: made, error } = await c.auth.mfa.enroll({ factorType: 'totp', friendlyName: 'phone' })
assert.equal(error, null)
assert.match(made.totp.qr_code, /^data:image\/svg\+xml;utf-8,<svg[^#]*$/)
const { data: challenge } = await c.auth.mfa.challenge({ factorId: made.id })
const wrong = await c.auth.mfa.verify({ factorId: made.id, challengeId: challenge.id, code: '000000' })
assert.deepEqual([wrong.error.status, wrong.error.code], [422, 'mfa_verification_failed'])
const raised = await c.auth.mfa.verify({ factorId: made.id, challengeId: challenge.id, code: codeOf(made.totp.secret) })
assert.equal(raised.error, null)
assert.deepEqual(await levels(c), ['aal2', 'aal2'])
assert.equal((await c.auth.getClaims()).data.claims.aal, 'aal2')
assert.equal((await c.auth.refreshSession()).error, null)
assert.deepEqual(await levels(c), ['aal2', 'aal2'])

const again = client()
await again.auth.signInWithPassword(who)
assert.deepEqual(await levels(again), ['aal1', 'aal2'])
assert.equal((await again.auth.updateUser({ password: 'a new password' })).error.code, 'insufficient_aal')
const done = await again.auth.mfa.challengeAndVerify({ factorId: made.id, code: codeOf(made.totp.secret, 1) })
assert.equal(done.error, null)
const { data: listed } = await again.auth.mfa.listFactors()
assert.deepEqual([listed.totp.length, listed.totp[0].friendly_name, listed.webauthn.length], [1, 'phone', 0])

const admin = client(SERVICE).auth.admin.mfa
const user = (await again.auth.getUser()).data.user.id
assert.equal((await admin.listFactors({ userId: user })).data.factors[0].id, made.id)
assert.equal((await again.auth.mfa.unenroll({ factorId: made.id })).data.id, made.id)
await again.auth.refreshSession()
assert.deepEqual(await levels(again), ['aal1', 'aal1'])
console.log(JSON.stringify({ passed: 1 }))
