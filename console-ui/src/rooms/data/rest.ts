/** Rows through the data API: filters, order, blocks of a page, and writes by primary key. */
import { ApiError, service } from '../../api'
import type { Column, Table } from '../../types'

export type Row = Record<string, unknown>

export const OPERATORS = {
  eq: { label: '=', words: 'equals' },
  neq: { label: '≠', words: 'is not' },
  gt: { label: '>', words: 'is greater than' },
  gte: { label: '≥', words: 'is at least' },
  lt: { label: '<', words: 'is less than' },
  lte: { label: '≤', words: 'is at most' },
  ilike: { label: 'contains', words: 'contains' },
  in: { label: 'one of', words: 'is one of (comma-separated)' },
  is: { label: 'is', words: 'is null, true or false' },
  'not.is': { label: 'is not', words: 'is not null' },
} as const

export type Operator = keyof typeof OPERATORS

export interface Filter {
  column: string
  operator: Operator
  value: string
}

/** What the grid shows of a table; kept in the address so that it can be shared and gone back to. */
export interface View {
  filters: Filter[]
  sort: { column: string; descending: boolean } | null
}

export const BLOCK = 100 // rows that are asked for at a time

export function readView(query: URLSearchParams): View {
  const filters = query.getAll('where').flatMap((text): Filter[] => {
    const [column, operator, value] = JSON.parse(safeJson(text)) as [string?, string?, string?]
    return column && operator && operator in OPERATORS ? [{ column, operator: operator as Operator, value: String(value ?? '') }] : []
  })
  const [column, direction] = JSON.parse(safeJson(query.get('sort') ?? '')) as [string?, string?]
  return { filters, sort: column ? { column, descending: direction === 'desc' } : null }
}

function safeJson(text: string): string {
  try {
    return Array.isArray(JSON.parse(text)) ? text : '[]'
  } catch {
    return '[]'
  }
}

export function writeView(view: View): string {
  const query = new URLSearchParams()
  for (const { column, operator, value } of view.filters) query.append('where', JSON.stringify([column, operator, value]))
  if (view.sort) query.set('sort', JSON.stringify([view.sort.column, view.sort.descending ? 'desc' : 'asc']))
  const text = query.toString()
  return text ? `?${text}` : ''
}

const quoted = (value: string) => `"${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"')}"`

/** A column as the data API reads it: quoted when its name would otherwise be taken apart. */
const named = (column: string) => (/^[A-Za-z_][\w$]*$/.test(column) ? column : quoted(column))

function condition({ operator, value }: Filter): string {
  if (operator === 'ilike') return `ilike.*${value}*`
  if (operator === 'in') return `in.(${value.split(',').map((one) => quoted(one.trim())).join(',')})`
  return `${operator}.${value}`
}

const address = (table: Table, query: URLSearchParams) => `/rest/v1/${encodeURIComponent(table.name)}?${query}`
const profile = (table: Table): Record<string, string> => (table.schema === 'public' ? {} : { 'Accept-Profile': table.schema, 'Content-Profile': table.schema })

export async function fetchBlock(table: Table, view: View, block: number, signal: AbortSignal): Promise<{ rows: Row[]; total: number | null }> {
  const query = new URLSearchParams({ select: '*', limit: String(BLOCK), offset: String(block * BLOCK) })
  for (const filter of view.filters) query.append(named(filter.column), condition(filter))
  // The key breaks ties, so that a row is on one page only.
  const order = table.primary_key.filter((column) => column !== view.sort?.column).map((column) => `${named(column)}.asc`)
  if (view.sort) order.unshift(`${named(view.sort.column)}.${view.sort.descending ? 'desc' : 'asc'}`)
  if (order.length) query.set('order', order.join(','))
  try {
    const headers = { ...profile(table), Prefer: 'count=exact' }
    const response = await service(address(table, query), { headers, signal })
    const total = Number(response.headers.get('Content-Range')?.split('/')[1])
    return { rows: parseRows(await response.text(), table), total: Number.isFinite(total) ? total : null }
  } catch (problem) {
    if (problem instanceof ApiError && problem.status === 416) return { rows: [], total: null } // rows went away meanwhile
    throw problem
  }
}

/** Rows with every digit: a number that JavaScript cannot hold stays the text it was sent as. */
function parseRows(text: string, table: Table): Row[] {
  const numbers = new Set(table.columns.filter(isNumeric).map((column) => column.name))
  const exact = (name: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && numbers.has(name) && context?.source && context.source.length > 15 && String(value) !== context.source ? context.source : value
  return JSON.parse(text, exact) as Row[]
}

/** Which rows a write means: the whole primary key, as it was read. */
function keyQuery(table: Table, row: Row): URLSearchParams {
  const query = new URLSearchParams()
  for (const column of table.primary_key) query.append(named(column), row[column] === null ? 'is.null' : `eq.${String(row[column])}`)
  return query
}

export async function insertRow(table: Table, values: Row): Promise<Row> {
  const response = await service(address(table, new URLSearchParams()), {
    method: 'POST',
    headers: { ...profile(table), Prefer: 'return=representation' },
    json: values,
  })
  return ((await response.json()) as Row[])[0]!
}

export async function updateRow(table: Table, row: Row, values: Row): Promise<Row> {
  const response = await service(address(table, keyQuery(table, row)), {
    method: 'PATCH',
    headers: { ...profile(table), Prefer: 'return=representation' },
    json: values,
  })
  const [stored] = (await response.json()) as Row[]
  if (!stored) throw new ApiError(404, { message: 'This row does not exist any more.', hint: 'Someone deleted it or changed its key.' })
  return stored
}

export async function deleteRow(table: Table, row: Row): Promise<void> {
  const response = await service(address(table, keyQuery(table, row)), {
    method: 'DELETE',
    headers: { ...profile(table), Prefer: 'return=representation' },
  })
  if (!((await response.json()) as Row[]).length) throw new ApiError(404, { message: 'This row does not exist any more.' })
}

/** A value as one line of text, for cells and for the clipboard. */
export function asText(value: unknown): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

export const isNumeric = (column: Column) => !column.array && ['int', 'float', 'numeric'].includes(column.family)
