/** Before a text goes live: what changes in it, and for which tables more or fewer people may do something. */
import { useEffect, useState } from 'react'
import { admin, ApiError, messageOf } from '../../api'
import { usePoliciesChanged } from '../../queries'
import { COMMANDS, type Command, type Fault, type LivePolicies, type Reach, type Remark, type Table } from '../../types'
import { Button } from '../../ui/button'
import { Dialog } from '../../ui/dialog'
import { Icon } from '../../ui/icons'
import { Notice } from '../../ui/notice'
import { ReachChip } from '../../ui/reach'
import { toast } from '../../ui/toast'
import { tableAddress } from '../../names'
import { Diff } from './diff'
import { RemarkList } from './problems'

interface Props {
  open: boolean
  onClose: () => void
  base: LivePolicies
  text: string
  before: Table[]
  after: Table[]
  remarks: Remark[]
  checking: boolean
  onSaved: (next: LivePolicies) => void
}

export function Review({ open, onClose, base, text, before, after, remarks, checking, onSaved }: Props) {
  const [note, setNote] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const [refused, setRefused] = useState<Remark[]>([])
  const changed = usePoliciesChanged()
  useEffect(() => {
    if (open) {
      setNote('')
      setProblem(null)
      setRefused([])
    }
  }, [open])
  const faults = refused.length ? refused : remarks.filter((remark) => remark.kind === 'fault')
  const warnings = remarks.filter((remark) => remark.kind === 'warning')

  const publish = async () => {
    if (busy || faults.length) return
    setBusy(true)
    setProblem(null)
    try {
      const next = await admin<LivePolicies>('PUT', '/policies', { text, note, base_version: base.version })
      onSaved(next)
      toast(`Version ${next.version} is live`)
      await changed()
    } catch (error) {
      if (error instanceof ApiError && error.status === 422) setRefused(((error.details as { faults?: Fault[] } | null)?.faults ?? []).map((fault) => ({ ...fault, kind: 'fault' })))
      if (error instanceof ApiError && error.status === 409) await changed()
      setProblem(messageOf(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog
      open={open}
      onClose={onClose}
      wide
      title="Review and save"
      description={`Becomes version ${base.version + 1}, live from the next request on.`}
      footer={
        <>
          <Button onClick={onClose}>Back to the editor</Button>
          <Button kind="primary" busy={busy} disabled={faults.length > 0 || checking} onClick={publish}>
            Save and make live
          </Button>
        </>
      }
    >
      <div
        className="space-y-4"
        onKeyDown={(event) => {
          if ((event.metaKey || event.ctrlKey) && (event.key === 's' || event.key === 'Enter')) {
            event.preventDefault()
            event.stopPropagation()
            void publish()
          }
        }}
      >
        <label className="block text-[13px] font-medium">
          Note <span className="font-normal text-muted">(why; shown in the history)</span>
          <input className="field mt-1 font-normal" value={note} maxLength={500} onChange={(event) => setNote(event.target.value)} onKeyDown={(event) => event.key === 'Enter' && void publish()} autoFocus />
        </label>
        {problem && <Notice kind="danger">{problem}</Notice>}
        {faults.length > 0 && (
          <section className="rounded-md border border-public/40">
            <h3 className="border-b border-line px-3 py-2 text-[13px] font-medium text-public">Not saved while it has faults</h3>
            <RemarkList remarks={faults} />
          </section>
        )}
        {warnings.length > 0 && (
          <section className="rounded-md border border-signed/40">
            <h3 className="border-b border-line px-3 py-2 text-[13px] font-medium text-signed">Probably not meant</h3>
            <RemarkList remarks={warnings} />
          </section>
        )}
        {!faults.length && <ReachChanges before={before} after={after} />}
        <Diff before={base.text} after={text} />
      </div>
    </Dialog>
  )
}

const WIDTH: Record<Reach, number> = { nobody: 0, owner: 1, 'signed-in': 2, public: 3 }

interface Change {
  table: Table
  command: Command
  from: Reach
  to: Reach
}

function ReachChanges({ before, after }: { before: Table[]; after: Table[] }) {
  const held = new Map(before.map((table) => [tableAddress(table), table]))
  const changes = after.flatMap((table): Change[] =>
    COMMANDS.flatMap((command) => {
      const from = held.get(tableAddress(table))?.reach[command] ?? 'nobody'
      return from === table.reach[command] ? [] : [{ table, command, from, to: table.reach[command] }]
    }),
  )
  if (!changes.length) return <div className="text-[13px] text-muted">Every command reaches the same kind of people as before.</div>
  return (
    <ul className="divide-y divide-line rounded-md border border-line text-[13px]">
      {changes.map(({ table, command, from, to }) => (
        <li key={tableAddress(table) + command} className="flex flex-wrap items-center gap-2 px-3 py-1.5">
          <span className="font-mono">
            {command} {tableAddress(table)}
          </span>
          <span className="ml-auto flex items-center gap-1.5">
            <ReachChip reach={from} />
            <Icon name="right" className="size-3 text-faint" />
            <ReachChip reach={to} />
            <span className={`w-16 text-[12px] ${WIDTH[to] > WIDTH[from] ? 'text-public' : 'text-owner'}`}>{WIDTH[to] > WIDTH[from] ? 'opens' : 'narrows'}</span>
          </span>
        </li>
      ))}
    </ul>
  )
}
