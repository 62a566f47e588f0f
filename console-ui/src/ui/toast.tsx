/** Short words about what just happened, at the bottom of the page. */
import { useSyncExternalStore } from 'react'
import { Icon } from './icons'

interface Toast {
  id: number
  text: string
  kind: 'done' | 'failed'
}

const SHOWN_MS = { done: 3500, failed: 8000 }
let toasts: Toast[] = []
let last = 0
const listeners = new Set<() => void>()
const set = (next: Toast[]) => {
  toasts = next
  listeners.forEach((listener) => listener())
}

export function toast(text: string, kind: Toast['kind'] = 'done'): void {
  const id = ++last
  set([...toasts.slice(-2), { id, text, kind }])
  setTimeout(() => set(toasts.filter((shown) => shown.id !== id)), SHOWN_MS[kind])
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => toasts,
  )
  return (
    <div className="pointer-events-none fixed inset-x-0 bottom-16 z-[60] flex flex-col items-center gap-2 px-3 sm:bottom-5" aria-live="polite">
      {shown.map((one) => (
        <div key={one.id} className="rise flex max-w-md items-center gap-2 rounded-lg border border-line bg-raised px-3 py-2 text-[13px] shadow-lg">
          <Icon name={one.kind === 'done' ? 'check' : 'alert'} className={`size-4 ${one.kind === 'done' ? 'text-owner' : 'text-public'}`} />
          <span className="break-words">{one.text}</span>
        </div>
      ))}
    </div>
  )
}
