/** What the server says of a text that is being written: its faults, and whom it would reach. */
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { admin } from '../../api'
import type { Fault, LivePolicies, Remark, Table } from '../../types'

const PAUSE_MS = 300 // after the last key

interface Checked {
  faults: Fault[]
  warnings: Fault[]
  /** Reach and policies of the text, when it has no faults. */
  tables: Pick<Table, 'schema' | 'name' | 'reach' | 'policies'>[] | null
}

const NONE: Remark[] = []

function remarks(faults: Fault[], warnings: Fault[]): Remark[] {
  const found = [...faults.map((fault): Remark => ({ ...fault, kind: 'fault' })), ...warnings.map((fault): Remark => ({ ...fault, kind: 'warning' }))]
  return found.length ? found : NONE
}

export function useCheck(text: string, base: LivePolicies, saved: Table[]): { remarks: Remark[]; checking: boolean; tables: Table[] } {
  const [settled, setSettled] = useState(text)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [text])
  const dirty = settled !== base.text
  const { data, isFetching } = useQuery({
    queryKey: ['check', base.version, settled],
    queryFn: () => admin<Checked>('POST', '/policies/check', { text: settled }),
    enabled: dirty,
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    gcTime: 60_000,
  })
  const checking = text !== settled || (dirty && isFetching)
  const found = useMemo(() => (dirty ? remarks(data?.faults ?? [], data?.warnings ?? []) : remarks(base.closed, base.warnings)), [dirty, data, base])
  if (!dirty) return { remarks: found, checking, tables: saved }
  return { remarks: found, checking, tables: merge(saved, data?.tables ?? null) }
}

let merged: { saved: Table[]; drafted: Checked['tables']; result: Table[] } | null = null

/** The saved tables with the reach of the draft; the same array for the same input, so that nothing re-renders in vain. */
function merge(saved: Table[], drafted: Checked['tables']): Table[] {
  if (!drafted) return saved
  if (merged?.saved === saved && merged.drafted === drafted) return merged.result
  const held = new Map(drafted.map((table) => [`${table.schema}.${table.name}`, table]))
  merged = { saved, drafted, result: saved.map((table) => ({ ...table, ...held.get(`${table.schema}.${table.name}`) })) }
  return merged.result
}
