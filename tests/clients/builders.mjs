// Every method of the official query builder, unmodified, against a real server. Prints one JSON line at the end; any throw fails.
import { createClient } from '@supabase/supabase-js'
import * as postgrest from '@supabase/postgrest-js'
import assert from 'node:assert/strict'
import ws from 'ws'

const [url, anonKey, serviceKey, database] = process.argv.slice(2)
const options = { auth: { persistSession: false, autoRefreshToken: false }, realtime: globalThis.WebSocket ? {} : { transport: ws } }
const db = createClient(url, serviceKey, options)
const anon = createClient(url, anonKey, options)

// Which methods there are, and which of them were called.
const every = new Set(), called = new Set()
for (let from of [postgrest.PostgrestClient, postgrest.PostgrestQueryBuilder, postgrest.PostgrestFilterBuilder]) {
  for (let proto = from.prototype; proto && proto !== Object.prototype; proto = Object.getPrototypeOf(proto)) {
    for (const name of Object.getOwnPropertyNames(proto)) {
      const method = proto[name]
      if (name === 'constructor' || typeof method !== 'function' || method.counted) continue
      every.add(name)
      proto[name] = function (...given) { called.add(name); return method.apply(this, given) }
      proto[name].counted = true
    }
  }
}
const ok = ({ data, error }) => { if (error) throw Object.assign(new Error(error.message), error); return data }
const books = (columns = 'id') => db.from('books').select(columns).order('id')
const ids = async query => ok(await query).map(row => row.id)
const code = async query => (await query).error.code

// ---- filters
assert.deepEqual(await ids(books().eq('id', 1)), [1])
assert.deepEqual(await ids(books().neq('id', 1)), [2, 3])
assert.deepEqual(await ids(books().gt('id', 1).lt('id', 3)), [2])
assert.deepEqual(await ids(books().gte('id', 2).lte('id', 3)), [2, 3])
assert.deepEqual(await ids(books().like('title', 'C%')), [1])
assert.deepEqual(await ids(books().ilike('title', 'c%')), [1])
assert.deepEqual(await ids(books().likeAllOf('title', ['%a%', '%ts'])), [1, 3])
assert.deepEqual(await ids(books().likeAnyOf('title', ['C%', 'D%'])), [1, 2])
assert.deepEqual(await ids(books().ilikeAllOf('title', ['%A%', '%TS'])), [1, 3])
assert.deepEqual(await ids(books().ilikeAnyOf('title', ['c%', 'd%'])), [1, 2])
assert.deepEqual(await ids(books().regexMatch('title', '^[CD]')), [1, 2])
assert.deepEqual(await ids(books().regexIMatch('title', '^r')), [3])
assert.deepEqual(await ids(books().is('blurb', null)), [3])
assert.deepEqual(await ids(books().is('sold', true)), [2])
assert.deepEqual(await ids(books().isDistinct('price', 20)), [1, 3])
assert.deepEqual(await ids(books().in('title', ['Cats', 'Rats, big (old)'])), [1])
assert.deepEqual(await ids(books().notIn('id', [1, 2])), [3])
assert.deepEqual(await ids(books().contains('tags', ['cat'])), [1])
assert.deepEqual(await ids(books().contains('facts', { in: { de: true } })), [1])
assert.deepEqual(await ids(books().containedBy('tags', ['cat', 'fat', 'dog']).neq('id', 3)), [1, 2])
assert.deepEqual(await ids(books().overlaps('tags', ['fat', 'dog'])), [1, 2])
assert.deepEqual(await ids(books().textSearch('blurb', 'cat & mat')), [1])
assert.deepEqual(await ids(books().textSearch('blurb', 'run', { config: 'english' })), [2])
assert.deepEqual(await ids(books().textSearch('blurb', 'fat cats', { type: 'plain' })), [1])
assert.deepEqual(await ids(books().textSearch('blurb', 'fat cats', { type: 'phrase', config: 'english' })), [1])
assert.deepEqual(await ids(books().textSearch('blurb', '"fat cat" or running -mouse', { type: 'websearch' })), [1, 2])
assert.deepEqual(await ids(books().match({ author_id: 1, sold: false })), [1])
assert.deepEqual(await ids(books().not('blurb', 'is', null)), [1, 2])
assert.deepEqual(await ids(books().or('id.eq.1,and(sold.is.true,price.gt.10)')), [1, 2])
assert.deepEqual(await ids(books().filter('facts->>pages', 'eq', '200')), [2])
assert.deepEqual(await ids(books().gt('facts->pages', 150)), [2])
for (const [method, value, expected] of [['rangeGt', '[1,2)', [2]], ['rangeGte', '[3,5)', [2]], ['rangeLt', '[5,9)', [1]], ['rangeLte', '[1,5)', [1]], ['rangeAdjacent', '[5,9)', [1]]]) {
  if (database === 'postgresql') assert.deepEqual(await ids(db.from('spans').select('id').order('id')[method]('span', value)), expected)
  else assert.equal(await code(books()[method]('id', value)), '42883')
}
// ---- shapes
assert.deepEqual(ok(await books('title,author:authors(name)').eq('id', 3).single()), { title: 'Rats', author: { name: 'Bob' } })
assert.deepEqual(ok(await db.from('authors').select('name,books(title)').order('id').order('id', { referencedTable: 'books', ascending: false }).limit(1, { referencedTable: 'books' })),
  [{ name: 'Ann', books: [{ title: 'Dogs' }] }, { name: 'Bob', books: [{ title: 'Rats' }] }])
