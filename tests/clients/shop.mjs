// The official JavaScript client, unmodified, through the whole of the pet store. Prints one JSON line per check; any throw fails.
import { createClient } from '@supabase/supabase-js'
import assert from 'node:assert/strict'
import ws from 'ws'

const [url, anonKey, serviceKey] = process.argv.slice(2)
// Node has a WebSocket of its own from 22 on; before that the client asks to be given one.
const realtime = globalThis.WebSocket ? {} : { transport: ws }
const options = { auth: { persistSession: false, autoRefreshToken: false }, realtime }
const anon = createClient(url, anonKey, options)
const service = createClient(url, serviceKey, options)
const unique = () => `${Date.now()}${Math.random().toString(36).slice(2)}`
const ok = ({ data, error }) => { if (error) throw error; return data }
const until = async (test, what, ms = 8000) => {
  for (const end = Date.now() + ms; Date.now() < end; await new Promise(r => setTimeout(r, 20))) if (test()) return
  throw new Error(`never happened: ${what}`)
}
const done = name => console.log(JSON.stringify({ done: name }))

// ---- data -------------------------------------------------------------------------------------------------------------
{
  const rows = ok(await anon.from('pets').select('id,name,price').eq('species', 'dog').gte('price', 100).order('price').limit(5))
  assert.equal(rows.length, 5)
  assert.ok(rows.every((row, i) => row.price >= 100 && (i === 0 || row.price >= rows[i - 1].price)))
  const { count } = await anon.from('pets').select('*', { count: 'exact', head: true })
  assert.equal(count, 10000)
  assert.equal(ok(await anon.from('pets').select('id').in('id', [1, 2, 3])).length, 3)
  assert.equal(ok(await anon.from('pets').select('name').like('name', 'Mil%').limit(1))[0].name, 'Milo')
  assert.deepEqual(ok(await anon.from('pets').select('id').is('photo', null)), [])
  const one = ok(await anon.from('pets').select('id,species,tags').eq('id', 1).single())
  assert.deepEqual(one, { id: 1, species: 'dog', tags: ['calm', 'family'] })
  const none = await anon.from('pets').select().eq('id', -1).single()
  assert.equal(none.error.code, 'PGRST116')
  assert.equal(ok(await anon.from('pets').select().eq('id', -1).maybeSingle()), null)
  const unknown = await anon.from('pets').select('nme')
  assert.equal(unknown.error.code, '42703')
  const table = await anon.from('pet').select()
  assert.equal(table.error.code, 'PGRST205')
  const denied = await anon.from('pets').insert({ name: 'Nobody', species: 'dog', price: 1 })
  assert.equal(denied.error.code, '42501')
  done('data')
}

// ---- auth -------------------------------------------------------------------------------------------------------------
const person = async () => {
  const client = createClient(url, anonKey, options)
  const email = `u${unique()}@example.com`
  const { user, session } = ok(await client.auth.signUp({ email, password: 'correct horse' }))
  assert.equal(user.email, email)
  assert.ok(session.access_token)
  return { client, email, user }
}
const ana = await person()
const bob = await person()
{
  const again = createClient(url, anonKey, options)
  const wrong = await again.auth.signInWithPassword({ email: ana.email, password: 'wrong' })
  assert.equal(wrong.error.code, 'invalid_credentials')
  ok(await again.auth.signInWithPassword({ email: ana.email, password: 'correct horse' }))
  assert.equal(ok(await again.auth.getUser()).user.id, ana.user.id)
  const { session } = ok(await again.auth.refreshSession())
  assert.ok(session.refresh_token)
  const { claims } = ok(await again.auth.getClaims())
  assert.equal(claims.sub, ana.user.id)
  ok(await again.auth.updateUser({ data: { nickname: 'ana' } }))
  assert.equal(ok(await again.auth.getUser()).user.user_metadata.nickname, 'ana')
  const duplicate = await anon.auth.signUp({ email: ana.email, password: 'correct horse' })
  assert.equal(duplicate.error.code, 'user_already_exists')
  const weak = await anon.auth.signUp({ email: `w${unique()}@example.com`, password: 'x' })
  assert.equal(weak.error.code, 'weak_password')
  const token = (await again.auth.getSession()).data.session.access_token
  assert.equal((await again.auth.signOut({ scope: 'local' })).error, null)
  const ended = await anon.auth.getUser(token)
  assert.ok(ended.error)
  const made = ok(await service.auth.admin.createUser({ email: `a${unique()}@example.com`, password: 'correct horse', email_confirm: true }))
  assert.ok(ok(await service.auth.admin.listUsers({ page: 1, perPage: 2 })).users.length === 2)
  ok(await service.auth.admin.deleteUser(made.user.id))
  assert.equal((await ana.client.auth.admin.listUsers()).error.code, 'not_admin')
  done('auth')
}

