/** Addresses under /console: a path and a query, in the browser's history. */
import { useMemo, useSyncExternalStore } from 'react'

const BASE = '/console'
const listeners = new Set<() => void>()
let guard: (() => string | null) | null = null

const notify = () => listeners.forEach((listener) => listener())
window.addEventListener('popstate', notify)

export interface Place {
  /** Parts of the path after /console: `['data', 'pets']`. */
  parts: string[]
  query: URLSearchParams
}

export function usePlace(): Place {
  const address = useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => location.pathname + location.search,
  )
  return useMemo(() => {
    const url = new URL(address, location.origin)
    const parts = url.pathname.slice(BASE.length).split('/').filter(Boolean).map(decodeURIComponent)
    return { parts, query: url.searchParams }
  }, [address])
}

/** Go to `path` (`/data/pets?sort=name`); `replace` leaves no step behind. Asks first when unsaved work would be left. */
export function go(path: string, replace = false): void {
  const address = BASE + path
  const leaves = new URL(address, location.origin).pathname !== location.pathname
  const question = leaves ? guard?.() : null
  if (question && !confirm(question)) return
  history[replace ? 'replaceState' : 'pushState'](null, '', address)
  notify()
}

/** While set, leaving asks the question that `ask` returns (null: leave freely). */
export function setLeaveGuard(ask: (() => string | null) | null): void {
  guard = ask
}

window.addEventListener('beforeunload', (event) => {
  if (guard?.()) event.preventDefault()
})

/** Properties of a link that stays in the page, and still opens in a new tab when asked to. */
export function link(path: string): { href: string; onClick: (event: React.MouseEvent) => void } {
  return {
    href: BASE + path,
    onClick: (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return
      event.preventDefault()
      go(path)
    },
  }
}
