/** Every table with whom its commands reach, and the policies behind it. */
import { useState } from 'react'
import { go } from '../../router'
import { COMMANDS, type Command, type Policy, type Table } from '../../types'
import { Icon } from '../../ui/icons'
import { REACH, ReachChip, ReachLegend, SHORT } from '../../ui/reach'
import { tableAddress } from '../../names'
import { templates } from './statements'

interface Props {
  tables: Table[]
  current: Table | undefined
  command: Command | null
  mayWrite: boolean
  onJump: (table: Table, policy: Policy) => void
  onAppend: (text: string) => void
}

export const policiesAddress = (table: Table, command: Command | null = null) => `/policies/${encodeURIComponent(tableAddress(table))}${command ? `?command=${command}` : ''}`

export function PolicySide({ tables, current, command, mayWrite, onJump, onAppend }: Props) {
  const [text, setText] = useState('')
  const shown = tables.filter((table) => tableAddress(table).includes(text.toLowerCase()))
  return (
    <div className="flex h-full flex-col">
      <div className="space-y-2 p-2">
        <input className="field py-1 text-[13px]" placeholder="Find a table" aria-label="Find a table" value={text} onChange={(event) => setText(event.target.value)} />
        <ReachLegend />
      </div>
      <div className="min-h-0 flex-1 overflow-auto px-2 pb-2">
        {shown.map((table) => (
          <section key={tableAddress(table)} className={`mb-1 rounded-md ${table === current ? 'bg-ground inset-ring inset-ring-line' : ''}`}>
            <div className="flex items-center gap-2 px-2 py-1.5">
              <button type="button" className="min-w-0 flex-1 truncate text-left text-[13px] font-medium hover:text-accent" onClick={() => go(policiesAddress(table), true)}>
                {tableAddress(table)}
              </button>
              <span className="flex gap-0.5 font-mono text-[11px] font-semibold">
                {COMMANDS.map((one) => (
                  <button
                    key={one}
                    type="button"
                    aria-label={`${tableAddress(table)}, ${one}: ${REACH[table.reach[one]].label}`}
                    title={`${one}: ${REACH[table.reach[one]].meaning}`}
                    aria-pressed={table === current && command === one}
                    onClick={() => {
                      go(policiesAddress(table, one), true)
                      const [first] = policiesOf(table, one)
                      if (first) onJump(table, first)
                    }}
                    className={`rounded border px-1.5 leading-5 ${REACH[table.reach[one]].chip} ${table === current && command === one ? 'outline-2 outline-accent' : ''}`}
                  >
                    {SHORT[one]}
                  </button>
                ))}
              </span>
            </div>
            {table === current && <PolicyList table={table} command={command} mayWrite={mayWrite} onJump={onJump} onAppend={onAppend} />}
          </section>
        ))}
        {!shown.length && <div className="px-2 py-4 text-[13px] text-muted">No table matches.</div>}
      </div>
    </div>
  )
}

const policiesOf = (table: Table, command: Command | null) => table.policies.filter((policy) => !command || policy.command === command || policy.command === 'all')

function PolicyList({ table, command, mayWrite, onJump, onAppend }: { table: Table; command: Command | null; mayWrite: boolean; onJump: Props['onJump']; onAppend: Props['onAppend'] }) {
  const policies = policiesOf(table, command)
  return (
    <div className="space-y-1 px-2 pb-2">
      {command && (
        <div className="flex items-center gap-2 text-[12px] text-muted">
          <span className="font-mono">{command}</span> reaches <ReachChip reach={table.reach[command]} />
        </div>
      )}
      {policies.map((policy) => (
        <button
          key={policy.name}
          type="button"
          onClick={() => onJump(table, policy)}
          className="block w-full rounded-md border border-line bg-panel px-2 py-1.5 text-left text-[12px] hover:border-strong"
        >
          <span className="flex items-start gap-2">
            <span className="min-w-0 flex-1 font-medium break-words">{policy.name}</span>
            <ReachChip reach={policy.reach} />
          </span>
          <span className="text-muted">
            {policy.command} to {policy.roles.join(', ')}
            {!policy.permissive && ', restrictive'}
          </span>
        </button>
      ))}
      {!policies.length && (
        <div className="text-[12px] text-muted">
          No policy {command ? `for ${command}` : 'yet'}: {command ? 'this command is' : 'the table is'} closed to everyone but the service key.
        </div>
      )}
      {mayWrite && !table.view && (
        <div className="flex flex-wrap gap-1 pt-1">
          {templates(table, command ?? 'select').map((template) => (
            <button
              key={template.label}
              type="button"
              onClick={() => onAppend(template.text)}
              title={template.text}
              className="flex items-center gap-1 rounded-md border border-dashed border-strong px-1.5 py-0.5 text-[12px] text-muted hover:bg-hover hover:text-ink"
            >
              <Icon name="plus" className="size-3" /> {template.label}
            </button>
          ))}
        </div>
      )}
    </div>
  )
}
