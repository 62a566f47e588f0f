// `.rpc()` of the official JavaScript client: functions in Python, and on PostgreSQL those of the database.
import { createClient } from '@supabase/supabase-js'
import assert from 'node:assert/strict'
import ws from 'ws'

const [url, anonKey, database] = process.argv.slice(2)
const realtime = globalThis.WebSocket ? {} : { transport: ws }
const anon = createClient(url, anonKey, { auth: { persistSession: false, autoRefreshToken: false }, realtime })
const ok = ({ data, error }) => { if (error) throw error; return data }
const done = name => console.log(JSON.stringify({ done: name }))

{
  const cheap = [{ name: 'Milo', price: 10 }, { name: 'Rex', price: 20 }]
  assert.deepEqual(ok(await anon.rpc('offers', { most: 25 }).order('price')), cheap)
  assert.deepEqual(ok(await anon.rpc('offers', { most: 25 }, { get: true }).gt('price', 15).select('name')), [{ name: 'Rex' }])
  assert.deepEqual(ok(await anon.rpc('offers', { most: 25 }).order('price').limit(1).single()), cheap[0])
  const counted = await anon.rpc('offers', { most: 25 }, { head: true, count: 'exact' })
  assert.equal(counted.count, 2)
  assert.equal(ok(await anon.rpc('total', { amounts: [1, 2] }, { get: true })), 3)
  assert.equal(ok(await anon.rpc('total', { amounts: [1, 2, 3] })), 6)
  assert.equal(ok(await anon.rpc('nothing')), null)
  assert.equal((await anon.rpc('offers', { most: 'many' })).error.code, '22023')
  assert.equal((await anon.rpc('offers', { mots: 5 })).error.code, 'PGRST202')
  assert.equal((await anon.rpc('whoami')).error.code, '42501')
  assert.equal((await anon.rpc('sold_out')).error.code, 'SOLD_OUT')
  const person = createClient(url, anonKey, { auth: { persistSession: false, autoRefreshToken: false }, realtime })
  const { user } = ok(await person.auth.signUp({ email: `u${Date.now()}@example.com`, password: 'correct horse' }))
  assert.equal(ok(await person.rpc('whoami')), user.id)
  done('python')
}

if (database === 'postgresql') {
  assert.deepEqual(ok(await anon.rpc('under', { most: 100 }).select('name').order('price', { ascending: false })), [{ name: 'Tom' }, { name: 'Rex' }, { name: 'Milo' }])
  assert.deepEqual(ok(await anon.rpc('under', { most: 15 }, { get: true }).select('name,homes(city)')), [{ name: 'Milo', homes: { city: 'Bonn' } }])
  const page = await anon.rpc('under', { most: 100 }, { count: 'exact' }).select('name').order('name').range(1, 2)
  assert.deepEqual([page.data, page.count], [[{ name: 'Rex' }, { name: 'Tom' }], 3])
  assert.equal(ok(await anon.rpc('hello')), 'hello you')
  assert.equal((await anon.rpc('hidden')).error.code, '42501')
  assert.equal(ok(await anon.rpc('sell', { id: 1 })), null)
  assert.equal((await anon.rpc('sell', { id: 1 }, { get: true })).error.code, '25006')
  done('database')
}
