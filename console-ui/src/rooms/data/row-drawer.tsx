/** One row in full: look at it, change it, delete it, or write a new one. ⌘S saves. */
import { useEffect, useMemo, useState } from 'react'
import { messageOf } from '../../api'
import { link } from '../../router'
import type { Table } from '../../types'
import { Button } from '../../ui/button'
import { ConfirmDialog, Drawer } from '../../ui/dialog'
import { Notice } from '../../ui/notice'
import { toast } from '../../ui/toast'
import { draftOf, Field, parseDraft, type Draft } from './field'
import { asText, deleteRow, insertRow, updateRow, writeView, type Row } from './rest'
import { tableAddress } from '../../names'

interface Props {
  table: Table
  tables: Table[]
  open: boolean
  /** The row to show; null for a new one. */
  row: Row | null
  editable: boolean
  onClose: () => void
  onChanged: () => void
}

export function RowDrawer({ table, tables, open, row, editable, onClose, onChanged }: Props) {
  const [drafts, setDrafts] = useState<Record<string, Draft>>({})
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const [deleting, setDeleting] = useState(false)
  useEffect(() => {
    setDrafts({})
    setProblem(null)
  }, [row, open])

  const faults = useMemo(() => {
    const found: Record<string, string> = {}
    for (const column of table.columns) {
      const draft = drafts[column.name]
      const parsed = draft && parseDraft(column, draft)
      if (parsed && 'fault' in parsed) found[column.name] = parsed.fault
    }
    return found
  }, [drafts, table.columns])
  const changed = Object.keys(drafts).length

  const save = async () => {
    if (busy || !editable || (row && !changed) || Object.keys(faults).length) return
    const values: Row = {}
    for (const column of table.columns) {
      const draft = drafts[column.name]
      const parsed = draft && parseDraft(column, draft)
      if (parsed && 'value' in parsed) values[column.name] = parsed.value
    }
    setBusy(true)
    setProblem(null)
    try {
      await (row ? updateRow(table, row, values) : insertRow(table, values))
      toast(row ? 'Row saved' : 'Row inserted')
      onChanged()
      onClose()
    } catch (error) {
      setProblem(messageOf(error))
    } finally {
      setBusy(false)
    }
  }

  const close = () => {
    if (changed && !confirm('Close without saving what you changed?')) return
    onClose()
  }
  const onKey = (event: React.KeyboardEvent) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 's') {
      event.preventDefault()
      void save()
    }
  }
  const key = row ? table.primary_key.map((column) => asText(row[column])).join(', ') : ''
  return (
    <>
      <Drawer
        open={open}
        onClose={close}
        title={row ? <span className="font-mono">{key || 'Row'}</span> : `New row in ${table.name}`}
        description={row ? tableAddress(table) : 'Fields left alone take their defaults.'}
        footer={
          editable && (
            <>
              {row && (
                <Button kind="ghost" icon="trash" className="text-public" onClick={() => setDeleting(true)}>
                  Delete
                </Button>
              )}
              <span className="ml-auto text-[12px] text-muted">{row && changed ? `${changed} changed` : ''}</span>
              <Button onClick={close}>Cancel</Button>
              <Button kind="primary" busy={busy} disabled={(row !== null && !changed) || Object.keys(faults).length > 0} onClick={save}>
                {row ? 'Save' : 'Insert'}
              </Button>
            </>
          )
        }
      >
        <div className="space-y-3" onKeyDown={onKey}>
          {problem && <Notice kind="danger">{problem}</Notice>}
          {table.columns.map((column) => (
            <Field
              key={column.name}
              column={column}
              isKey={table.primary_key.includes(column.name)}
              isNew={row === null}
              draft={drafts[column.name] ?? (row ? draftOf(column, row[column.name]) : null)}
              changed={column.name in drafts}
              fault={faults[column.name]}
              readOnly={!editable || column.generated || column.identity === 'always'}
              onChange={(draft) => {
                setDrafts((held) => {
                  const { [column.name]: _, ...rest } = held
                  const same = draft === null || (row && JSON.stringify(draft) === JSON.stringify(draftOf(column, row[column.name])))
                  return same ? rest : { ...rest, [column.name]: draft }
                })
              }}
              aside={row && <Reference table={table} tables={tables} column={column.name} row={row} />}
            />
          ))}
        </div>
      </Drawer>
      <ConfirmDialog
        open={deleting}
        onClose={() => setDeleting(false)}
        title={`Delete a row of ${table.name}?`}
        consequence={
          <>
            The row <span className="font-mono break-all text-ink">{key}</span> is removed for good, and with it what its foreign keys say goes along.
          </>
        }
        phrase="delete"
        action="Delete row"
        onConfirm={async () => {
          await deleteRow(table, row!)
          toast('Row deleted')
          onChanged()
          onClose()
        }}
      />
    </>
  )
}

/** Where a foreign key points: the row in its own table. */
function Reference({ table, tables, column, row }: { table: Table; tables: Table[]; column: string; row: Row }) {
  const foreign = table.foreign_keys.find((one) => one.columns.length === 1 && one.columns[0] === column)
  const target = foreign && tables.find((one) => one.schema === foreign.target.schema && one.name === foreign.target.name)
  if (!foreign || !target || row[column] === null) return null
  const view = { filters: [{ column: foreign.target_columns[0]!, operator: 'eq' as const, value: asText(row[column]) }], sort: null }
  return (
    <a className="text-[12px] text-accent underline underline-offset-2" {...link(`/data/${encodeURIComponent(tableAddress(target))}${writeView(view)}`)}>
      open in {tableAddress(target)}
    </a>
  )
}
