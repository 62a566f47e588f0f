/** How a table is called in addresses and lists: without its schema when that is public. */
import type { Table } from './types'

export const tableAddress = (table: Table) => (table.schema === 'public' ? table.name : `${table.schema}.${table.name}`)