// ---- rows under policy, changes told -------------------------------------------------------------------------------------
{
  const seen = [], hidden = []
  const listen = (client, into) => new Promise((resolve, reject) => {
    const channel = client.channel(`pets-${unique()}`)
    channel.on('postgres_changes', { event: '*', schema: 'public', table: 'pets' }, change => into.push(change))
      .on('system', {}, message => { if (message.extension === 'postgres_changes') message.status === 'ok' ? resolve(channel) : reject(message) })
      .subscribe((status, error) => { if (error) reject(error) })
  })
  await Promise.all([listen(ana.client, seen), listen(anon, hidden)])
  const pet = ok(await ana.client.from('pets').insert({ name: 'Rex', species: 'dog', price: 12.5, status: 'hidden', tags: ['new'] }).select().single())
  assert.equal(pet.seller_id, ana.user.id)
  await until(() => seen.some(c => c.eventType === 'INSERT' && c.new.id === pet.id), 'the owner sees the insert')
  const foreign = ok(await bob.client.from('pets').update({ price: 1 }).eq('id', pet.id).select())
  assert.deepEqual(foreign, [])
  const given = await ana.client.from('pets').update({ seller_id: bob.user.id }).eq('id', pet.id)
  assert.equal(given.error.code, '42501')
  ok(await ana.client.from('pets').update({ status: 'available' }).eq('id', pet.id))
  await until(() => hidden.some(c => c.new.id === pet.id), 'everyone sees it once it is for sale')
  assert.ok(hidden.every(c => c.new.status !== 'hidden'), 'nobody saw it while it was hidden')
  ok(await ana.client.from('pets').delete().eq('id', pet.id))
  await until(() => hidden.some(c => c.eventType === 'DELETE' && c.old.id === pet.id), 'everyone sees it go')
  assert.deepEqual(Object.keys(hidden.find(c => c.eventType === 'DELETE').old), ['id'])
  done('realtime rows')
}

// ---- broadcast and presence ----------------------------------------------------------------------------------------------
{
  const name = `room-${unique()}`, heard = []
  const join = (client, options) => new Promise((resolve, reject) => {
    const channel = client.channel(name, options).on('broadcast', { event: 'ping' }, message => heard.push(message.payload))
    channel.subscribe((status, error) => status === 'SUBSCRIBED' ? resolve(channel) : error && reject(error))
  })
  const [mine] = [await join(bob.client, { config: { broadcast: { ack: true } } }), await join(ana.client)]
  assert.equal(await mine.send({ type: 'broadcast', event: 'ping', payload: { n: 1 } }), 'ok')
  await until(() => heard.some(m => m.n === 1), 'the other client hears the broadcast')
  const present = await new Promise((resolve, reject) => {
    const channel = bob.client.channel(`p-${name}`, { config: { presence: { key: 'bob' } } })
    channel.on('presence', { event: 'sync' }, () => { if (channel.presenceState().bob) resolve(channel.presenceState()) })
      .subscribe(async (status, error) => { if (error) reject(error); if (status === 'SUBSCRIBED') await channel.track({ at: 'shop' }) })
  })
  assert.equal(present.bob[0].at, 'shop')
  done('broadcast and presence')
}

// ---- storage -------------------------------------------------------------------------------------------------------------
{
  const photos = ana.client.storage.from('photos')
  const path = `${ana.user.id}/rex.png`
  const bytes = new Uint8Array(3000).fill(7)
  ok(await photos.upload(path, new Blob([bytes], { type: 'image/png' }), { cacheControl: '3600', metadata: { made: 'here' } }))
  assert.equal((await photos.upload(path, bytes, { contentType: 'image/png' })).error.statusCode, '409')
  ok(await photos.upload(path, bytes, { contentType: 'image/png', upsert: true }))
  assert.equal((await ok(await photos.download(path)).arrayBuffer()).byteLength, 3000)
  assert.deepEqual(ok(await photos.list(ana.user.id)).map(f => f.name), ['rex.png'])
  const open = await fetch(photos.getPublicUrl(path).data.publicUrl)
  assert.equal((await open.arrayBuffer()).byteLength, 3000)
  const { signedUrl } = ok(await photos.createSignedUrl(path, 60))
  assert.equal((await fetch(signedUrl)).status, 200)
  const foreign = await bob.client.storage.from('photos').upload(`${ana.user.id}/x.png`, bytes, { contentType: 'image/png' })
  assert.equal(foreign.error.statusCode, '403')
  const { data: exists } = await photos.exists(path)
  assert.equal(exists, true)
  assert.equal(ok(await photos.remove([path])).length, 1)
  assert.equal((await service.storage.listBuckets()).data.length, 1)
  done('storage')
}

// ---- functions -----------------------------------------------------------------------------------------------------------
{
  const found = ok(await anon.functions.invoke('search', { body: { q: 'corgi', limit: 3 } }))
  assert.equal(found.length, 3)
  const refused = await anon.functions.invoke('purchase', { body: { lines: [{ pet_id: 5 }], key: 'abcdefgh' } })
  assert.equal(refused.error.name, 'FunctionsHttpError')
  const key = unique()
  const first = ok(await bob.client.functions.invoke('purchase', { body: { lines: [{ pet_id: 9, quantity: 1 }], key } }))
  const again = ok(await bob.client.functions.invoke('purchase', { body: { lines: [{ pet_id: 9, quantity: 1 }], key } }))
  assert.equal(again.id, first.id)
  const mine = ok(await bob.client.from('orders').select('id,total,order_items(pet_id,quantity,pets(name))'))
  assert.equal(mine.length, 1)
  assert.equal(mine[0].order_items[0].pet_id, 9)
  assert.ok(mine[0].order_items[0].pets.name)
  assert.deepEqual(ok(await ana.client.from('orders').select()), [])
  assert.equal((await anon.functions.invoke('nothing')).error.context.status, 404)
  done('functions')
}
process.exit(0)
