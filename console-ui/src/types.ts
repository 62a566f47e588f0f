/** Shapes of the admin API. */

export type Command = 'select' | 'insert' | 'update' | 'delete'
export const COMMANDS: readonly Command[] = ['select', 'insert', 'update', 'delete']

/** Who a command reaches at most: anyone, anyone signed in, an owner or role by condition, or only the service key. */
export type Reach = 'public' | 'signed-in' | 'owner' | 'nobody'

export interface Admin {
  id: string
  email: string
  role: 'owner' | 'developer' | 'viewer'
}

export interface Session {
  admin: Admin
  token: string
  expires_at: number
  session_expires_at: number
}

export interface Column {
  name: string
  type: string
  family: string
  array: boolean
  labels: string[]
  nullable: boolean
  default: string | null
  generated: boolean
  identity: 'always' | 'by default' | ''
  comment: string
}

export interface ForeignKey {
  name: string
  columns: string[]
  target: { schema: string; name: string }
  target_columns: string[]
}

export interface Policy {
  name: string
  command: Command | 'all'
  roles: string[]
  permissive: boolean
  using: string | null
  check: string | null
  reach: Reach
  line: number | null
}

export interface Table {
  schema: string
  name: string
  /** Whether the data API shows it; files and messages have policies but no place in the grid. */
  exposed: boolean
  view: boolean
  comment: string
  columns: Column[]
  primary_key: string[]
  foreign_keys: ForeignKey[]
  rows: number
  rows_capped: boolean
  captured: boolean
  reach: Record<Command, Reach>
  policies: Policy[]
}

export interface Schema {
  version: number
  tables: Table[]
}

export interface Fault {
  message: string
  line: number
  column: number
  excerpt: string
  hint: string | null
}

/** What the server says of a place in the policies: a fault keeps a text from being saved, a warning does not. */
export interface Remark extends Fault {
  kind: 'fault' | 'warning'
}

export interface LivePolicies {
  text: string
  version: number
  author: string
  note: string
  at: string | null
  closed: Fault[]
  warnings: Fault[]
}

export interface PolicyVersion {
  version: number
  author: string
  note: string
  at: string
  live: boolean
}

export interface Minute {
  at: number
  served: Record<string, number>
  refused: number
  failed: number
}

export interface Overview {
  database: { dialect: string; milliseconds: number }
  url: string
  users: number
  tables: number
  policies: { version: number; count: number; closed: number }
  attention: { level: 'danger' | 'warning' | 'note'; title: string; consequence: string; table: string | null; fix: string }[]
  traffic: { uptime_seconds: number; total: number; minutes: Minute[] }
}

export interface AuditEntry {
  at: string
  actor: string
  action: string
  target: string
  details: Record<string, unknown>
}

export interface User {
  id: string
  email?: string
  phone?: string
  role?: string
  created_at: string
  last_sign_in_at?: string
  email_confirmed_at?: string
  banned_until?: string
  is_anonymous?: boolean
  app_metadata: Record<string, unknown>
  user_metadata: Record<string, unknown>
  identities?: { provider: string; created_at: string }[]
}
