/** Words about a state: a fault, a warning, an empty place with the next step, something on its way. */
import type { ReactNode } from 'react'
import { messageOf } from '../api'
import { Button, Spinner } from './button'
import { Icon, type IconName } from './icons'

const TONES = {
  danger: 'border-public/40 bg-public/8 text-public',
  warning: 'border-signed/40 bg-signed/8 text-signed',
  note: 'border-line bg-ground text-muted',
}

export function Notice({ kind = 'note', children }: { kind?: keyof typeof TONES; children: ReactNode }) {
  return (
    <div role={kind === 'danger' ? 'alert' : 'status'} className={`flex gap-2 rounded-md border px-2.5 py-2 text-[13px] ${TONES[kind]}`}>
      <Icon name="alert" className="mt-0.5 size-4" />
      <div className="min-w-0 flex-1 break-words">{children}</div>
    </div>
  )
}

export function Empty({ icon, title, children, action }: { icon: IconName; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex h-full min-h-48 flex-col items-center justify-center gap-2 p-6 text-center">
      <Icon name={icon} className="size-7 text-faint" />
      <div className="font-medium">{title}</div>
      {children && <div className="max-w-md text-[13px] text-muted">{children}</div>}
      {action && <div className="mt-2">{action}</div>}
    </div>
  )
}

export function Failed({ problem, retry }: { problem: unknown; retry?: () => void }) {
  return (
    <Empty icon="alert" title="This could not be loaded" action={retry && <Button icon="refresh" onClick={retry}>Try again</Button>}>
      {messageOf(problem)}
    </Empty>
  )
}

export function Loading() {
  return (
    <div className="flex h-full min-h-40 items-center justify-center text-faint">
      <Spinner />
    </div>
  )
}
