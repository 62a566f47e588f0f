/** Who is signed in, for every room. */
import { createContext, useContext } from 'react'
import type { Session } from './types'

export const SessionContext = createContext<Session | null>(null)

export function useSession(): Session {
  const session = useContext(SessionContext)
  if (!session) throw new Error('a room was shown without a session')
  return session
}

/** Viewers see everything and change nothing; the server enforces it, the page only says so early. */
export function useMayWrite(): boolean {
  return useSession().admin.role !== 'viewer'
}
