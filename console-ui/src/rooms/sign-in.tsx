/** Sign-in of admins, and the making of the first one with the link that the server printed. */
import { useEffect, useState, type FormEvent } from 'react'
import { admin, messageOf } from '../api'
import type { Session } from '../types'
import { Button } from '../ui/button'
import { Loading, Notice } from '../ui/notice'

const MIN_LENGTH = 10 // characters, as the server demands

/** The token of `/console/#setup=…`; taken out of the address at once, so that it stays in no history. */
function takeSetupToken(): string | null {
  const found = /^#setup=(.+)$/.exec(location.hash)
  if (!found) return null
  history.replaceState(null, '', location.pathname + location.search)
  return decodeURIComponent(found[1]!)
}

let taken: string | null | undefined

export function SignIn({ onSignedIn }: { onSignedIn: (session: Session) => void }) {
  if (taken === undefined) taken = takeSetupToken()
  const [needed, setNeeded] = useState<boolean | null>(null)
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)

  useEffect(() => {
    admin<{ needed: boolean }>('GET', '/setup').then(
      (answer) => setNeeded(answer.needed),
      (error: unknown) => {
        setNeeded(false)
        setProblem(messageOf(error))
      },
    )
  }, [])

  if (needed === null) return <Loading />
  const settingUp = needed && taken !== null

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (settingUp && password.length < MIN_LENGTH) return setProblem(`The password needs at least ${MIN_LENGTH} characters.`)
    setBusy(true)
    setProblem(null)
    try {
      const session = settingUp
        ? await admin<Session>('POST', '/setup', { setup_token: taken, email, password })
        : await admin<Session>('POST', '/session', { email, password })
      taken = null
      onSignedIn(session)
    } catch (error) {
      setProblem(messageOf(error))
      setBusy(false)
    }
  }

  return (
    <main className="flex min-h-full items-center justify-center p-4">
      <form onSubmit={submit} className="card rise w-full max-w-sm space-y-4 p-6 shadow-sm">
        <div className="flex items-center gap-2.5">
          <img src="/console/icon.svg" alt="" className="size-8" />
          <div>
            <h1 className="text-[16px] leading-tight font-semibold">{settingUp ? 'Create the first admin' : 'Sign in to the console'}</h1>
            <div className="text-[12px] break-all text-muted">{location.host}</div>
          </div>
        </div>
        {needed && taken === null ? (
          <Notice kind="note">
            This project has no admin yet. Open the console with the link that the server printed when it started (it ends in{' '}
            <span className="font-mono">#setup=…</span>), or start the server again to get a new one.
          </Notice>
        ) : (
          <>
            <label className="block text-[13px] font-medium">
              E-mail
              <input className="field mt-1 font-normal" type="email" autoComplete="username" required autoFocus value={email} onChange={(event) => setEmail(event.target.value)} />
            </label>
            <label className="block text-[13px] font-medium">
              Password
              <input
                className="field mt-1 font-normal"
                type="password"
                autoComplete={settingUp ? 'new-password' : 'current-password'}
                required
                value={password}
                onChange={(event) => setPassword(event.target.value)}
              />
              {settingUp && <span className="mt-1 block text-[12px] font-normal text-muted">At least {MIN_LENGTH} characters. This account may change everything.</span>}
            </label>
            {problem && <Notice kind="danger">{problem}</Notice>}
            <Button type="submit" kind="primary" busy={busy} className="w-full">
              {settingUp ? 'Create and sign in' : 'Sign in'}
            </Button>
          </>
        )}
        {needed && taken === null && problem && <Notice kind="danger">{problem}</Notice>}
      </form>
    </main>
  )
}
