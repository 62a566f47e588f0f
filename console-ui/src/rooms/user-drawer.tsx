/** One user: facts, metadata, ban and deletion, the last two only after typing the address. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { service } from '../api'
import { useMayWrite } from '../session'
import type { User } from '../types'
import { Button } from '../ui/button'
import { ConfirmDialog, Drawer } from '../ui/dialog'
import { Failed, Loading, Notice } from '../ui/notice'
import { Moment } from '../ui/time'
import { toast } from '../ui/toast'
import { isBanned } from './users'

const BANS = [
  { label: '24 hours', duration: '24h' },
  { label: '7 days', duration: '168h' },
  { label: '30 days', duration: '720h' },
  { label: 'for good', duration: '876000h' },
]

interface Props {
  id: string | null
  listed: User | undefined
  onClose: () => void
  onChanged: () => void
}

export function UserDrawer({ id, listed, onClose, onChanged }: Props) {
  const mayWrite = useMayWrite()
  const queries = useQueryClient()
  const [asking, setAsking] = useState<'ban' | 'delete' | null>(null)
  const [ban, setBan] = useState(BANS[0]!)
  const { data: user, error } = useQuery({
    queryKey: ['user', id],
    queryFn: async () => (await (await service(`/auth/v1/admin/users/${encodeURIComponent(id!)}`)).json()) as User,
    enabled: id !== null,
    placeholderData: listed,
  })
  const name = user ? user.email || user.phone || user.id : ''
  const write = async (duration: string) => {
    await service(`/auth/v1/admin/users/${encodeURIComponent(user!.id)}`, { method: 'PUT', json: { ban_duration: duration } })
    await queries.invalidateQueries({ queryKey: ['user', id] })
    onChanged()
  }
  const remove = async () => {
    await service(`/auth/v1/admin/users/${encodeURIComponent(user!.id)}`, { method: 'DELETE', json: { should_soft_delete: false } })
    toast(`${name} was deleted`)
    onClose()
    onChanged()
  }
  return (
    <>
      <Drawer
        open={id !== null}
        onClose={onClose}
        title={name || 'User'}
        footer={
          mayWrite &&
          user && (
            <>
              <Button kind="ghost" icon="trash" className="text-public" onClick={() => setAsking('delete')}>
                Delete
              </Button>
              <span className="ml-auto" />
              {isBanned(user) ? (
                <Button onClick={() => void write('none').then(() => toast('The ban was lifted'), (problem: Error) => toast(problem.message, 'failed'))}>Lift the ban</Button>
              ) : (
                <Button icon="ban" onClick={() => setAsking('ban')}>
                  Ban
                </Button>
              )}
            </>
          )
        }
      >
        {error ? <Failed problem={error} /> : user ? <Facts user={user} /> : <Loading />}
      </Drawer>
      {user && (
        <>
          <ConfirmDialog
            open={asking === 'ban'}
            onClose={() => setAsking(null)}
            title="Ban this user?"
            phrase={name}
            action="Ban"
            consequence={
              <>
                They cannot sign in, and their sessions are not renewed. Rows stay.
                <span className="mt-2 flex flex-wrap gap-1.5" role="group" aria-label="How long">
                  {BANS.map((one) => (
                    <button
                      key={one.duration}
                      type="button"
                      aria-pressed={ban === one}
                      onClick={() => setBan(one)}
                      className={`rounded-md border px-2 py-1 text-[13px] ${ban === one ? 'border-accent bg-accent-soft text-accent' : 'border-line hover:bg-hover'}`}
                    >
                      {one.label}
                    </button>
                  ))}
                </span>
              </>
            }
            onConfirm={async () => {
              await write(ban.duration)
              toast(`${name} is banned`)
            }}
          />
          <ConfirmDialog
            open={asking === 'delete'}
            onClose={() => setAsking(null)}
            title="Delete this user?"
            phrase={name}
            action="Delete user"
            consequence="The account and its sessions are gone for good. What happens to rows that refer to it is decided by their foreign keys."
            onConfirm={remove}
          />
        </>
      )}
    </>
  )
}

function Facts({ user }: { user: User }) {
  return (
    <div className="space-y-4">
      {isBanned(user) && (
        <Notice kind="danger">
          Banned until {new Date(user.banned_until!).toISOString().slice(0, 16).replace('T', ' ')} UTC
        </Notice>
      )}
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5 text-[13px]">
        <Fact name="Id">
          <span className="font-mono text-[12px] break-all select-all">{user.id}</span>
        </Fact>
        <Fact name="E-mail">{user.email || <span className="text-faint">none</span>}</Fact>
        {user.phone && <Fact name="Phone">{user.phone}</Fact>}
        <Fact name="Role">{user.role ?? 'authenticated'}</Fact>
        <Fact name="Confirmed">
          <Moment at={user.email_confirmed_at} />
        </Fact>
        <Fact name="Created">
          <Moment at={user.created_at} />
        </Fact>
        <Fact name="Last sign-in">
          <Moment at={user.last_sign_in_at} />
        </Fact>
        <Fact name="Signs in with">{user.identities?.map((identity) => identity.provider).join(', ') || <span className="text-faint">nothing</span>}</Fact>
      </dl>
      <Metadata title="User metadata" note="Users may edit it themselves: never trust it in a policy." value={user.user_metadata} />
      <Metadata title="App metadata" note="Only the service key may write it." value={user.app_metadata} />
    </div>
  )
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </>
  )
}

function Metadata({ title, note, value }: { title: string; note: string; value: Record<string, unknown> }) {
  return (
    <section>
      <h3 className="text-[13px] font-medium">{title}</h3>
      <p className="text-[12px] text-muted">{note}</p>
      <pre className="mt-1 overflow-auto rounded-md border border-line bg-ground p-2 font-mono text-[12px]">{JSON.stringify(value ?? {}, null, 2)}</pre>
    </section>
  )
}
