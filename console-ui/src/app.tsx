/** The console: nobody signed in → sign-in or set-up; otherwise the shell with one room. */
import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useState } from 'react'
import { admin, ApiError, setSession, whenSignedOut } from './api'
import { SessionContext } from './session'
import { Shell } from './shell'
import { SignIn } from './rooms/sign-in'
import type { Session } from './types'
import { Failed, Loading } from './ui/notice'

type State = { kind: 'loading' } | { kind: 'failed'; problem: unknown } | { kind: 'out' } | { kind: 'in'; session: Session }

export function App() {
  const [state, setState] = useState<State>({ kind: 'loading' })
  const queries = useQueryClient()

  const enter = useCallback((session: Session) => {
    setSession(session)
    setState({ kind: 'in', session })
  }, [])

  const leave = useCallback(() => {
    setSession(null)
    queries.clear()
    setState({ kind: 'out' })
  }, [queries])

  const start = useCallback(() => {
    setState({ kind: 'loading' })
    admin<Session>('GET', '/session').then(enter, (problem: unknown) => {
      if (problem instanceof ApiError && problem.status === 401) leave()
      else setState({ kind: 'failed', problem })
    })
  }, [enter, leave])

  useEffect(() => {
    whenSignedOut(leave)
    start()
  }, [start, leave])

  const signOut = useCallback(async () => {
    await admin('DELETE', '/session').catch(() => undefined)
    leave()
  }, [leave])

  if (state.kind === 'loading') return <Loading />
  if (state.kind === 'failed') return <Failed problem={state.problem} retry={start} />
  if (state.kind === 'out') return <SignIn onSignedIn={enter} />
  return (
    <SessionContext.Provider value={state.session}>
      <Shell onSignOut={signOut} />
    </SessionContext.Provider>
  )
}