assert.deepEqual(ok(await db.from('authors').select('name,books!inner(title)').or('title.eq.Cats,sold.is.true', { referencedTable: 'books' }).range(0, 0, { referencedTable: 'books' })).map(row => row.name), ['Ann'])
assert.deepEqual(ok(await db.from('books').select('...authors(name),count(),total:price.sum()').order('authors(name)')),
  [{ name: 'Ann', count: 2, total: 29.5 }, { name: 'Bob', count: 1, total: null }])
assert.deepEqual(await ids(books().range(1, 2)), [2, 3])
assert.deepEqual(await ids(books().limit(1)), [1])
assert.equal(ok(await books().eq('id', 9).maybeSingle()), null)
assert.equal(await code(books().single()), 'PGRST116')
assert.equal(ok(await books('id,title').csv()), 'id,title\n1,Cats\n2,Dogs\n3,Rats')
assert.deepEqual(ok(await books('id,blurb').eq('id', 3).stripNulls()), [{ id: 3 }])
assert.equal(await code(books().explain()), 'PGRST107')
assert.equal(await code(books().geojson()), 'PGRST107')
assert.deepEqual(await ids(books().eq('id', 1).returns()), [1])
assert.deepEqual(await ids(books().eq('id', 1).overrideTypes()), [1])
assert.deepEqual(await ids(books().eq('id', 1).abortSignal(new AbortController().signal).setHeader('x-trace', '1').retry(false).throwOnError()), [1])
await assert.rejects(async () => await books('nope').throwOnError(), { code: '42703' })
const { count, data } = await db.from('books').select('id', { count: 'exact', head: true })
assert.deepEqual([count, data], [3, null])
assert.equal((await db.from('books').select('id', { count: 'planned' }).limit(1)).error, null)
assert.equal((await db.from('books').select('id', { count: 'estimated' })).count, 3)
assert.equal(await code(db.schema('nowhere').from('books').select()), 'PGRST106')
assert.equal(await code(db.rpc('nothing', { a: 1 })), 'PGRST202')
assert.deepEqual(await ids(anon.from('books').select('id').order('id').textSearch('blurb', 'dogs | cats')), [1])
// ---- writes
const four = { id: 4, author_id: 2, title: 'Mice' }
assert.deepEqual(ok(await db.from('books').insert(four).select('id,tags,sold').single()), { id: 4, tags: [], sold: false })
assert.equal(await code(db.from('books').insert(four)), '23505')
assert.deepEqual(ok(await db.from('books').insert([{ ...four, id: 5, sold: true }, { ...four, id: 6 }], { defaultToNull: false, count: 'exact' }).select('id,sold')), [{ id: 5, sold: true }, { id: 6, sold: false }])
assert.deepEqual(ok(await db.from('books').upsert([{ ...four, title: 'Moles' }, { ...four, id: 7 }]).select('id,title').order('id')), [{ id: 4, title: 'Moles' }, { id: 7, title: 'Mice' }])
assert.deepEqual(ok(await db.from('authors').upsert({ id: 9, name: 'Ann' }, { onConflict: 'name', ignoreDuplicates: true }).select()), [])
assert.deepEqual(ok(await db.from('books').update({ price: 1 }).in('id', [5, 6]).select('id').order('id')), [{ id: 5 }, { id: 6 }])
assert.equal(await code(db.from('books').update({ price: 2 }).in('id', [5, 6]).maxAffected(1)), 'PGRST124')
assert.equal((await db.from('books').delete({ count: 'exact' }).gte('id', 5)).count, 3)
assert.deepEqual(ok(await db.from('books').delete().eq('id', 4).rollback().select('id')), [{ id: 4 }])
assert.deepEqual(await ids(books()), [1, 2, 3, 4])
assert.equal((await anon.from('books').insert({ ...four, id: 8 })).error.code, '42501')
ok(await db.from('books').delete().eq('id', 4))

const unused = [...every].filter(name => !called.has(name))
console.log(JSON.stringify({ methods: every.size, unused }))
process.exit(0)
