/** Buttons: primary once per view, danger for what cannot be undone, plain for the rest. */
import type { ButtonHTMLAttributes, ReactNode } from 'react'
import { Icon, type IconName } from './icons'

const KINDS = {
  primary: 'bg-accent text-accent-ink border-transparent hover:opacity-90',
  danger: 'bg-public text-white dark:text-black border-transparent hover:opacity-90',
  plain: 'bg-panel text-ink border-line hover:bg-hover',
  ghost: 'bg-transparent text-muted border-transparent hover:bg-hover hover:text-ink',
}

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: keyof typeof KINDS
  icon?: IconName
  busy?: boolean
  children?: ReactNode
}

export function Button({ kind = 'plain', icon, busy, children, className = '', disabled, ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      className={`inline-flex h-8 items-center justify-center gap-1.5 rounded-md border px-2.5 text-[13px] font-medium whitespace-nowrap transition-colors disabled:cursor-not-allowed disabled:opacity-50 ${children ? '' : 'w-8 px-0'} ${KINDS[kind]} ${className}`}
    >
      {busy ? <Spinner /> : icon && <Icon name={icon} />}
      {children}
    </button>
  )
}

export function Spinner() {
  return <span className="size-3.5 animate-spin rounded-full border-2 border-current border-r-transparent" role="status" aria-label="Working" />
}
