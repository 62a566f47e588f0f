/** One table: toolbar with filters, the grid, and the drawer of a row. */
import { useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { go, link, usePlace } from '../../router'
import { useMayWrite } from '../../session'
import type { Table } from '../../types'
import { Button } from '../../ui/button'
import { ReachLetters } from '../../ui/reach'
import { FilterBar } from './filter-bar'
import { Grid } from './grid'
import { readView, writeView, type Row, type View } from './rest'
import { RowDrawer } from './row-drawer'
import { tableAddress } from '../../names'
import { useBlocks } from './use-blocks'

type Open = { row: Row | null } | null

export function TableView({ table, tables }: { table: Table; tables: Table[] }) {
  const { query } = usePlace()
  const view = useMemo(() => readView(query), [query])
  const [open, setOpen] = useState<Open>(null)
  const queries = useQueryClient()
  const mayWrite = useMayWrite()
  const blocks = useBlocks(table, view)
  const show = (next: View) => go(`/data/${encodeURIComponent(tableAddress(table))}${writeView(next)}`, true)
  const reload = () => {
    void queries.invalidateQueries({ queryKey: ['rows', table.schema, table.name] })
    void queries.invalidateQueries({ queryKey: ['schema'] })
  }
  const editable = mayWrite && !table.view && table.primary_key.length > 0
  return (
    <div className="flex h-full flex-col">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5 border-b border-line bg-panel px-3 py-2">
        <h1 className="font-mono text-[13px] font-semibold">{tableAddress(table)}</h1>
        <a {...link(`/policies/${encodeURIComponent(tableAddress(table))}`)} title="Who may select, insert, update and delete. Open the policies.">
          <ReachLetters reach={table.reach} />
        </a>
        {table.view && <span className="text-[12px] text-muted">view, read-only</span>}
        {!table.view && !table.primary_key.length && <span className="text-[12px] text-muted">no primary key, rows cannot be changed here</span>}
        <div className="ml-auto flex gap-1.5">
          <Button icon="refresh" kind="ghost" aria-label="Read again" busy={blocks.fetching} onClick={reload} />
          {editable && (
            <Button icon="plus" kind="primary" onClick={() => setOpen({ row: null })}>
              Insert row
            </Button>
          )}
        </div>
        <FilterBar table={table} view={view} onChange={show} />
      </div>
      <div className="min-h-0 flex-1">
        <Grid table={table} view={view} blocks={blocks} onView={show} onOpen={(row) => setOpen({ row })} onInsert={editable ? () => setOpen({ row: null }) : null} />
      </div>
      <RowDrawer
        table={table}
        tables={tables}
        open={open !== null}
        row={open?.row ?? null}
        editable={editable}
        onClose={() => setOpen(null)}
        onChanged={reload}
      />
    </div>
  )
}
