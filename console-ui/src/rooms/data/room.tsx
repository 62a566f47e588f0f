/** Data: the tables at the left, one of them as a grid at the right. */
import { useMemo, useState } from 'react'
import { useSchema } from '../../queries'
import { go, link, usePlace } from '../../router'
import type { Table } from '../../types'
import { Icon } from '../../ui/icons'
import { Empty, Failed, Loading } from '../../ui/notice'
import { ReachLetters } from '../../ui/reach'
import { tableAddress } from '../../names'
import { TableView } from './table-view'

const compact = new Intl.NumberFormat('en', { notation: 'compact' })

export function DataRoom() {
  const { parts } = usePlace()
  const { data, error, refetch } = useSchema()
  const tables = useMemo(() => (data?.tables ?? []).filter((table) => table.exposed), [data])
  if (!data) return error ? <Failed problem={error} retry={refetch} /> : <Loading />
  if (!tables.length)
    return (
      <Empty icon="table" title="There are no tables yet">
        Write one in <span className="font-mono">migrations/0001_first.sql</span> (<span className="font-mono">create table …</span>) and run{' '}
        <span className="font-mono">baaskit migrate</span>.
      </Empty>
    )
  const table = tables.find((one) => tableAddress(one) === parts[1])
  return (
    <div className="flex h-full flex-col md:flex-row">
      <TableList tables={tables} current={parts[1]} />
      <div className="min-h-0 min-w-0 flex-1">
        {table ? (
          <TableView key={tableAddress(table)} table={table} tables={tables} />
        ) : parts[1] ? (
          <Empty icon="table" title={`There is no table “${parts[1]}”`}>It may have been renamed or dropped by a migration.</Empty>
        ) : (
          <Empty icon="table" title="Choose a table">Its rows open here. The letters show who may select, insert, update and delete.</Empty>
        )}
      </div>
    </div>
  )
}

function TableList({ tables, current }: { tables: Table[]; current: string | undefined }) {
  const [text, setText] = useState('')
  const shown = useMemo(() => tables.filter((table) => tableAddress(table).includes(text.toLowerCase())), [tables, text])
  return (
    <>
      <div className="border-b border-line bg-panel p-2 md:hidden">
        <select className="field" aria-label="Table" value={current ?? ''} onChange={(event) => go(`/data/${encodeURIComponent(event.target.value)}`)}>
          {!current && <option value="">Choose a table</option>}
          {tables.map((table) => (
            <option key={tableAddress(table)} value={tableAddress(table)}>
              {tableAddress(table)} ({rowsOf(table)})
            </option>
          ))}
        </select>
      </div>
      <aside className="hidden w-60 shrink-0 flex-col border-r border-line bg-panel md:flex" aria-label="Tables">
        <div className="p-2">
          <input className="field py-1 text-[13px]" placeholder="Find a table" aria-label="Find a table" value={text} onChange={(event) => setText(event.target.value)} />
        </div>
        <div className="min-h-0 flex-1 overflow-auto px-2 pb-2">
          {shown.map((table) => (
            <a
              key={tableAddress(table)}
              {...link(`/data/${encodeURIComponent(tableAddress(table))}`)}
              aria-current={tableAddress(table) === current ? 'page' : undefined}
              className={`flex items-center gap-2 rounded-md px-2 py-1.5 text-[13px] ${tableAddress(table) === current ? 'bg-accent-soft font-medium text-accent' : 'hover:bg-hover'}`}
            >
              <Icon name="table" className="size-3.5 text-faint" />
              <span className="min-w-0 flex-1 truncate">{tableAddress(table)}</span>
              <span className="text-[11px] text-faint">{rowsOf(table)}</span>
              <ReachLetters reach={table.reach} />
            </a>
          ))}
          {!shown.length && <div className="px-2 py-4 text-[13px] text-muted">No table matches.</div>}
        </div>
      </aside>
    </>
  )
}

const rowsOf = (table: Table) => compact.format(table.rows) + (table.rows_capped ? '+' : '')
