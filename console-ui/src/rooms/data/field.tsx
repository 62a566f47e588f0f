/** One column of a row as a form field, by its type; and the way from what was typed to a value. */
import type { ReactNode } from 'react'
import type { Column } from '../../types'
import { isNumeric } from './rest'

/** What stands in a field: text, or null. A field that was not touched has no draft. */
export type Draft = { text: string } | { isNull: true }

const isJson = (column: Column) => column.family === 'json' || column.array

export function draftOf(column: Column, value: unknown): Draft {
  if (value === null || value === undefined) return { isNull: true }
  if (isJson(column)) return { text: JSON.stringify(value, null, 2) }
  return { text: String(value) }
}

/** The value to send. Numbers beyond what JavaScript holds exactly go as text; the server reads them by the column's type. */
export function parseDraft(column: Column, draft: Draft): { value: unknown } | { fault: string } {
  if ('isNull' in draft) return column.nullable ? { value: null } : { fault: 'This column cannot be null.' }
  const { text } = draft
  if (isJson(column)) {
    try {
      const value: unknown = JSON.parse(text)
      if (column.array && !Array.isArray(value)) return { fault: 'Write a JSON array, such as ["a", "b"].' }
      return { value }
    } catch (problem) {
      return { fault: `Not JSON: ${(problem as Error).message}` }
    }
  }
  if (column.family === 'bool') return { value: text === 'true' }
  if (isNumeric(column)) {
    if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim())) return { fault: 'Not a number.' }
    const number = Number(text)
    return { value: String(number) === text.trim() ? number : text.trim() }
  }
  return { value: text }
}

interface Props {
  column: Column
  isKey: boolean
  isNew: boolean
  draft: Draft | null
  changed: boolean
  fault: string | undefined
  readOnly: boolean
  onChange: (draft: Draft | null) => void
  aside?: ReactNode
}

export function Field({ column, isKey, isNew, draft, changed, fault, readOnly, onChange, aside }: Props) {
  const id = `field-${column.name}`
  const required = isNew && !column.nullable && column.default === null && !column.identity && !column.generated
  return (
    <div>
      <div className="mb-1 flex flex-wrap items-baseline gap-x-2 text-[12px]">
        <label htmlFor={id} className="font-mono font-medium">
          {column.name}
        </label>
        <span className="text-faint">
          {column.type}
          {isKey && ', key'}
          {column.generated && ', generated'}
          {required && ', required'}
        </span>
        {changed && <span className="text-accent">changed</span>}
        <span className="ml-auto flex items-baseline gap-2">
          {aside}
          {changed && (
            <button type="button" className="text-muted underline underline-offset-2 hover:text-ink" onClick={() => onChange(null)}>
              undo
            </button>
          )}
          {column.nullable && !readOnly && (draft ? 'text' in draft : column.default !== null) && (
            <button type="button" className="text-muted underline underline-offset-2 hover:text-ink" onClick={() => onChange({ isNull: true })}>
              set null
            </button>
          )}
        </span>
      </div>
      <Input id={id} column={column} draft={draft} readOnly={readOnly} fault={fault} onChange={onChange} />
      {fault && <div className="mt-1 text-[12px] text-public">{fault}</div>}
      {column.comment && <div className="mt-1 text-[12px] text-muted">{column.comment}</div>}
    </div>
  )
}

function Input({ id, column, draft, readOnly, fault, onChange }: { id: string; column: Column; draft: Draft | null; readOnly: boolean; fault: string | undefined; onChange: (draft: Draft | null) => void }) {
  const text = draft && 'text' in draft ? draft.text : ''
  const untouched = column.identity ? 'given by the database' : column.default !== null ? `default: ${column.default}` : column.nullable ? 'null' : ''
  const placeholder = draft === null ? untouched : 'isNull' in draft ? 'null' : ''
  const shared = { id, disabled: readOnly, 'aria-invalid': fault ? true : undefined, className: 'field font-mono text-[13px]' }
  const options = column.family === 'bool' ? ['true', 'false'] : column.array ? [] : column.labels
  if (options.length)
    return (
      <select {...shared} value={text} onChange={(event) => onChange(event.target.value === '' ? null : { text: event.target.value })}>
        {text === '' && <option value="">{placeholder || 'choose'}</option>}
        {options.map((option) => (
          <option key={option}>{option}</option>
        ))}
      </select>
    )
  const long = isJson(column) || column.family === 'text'
  if (long) {
    const lines = Math.min(12, Math.max(isJson(column) ? 2 : 1, text.split('\n').length + Math.floor(text.length / 60)))
    return <textarea {...shared} rows={lines} spellCheck={false} placeholder={placeholder} value={text} onChange={(event) => onChange({ text: event.target.value })} />
  }
  return <input {...shared} spellCheck={false} autoComplete="off" placeholder={placeholder} value={text} onChange={(event) => onChange({ text: event.target.value })} />
}
