/**
 * Calls of the admin API (cookie) and, with a short-lived token, of the data and auth APIs.
 * The token lives in this module's memory only, and is renewed from the cookie before it ends.
 */
import type { Session } from './types'

const RENEW_BEFORE_SECONDS = 45

export class ApiError extends Error {
  status: number
  code: string
  details: unknown
  hint: string | null

  constructor(status: number, body: Record<string, unknown>) {
    super(String(body.message ?? body.msg ?? body.error_description ?? `The server answered ${status}.`))
    this.status = status
    this.code = String(body.error_code ?? body.code ?? '')
    this.details = body.details ?? null
    this.hint = typeof body.hint === 'string' ? body.hint : null
  }
}

let session: Session | null = null
let renewal: Promise<Session> | null = null
let onSignedOut: () => void = () => {}

export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener
}

export function setSession(next: Session | null): void {
  session = next
}

/** One call of the admin API; the answer's JSON, undefined for 204. Raises ApiError. */
export async function admin<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await send(`/admin/v1${path}`, {
    method,
    headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: 'same-origin',
  })
  if (response.status === 401 && session) {
    session = null
    onSignedOut()
  }
  await refuse(response)
  return (response.status === 204 ? undefined : await response.json()) as T
}

/** One call of another API of the project, as its service role. Raises ApiError. */
export async function service(path: string, init: RequestInit & { json?: unknown } = {}): Promise<Response> {
  let response = await withToken(path, init)
  if (response.status === 401) {
    await renew()
    response = await withToken(path, init)
  }
  await refuse(response)
  return response
}

async function withToken(path: string, { json, ...init }: RequestInit & { json?: unknown }): Promise<Response> {
  const now = Date.now() / 1000
  const { token } = session && session.expires_at - RENEW_BEFORE_SECONDS > now ? session : await renew()
  const headers = new Headers(init.headers)
  headers.set('Authorization', `Bearer ${token}`)
  headers.set('apikey', token)
  if (json !== undefined) headers.set('Content-Type', 'application/json')
  return send(path, { ...init, headers, body: json === undefined ? init.body : JSON.stringify(json), credentials: 'omit' })
}

function renew(): Promise<Session> {
  renewal ??= admin<Session>('GET', '/session')
    .then((next) => (session = next))
    .finally(() => (renewal = null))
  return renewal
}

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, init)
  } catch (problem) {
    if (problem instanceof DOMException && problem.name === 'AbortError') throw problem
    throw new ApiError(0, { message: 'The server cannot be reached.', hint: 'Is it still running?' })
  }
}

async function refuse(response: Response): Promise<void> {
  if (response.ok) return
  const body = await response.json().catch(() => ({}))
  // FastAPI's own validation answers {detail: [{msg, loc}]}.
  if (Array.isArray(body?.detail)) throw new ApiError(response.status, { message: body.detail.map((d: { msg: string }) => d.msg).join('; ') })
  throw new ApiError(response.status, typeof body === 'object' && body ? body : {})
}

export function messageOf(problem: unknown): string {
  if (problem instanceof ApiError) return problem.hint ? `${problem.message} ${problem.hint}` : problem.message
  return problem instanceof Error ? problem.message : String(problem)
}
