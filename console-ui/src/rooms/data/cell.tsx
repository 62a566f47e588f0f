/** One value in the grid, as text only: nothing that is stored is ever read as markup. */
import type { Column } from '../../types'
import { asText } from './rest'

const LONGEST = 240 // characters that are drawn; the drawer shows all

export function Cell({ column, value }: { column: Column; value: unknown }) {
  if (value === null || value === undefined) return <span className="text-faint italic">null</span>
  if (typeof value === 'boolean') return <span className={value ? 'text-owner' : 'text-muted'}>{String(value)}</span>
  if (value === '') return <span className="text-faint italic">empty</span>
  const text = asText(value)
  const shown = column.family === 'timestamptz' || column.family === 'timestamp' ? text.replace('T', ' ').replace(/\.\d+/, '').replace('+00:00', '') : text
  if (column.labels.length) return <span className="truncate rounded bg-hover px-1.5">{shown}</span>
  return <span className="truncate">{shown.length > LONGEST ? `${shown.slice(0, LONGEST)}…` : shown}</span>
}
