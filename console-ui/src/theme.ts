/** Dark or light: the system's choice until the admin makes one. */
import { useSyncExternalStore } from 'react'

const KEY = 'baaskit-console-theme'
const listeners = new Set<() => void>()
const current = () => (document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light')

export function setTheme(theme: 'dark' | 'light'): void {
  document.documentElement.dataset.theme = theme
  try {
    localStorage.setItem(KEY, theme)
  } catch {
    /* storage may be blocked: the choice lasts for this page */
  }
  listeners.forEach((listener) => listener())
}

export function toggleTheme(): void {
  setTheme(current() === 'dark' ? 'light' : 'dark')
}

export function useTheme(): 'dark' | 'light' {
  return useSyncExternalStore((listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, current)
}
