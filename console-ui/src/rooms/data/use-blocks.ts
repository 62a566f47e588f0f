/** The rows of a view, in blocks that are read when they come into sight. */
import { useQueries, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Table } from '../../types'
import { BLOCK, fetchBlock, type Row, type View } from './rest'

const MOST_ROWS = 800_000 // browsers cannot scroll an element of more than about 30 million pixels

export interface Blocks {
  /** Rows that match, null until known. */
  total: number | null
  shown: number
  row: (index: number) => Row | undefined
  problem: unknown
  fetching: boolean
  retry: () => void
  /** The rows now in sight, from `first` to `last`. */
  see: (first: number, last: number) => void
}

export function useBlocks(table: Table, view: View): Blocks {
  const [range, setRange] = useState({ first: 0, last: 0 })
  const queries = useQueryClient()
  // The first block is always asked for: it tells the total.
  const wanted = new Set([0])
  for (let block = range.first; block <= range.last; block++) wanted.add(block)
  const numbers = [...wanted]
  const prefix = ['rows', table.schema, table.name, view]
  const results = useQueries({
    queries: numbers.map((block) => ({
      queryKey: [...prefix, block],
      queryFn: ({ signal }: { signal: AbortSignal }) => fetchBlock(table, view, block, signal),
      staleTime: 10_000,
    })),
  })
  const total = results.find((result) => result.data?.total != null)?.data?.total ?? (results[0]?.data ? results[0].data.rows.length : null)
  const held = new Map(numbers.map((block, index) => [block, results[index]?.data?.rows]))
  const problem = results.find((result) => result.error)?.error ?? null
  return {
    total,
    shown: Math.min(total ?? 0, MOST_ROWS),
    row: (index) => held.get(Math.floor(index / BLOCK))?.[index % BLOCK],
    problem,
    fetching: results.some((result) => result.isFetching),
    retry: () => void queries.invalidateQueries({ queryKey: prefix }),
    see: (first, last) => {
      const next = { first: Math.floor(first / BLOCK), last: Math.floor(Math.max(first, last) / BLOCK) }
      if (next.first !== range.first || next.last !== range.last) setRange(next)
    },
  }
}
