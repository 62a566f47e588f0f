/** Where the statements of a policies text stand, and texts to begin a new one from. */
import type { Command, Policy, Table } from '../../types'

const NAME = String.raw`"(?:[^"]|"")+"|[\w$]+`
const STATEMENT = new RegExp(String.raw`create\s+policy\s+(${NAME})\s+on\s+(?:table\s+)?((?:${NAME})(?:\s*\.\s*(?:${NAME}))?)`, 'gi')
const plain = (name: string) => (name.startsWith('"') ? name.slice(1, -1).replace(/""/g, '"') : name.toLowerCase())

/** The line (from 1) on which the policy's statement begins in `text`, which may not be saved yet; null when it is not there. */
export function lineOf(text: string, table: Table, policy: Policy): number | null {
  for (const found of text.matchAll(STATEMENT)) {
    const parts = found[2]!.match(new RegExp(NAME, 'g'))!.map(plain)
    const [schema, name] = parts.length === 2 ? parts : ['public', parts[0]]
    if (plain(found[1]!) === policy.name && schema === table.schema && name === table.name) return text.slice(0, found.index).split('\n').length
  }
  return null
}

const written = (name: string) => (/^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replace(/"/g, '""')}"`)
const tableText = (table: Table) => (table.schema === 'public' ? '' : `${written(table.schema)}.`) + written(table.name)

/** The column that says whose row it is, as far as names and keys tell. */
function ownerColumn(table: Table): string | null {
  const foreign = table.foreign_keys.find((one) => one.target.schema === 'auth' && one.target.name === 'users' && one.columns.length === 1)
  if (foreign) return foreign.columns[0]!
  return table.columns.find((column) => column.type === 'uuid' && /^(owner|user|author|buyer|seller|created_by)(_id)?$/.test(column.name))?.name ?? null
}

export interface Template {
  label: string
  text: string
}

/** Statements to start from, for a table and command. */
export function templates(table: Table, command: Command): Template[] {
  const verb = { select: 'reads', insert: 'adds', update: 'changes', delete: 'deletes' }[command]
  const clause = (condition: string) => (command === 'insert' ? `with check (${condition})` : command === 'update' ? `using (${condition})\n  with check (${condition})` : `using (${condition})`)
  const make = (label: string, name: string, roles: string, condition: string): Template => ({
    label,
    text: `create policy "${name.replace(/"/g, '""')}" on ${tableText(table)} for ${command} to ${roles}\n  ${clause(condition)};`,
  })
  const owner = ownerColumn(table)
  return [
    ...(owner ? [make('Owners only', `an owner ${verb} own ${table.name}`, 'authenticated', `${written(owner)} = auth.uid()`)] : []),
    make('Every signed-in user', `a signed-in user ${verb} ${table.name}`, 'authenticated', 'true'),
    ...(command === 'select' ? [make('Anyone', `anyone ${verb} ${table.name}`, 'anon, authenticated', 'true')] : []),
    ...(owner ? [] : [make('On a condition', `on a condition ${verb} ${table.name}`, 'authenticated', 'auth.uid() is not null')]),
  ]
}
