/** The conditions of the grid as chips, and the little form that adds one. */
import { Popover } from 'radix-ui'
import { useState, type FormEvent } from 'react'
import type { Column, Table } from '../../types'
import { Button } from '../../ui/button'
import { Icon } from '../../ui/icons'
import { OPERATORS, type Filter, type Operator, type View } from './rest'

interface Props {
  table: Table
  view: View
  onChange: (view: View) => void
}

export function FilterBar({ table, view, onChange }: Props) {
  const [open, setOpen] = useState(false)
  const remove = (index: number) => onChange({ ...view, filters: view.filters.filter((_, at) => at !== index) })
  const add = (filter: Filter) => {
    onChange({ ...view, filters: [...view.filters, filter] })
    setOpen(false)
  }
  return (
    <div className="flex w-full flex-wrap items-center gap-1.5 text-[12px]">
      {view.filters.map((filter, index) => (
        <span key={index} className="flex items-center gap-1 rounded-md border border-line bg-ground py-0.5 pr-0.5 pl-2 font-mono">
          <span>{filter.column}</span>
          <span className="text-muted">{OPERATORS[filter.operator].label}</span>
          <span className="max-w-48 truncate">{filter.value}</span>
          <button type="button" aria-label={`Remove the filter on ${filter.column}`} onClick={() => remove(index)} className="rounded p-0.5 text-faint hover:bg-hover hover:text-ink">
            <Icon name="x" className="size-3" />
          </button>
        </span>
      ))}
      <Popover.Root open={open} onOpenChange={setOpen}>
        <Popover.Trigger className="flex items-center gap-1 rounded-md border border-dashed border-strong px-2 py-0.5 text-muted hover:bg-hover hover:text-ink">
          <Icon name="filter" className="size-3" /> Filter
        </Popover.Trigger>
        <Popover.Portal>
          <Popover.Content align="start" sideOffset={6} collisionPadding={10} className="rise z-50 w-[min(420px,calc(100vw-20px))] rounded-lg border border-line bg-raised p-3 shadow-xl">
            <FilterForm table={table} onAdd={add} />
          </Popover.Content>
        </Popover.Portal>
      </Popover.Root>
      {view.sort && (
        <span className="flex items-center gap-1 text-muted">
          sorted by <span className="font-mono text-ink">{view.sort.column}</span>
          {view.sort.descending ? 'descending' : 'ascending'}
          <button type="button" aria-label="Remove the order" onClick={() => onChange({ ...view, sort: null })} className="rounded p-0.5 text-faint hover:bg-hover hover:text-ink">
            <Icon name="x" className="size-3" />
          </button>
        </span>
      )}
    </div>
  )
}

function FilterForm({ table, onAdd }: { table: Table; onAdd: (filter: Filter) => void }) {
  const [name, setName] = useState(table.columns[0]!.name)
  const column = table.columns.find((one) => one.name === name)!
  const operators = operatorsOf(column)
  const [chosen, setOperator] = useState<Operator>('eq')
  const operator = operators.includes(chosen) ? chosen : operators[0]!
  const [value, setValue] = useState('')
  const choices = choicesOf(column, operator)
  const filled = choices ? (choices.includes(value) ? value : choices[0]!) : value
  const submit = (event: FormEvent) => {
    event.preventDefault()
    onAdd({ column: name, operator, value: filled })
  }
  return (
    <form onSubmit={submit} className="space-y-2">
      <div className="grid grid-cols-[1fr_auto] gap-2">
        <select className="field font-mono text-[12px]" aria-label="Column" value={name} onChange={(event) => setName(event.target.value)}>
          {table.columns.map((one) => (
            <option key={one.name}>{one.name}</option>
          ))}
        </select>
        <select className="field text-[12px]" aria-label="Condition" value={operator} onChange={(event) => setOperator(event.target.value as Operator)}>
          {operators.map((one) => (
            <option key={one} value={one}>
              {OPERATORS[one].words}
            </option>
          ))}
        </select>
      </div>
      <div className="flex gap-2">
        {choices ? (
          <select className="field font-mono text-[12px]" aria-label="Value" value={filled} onChange={(event) => setValue(event.target.value)}>
            {choices.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        ) : (
          <input className="field font-mono text-[12px]" aria-label="Value" value={value} onChange={(event) => setValue(event.target.value)} autoFocus />
        )}
        <Button type="submit" kind="primary">
          Add
        </Button>
      </div>
    </form>
  )
}

function operatorsOf(column: Column): Operator[] {
  const nullness: Operator[] = column.nullable ? ['is', 'not.is'] : []
  if (column.array || column.family === 'json' || column.family === 'bytea') return nullness.length ? nullness : ['is']
  if (column.family === 'bool') return ['is', ...(column.nullable ? (['not.is'] as const) : [])]
  if (column.labels.length) return ['eq', 'neq', 'in', ...nullness]
  const text: Operator[] = column.family === 'text' ? ['ilike'] : []
  const order: Operator[] = column.family === 'uuid' ? [] : ['gt', 'gte', 'lt', 'lte']
  return ['eq', 'neq', ...text, ...order, 'in', ...nullness]
}

function choicesOf(column: Column, operator: Operator): string[] | null {
  if (operator === 'is') return column.family === 'bool' ? ['true', 'false', ...(column.nullable ? ['null'] : [])] : ['null']
  if (operator === 'not.is') return ['null']
  return column.labels.length && (operator === 'eq' || operator === 'neq') ? column.labels : null
}
