/** Dialogs in the middle, drawers at the right, and the confirmation that must be typed. */
import { Dialog as Radix } from 'radix-ui'
import { useEffect, useState, type ReactNode } from 'react'
import { Button } from './button'
import { messageOf } from '../api'
import { Notice } from './notice'

interface Props {
  open: boolean
  onClose: () => void
  title: ReactNode
  description?: ReactNode
  children: ReactNode
  footer?: ReactNode
  wide?: boolean
}

export function Dialog({ open, onClose, title, description, children, footer, wide }: Props) {
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-black/40" />
        <div className="pointer-events-none fixed inset-0 z-50 flex items-start justify-center p-3 pt-[8vh]">
          <Radix.Content
            aria-describedby={undefined}
            className={`rise pointer-events-auto flex max-h-[84vh] w-full flex-col rounded-xl border border-line bg-raised shadow-2xl outline-none ${wide ? 'max-w-4xl' : 'max-w-md'}`}
          >
            <Head title={title} description={description} />
            <div className="min-h-0 flex-1 overflow-auto px-4 pb-4">{children}</div>
            {footer && <div className="flex flex-wrap justify-end gap-2 border-t border-line px-4 py-3">{footer}</div>}
          </Radix.Content>
        </div>
      </Radix.Portal>
    </Radix.Root>
  )
}

export function Drawer({ open, onClose, title, description, children, footer, wide }: Props) {
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-black/25" />
        <Radix.Content
          aria-describedby={undefined}
          className={`slide fixed inset-y-0 right-0 z-50 flex w-full flex-col border-l border-line bg-raised shadow-2xl outline-none ${wide ? 'sm:max-w-3xl' : 'sm:max-w-md'}`}
        >
          <Head title={title} description={description} />
          <div className="min-h-0 flex-1 overflow-auto px-4 pb-4">{children}</div>
          {footer && <div className="flex flex-wrap items-center gap-2 border-t border-line px-4 py-3">{footer}</div>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

function Head({ title, description }: { title: ReactNode; description?: ReactNode }) {
  return (
    <div className="flex items-start gap-3 px-4 pt-3.5 pb-3">
      <div className="min-w-0 flex-1">
        <Radix.Title className="truncate text-[15px] font-semibold">{title}</Radix.Title>
        {description && <div className="mt-0.5 text-[13px] text-muted">{description}</div>}
      </div>
      <Radix.Close asChild>
        <Button kind="ghost" icon="x" aria-label="Close" className="-mt-0.5 -mr-1.5" />
      </Radix.Close>
    </div>
  )
}

interface ConfirmProps {
  open: boolean
  onClose: () => void
  title: string
  /** What will happen, in plain words. */
  consequence: ReactNode
  /** What must be typed before the button works. */
  phrase: string
  action: string
  onConfirm: () => Promise<unknown>
}

/** For what cannot be undone: the admin types `phrase`, so that a slip of the hand does nothing. */
export function ConfirmDialog({ open, onClose, title, consequence, phrase, action, onConfirm }: ConfirmProps) {
  const [typed, setTyped] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  useEffect(() => {
    if (open) {
      setTyped('')
      setProblem(null)
    }
  }, [open])
  const ready = typed.trim() === phrase
  const submit = async () => {
    if (!ready || busy) return
    setBusy(true)
    setProblem(null)
    try {
      await onConfirm()
      onClose()
    } catch (error) {
      setProblem(messageOf(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={title}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="danger" disabled={!ready} busy={busy} onClick={submit}>
            {action}
          </Button>
        </>
      }
    >
      <form
        className="space-y-3"
        onSubmit={(event) => {
          event.preventDefault()
          void submit()
        }}
      >
        <div className="text-muted">{consequence}</div>
        <label className="block text-[13px]">
          Type <span className="font-mono break-all text-ink">{phrase}</span> to confirm
          <input className="field mt-1.5 font-mono" value={typed} onChange={(event) => setTyped(event.target.value)} autoFocus autoComplete="off" spellCheck={false} />
        </label>
        {problem && <Notice kind="danger">{problem}</Notice>}
      </form>
    </Dialog>
  )
}
