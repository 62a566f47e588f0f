/** Users of the app: find, create, ban, delete. */
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useRef, useState, type FormEvent } from 'react'
import { messageOf, service } from '../api'
import { go, usePlace } from '../router'
import { useMayWrite } from '../session'
import type { User } from '../types'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { Empty, Failed, Loading, Notice } from '../ui/notice'
import { Moment } from '../ui/time'
import { toast } from '../ui/toast'
import { UserDrawer } from './user-drawer'

const PAGE = 50
const ROW_PX = 40
const PAUSE_MS = 250

export const isBanned = (user: User) => !!user.banned_until && Date.parse(user.banned_until) > Date.now()

export function UsersRoom() {
  const { query } = usePlace()
  const page = Math.max(1, Number(query.get('page')) || 1)
  const filter = query.get('q') ?? ''
  const chosen = query.get('user')
  const mayWrite = useMayWrite()
  const queries = useQueryClient()
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ['users', page, filter],
    queryFn: async ({ signal }) => {
      const search = new URLSearchParams({ page: String(page), per_page: String(PAGE) })
      if (filter) search.set('filter', filter)
      const response = await service(`/auth/v1/admin/users?${search}`, { signal })
      const { users } = (await response.json()) as { users: User[] }
      return { users, total: Number(response.headers.get('X-Total-Count') ?? users.length) }
    },
    placeholderData: keepPreviousData,
  })
  const address = (change: Record<string, string | null>) => {
    const next = new URLSearchParams(query)
    for (const [key, value] of Object.entries(change)) value === null || value === '' ? next.delete(key) : next.set(key, value)
    return `/users${next.size ? `?${next}` : ''}`
  }
  const changed = () => {
    void queries.invalidateQueries({ queryKey: ['users'] })
    void queries.invalidateQueries({ queryKey: ['overview'] })
  }
  const pages = Math.max(1, Math.ceil((data?.total ?? 0) / PAGE))
  const user = data?.users.find((one) => one.id === chosen)
  return (
    <div className="flex h-full flex-col">
      <div className="flex flex-wrap items-center gap-2 border-b border-line bg-panel px-3 py-2">
        <Search value={filter} onChange={(q) => go(address({ q, page: null }), true)} />
        <Button kind="ghost" icon="refresh" aria-label="Read again" busy={isFetching} onClick={() => void refetch()} />
        {mayWrite && (
          <Button kind="primary" icon="plus" className="ml-auto" onClick={() => go(address({ new: '1' }), true)}>
            Create user
          </Button>
        )}
      </div>
      <div className="min-h-0 flex-1">
        {!data ? (
          error ? <Failed problem={error} retry={refetch} /> : <Loading />
        ) : data.users.length ? (
          <List users={data.users} onOpen={(id) => go(address({ user: id }), true)} />
        ) : filter ? (
          <Empty icon="search" title={`No user matches “${filter}”`} action={<Button onClick={() => go(address({ q: null, page: null }), true)}>Show all</Button>} />
        ) : (
          <Empty icon="users" title="No users yet" action={mayWrite && <Button icon="plus" onClick={() => go(address({ new: '1' }), true)}>Create the first user</Button>}>
            People who sign up in your app appear here.
          </Empty>
        )}
      </div>
      <div className="flex h-11 shrink-0 items-center gap-2 border-t border-line bg-panel px-3 text-[12px] text-muted">
        <span>{(data?.total ?? 0).toLocaleString('en')} users</span>
        <span className="ml-auto">
          page {page} of {pages}
        </span>
        <Button disabled={page <= 1} onClick={() => go(address({ page: String(page - 1) }), true)}>
          Back
        </Button>
        <Button disabled={page >= pages} onClick={() => go(address({ page: String(page + 1) }), true)}>
          Next
        </Button>
      </div>
      <CreateUser open={query.get('new') !== null && mayWrite} onClose={() => go(address({ new: null }), true)} onCreated={changed} />
      <UserDrawer id={chosen} listed={user} onClose={() => go(address({ user: null }), true)} onChanged={changed} />
    </div>
  )
}

function Search({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [text, setText] = useState(value)
  const latest = useRef(onChange)
  latest.current = onChange
  useEffect(() => setText(value), [value])
  useEffect(() => {
    if (text.trim() === value) return
    const timer = setTimeout(() => latest.current(text.trim()), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [text, value])
  return <input type="search" className="field w-auto min-w-0 flex-1 py-1 text-[13px] sm:max-w-72" placeholder="Find by e-mail" aria-label="Find users" value={text} onChange={(event) => setText(event.target.value)} />
}

function List({ users, onOpen }: { users: User[]; onOpen: (id: string) => void }) {
  const box = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({ count: users.length, getScrollElement: () => box.current, estimateSize: () => ROW_PX, overscan: 10 })
  return (
    <div ref={box} className="h-full overflow-auto bg-panel">
      <div role="list" className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const user = users[item.index]!
          return (
            <div role="listitem" key={user.id} className="absolute inset-x-0 border-b border-line/60" style={{ transform: `translateY(${item.start}px)`, height: ROW_PX }}>
              <button type="button" onClick={() => onOpen(user.id)} className="flex h-full w-full items-center gap-3 px-3 text-left text-[13px] hover:bg-hover">
                <span className="flex min-w-0 flex-1 items-center gap-2">
                  <span className="truncate font-medium">{user.email || user.phone || (user.is_anonymous ? 'anonymous' : user.id)}</span>
                  <Badges user={user} />
                </span>
                <span className="hidden w-72 truncate font-mono text-[12px] text-faint md:block">{user.id}</span>
                <span className="hidden w-32 text-[12px] text-muted sm:block">
                  <Moment at={user.created_at} />
                </span>
                <span className="hidden w-36 text-[12px] text-muted lg:block">
                  seen <Moment at={user.last_sign_in_at} />
                </span>
              </button>
            </div>
          )
        })}
      </div>
    </div>
  )
}

export function Badges({ user }: { user: User }) {
  return (
    <span className="flex shrink-0 gap-1 text-[11px] font-medium">
      {isBanned(user) && <span className="rounded border border-public/40 bg-public/10 px-1.5 text-public">banned</span>}
      {user.email && !user.email_confirmed_at && <span className="rounded border border-signed/40 bg-signed/10 px-1.5 text-signed">unconfirmed</span>}
      {user.is_anonymous && <span className="rounded border border-line px-1.5 text-muted">anonymous</span>}
    </span>
  )
}

function CreateUser({ open, onClose, onCreated }: { open: boolean; onClose: () => void; onCreated: () => void }) {
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [confirmed, setConfirmed] = useState(true)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  useEffect(() => {
    if (!open) return
    setEmail('')
    setPassword('')
    setProblem(null)
  }, [open])
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setProblem(null)
    try {
      await service('/auth/v1/admin/users', { method: 'POST', json: { email, password, email_confirm: confirmed } })
      toast(`${email} can sign in now`)
      onCreated()
      onClose()
    } catch (error) {
      setProblem(messageOf(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title="Create user"
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form="create-user" busy={busy}>
            Create
          </Button>
        </>
      }
    >
      <form id="create-user" onSubmit={submit} className="space-y-3">
        {problem && <Notice kind="danger">{problem}</Notice>}
        <label className="block text-[13px] font-medium">
          E-mail
          <input className="field mt-1 font-normal" type="email" required autoFocus autoComplete="off" value={email} onChange={(event) => setEmail(event.target.value)} />
        </label>
        <label className="block text-[13px] font-medium">
          Password
          <input className="field mt-1 font-normal" type="password" required autoComplete="new-password" value={password} onChange={(event) => setPassword(event.target.value)} />
        </label>
        <label className="flex items-center gap-2 text-[13px]">
          <input type="checkbox" className="size-4 accent-(--accent)" checked={confirmed} onChange={(event) => setConfirmed(event.target.checked)} />
          The address is theirs (no confirmation mail)
        </label>
      </form>
    </Dialog>
  )
}
