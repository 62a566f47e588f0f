/** The faults of the text, each with its line and a caret under the place; a click goes there. */
import type { Fault } from '../../types'
import { Spinner } from '../../ui/button'
import { Icon } from '../../ui/icons'

interface Props {
  faults: Fault[]
  checking: boolean
  dirty: boolean
  onJump?: (fault: Fault) => void
}

export function Problems({ faults, checking, dirty, onJump }: Props) {
  if (!faults.length)
    return (
      <div className="flex h-8 shrink-0 items-center gap-2 border-t border-line bg-panel px-3 text-[12px] text-muted" role="status">
        {checking ? <Spinner /> : <Icon name="check" className="size-3.5 text-owner" />}
        {checking ? 'Checking' : dirty ? 'No faults. Save to make it live.' : 'No faults.'}
      </div>
    )
  return (
    <div className="max-h-[40%] shrink-0 overflow-auto border-t border-line bg-panel" role="status" aria-label="Faults">
      <div className="sticky top-0 flex items-center gap-2 border-b border-line bg-panel px-3 py-1.5 text-[12px] font-medium text-public">
        <Icon name="alert" className="size-3.5" />
        {faults.length === 1 ? 'One fault' : `${faults.length} faults`}
        {checking && <Spinner />}
      </div>
      <FaultList faults={faults} onJump={onJump} />
    </div>
  )
}

export function FaultList({ faults, onJump }: { faults: Fault[]; onJump?: (fault: Fault) => void }) {
  return (
    <ul className="divide-y divide-line">
      {faults.map((fault, index) => (
        <li key={index}>
          <button type="button" disabled={!onJump} onClick={() => onJump?.(fault)} className="block w-full px-3 py-2 text-left enabled:hover:bg-hover">
            <span className="flex gap-2 text-[13px]">
              <span className="shrink-0 font-mono text-faint">
                {fault.line}:{fault.column}
              </span>
              <span className="min-w-0 break-words">
                {fault.message}
                {fault.hint && <span className="text-muted"> {fault.hint}</span>}
              </span>
            </span>
            {fault.excerpt && <Caret fault={fault} />}
          </button>
        </li>
      ))}
    </ul>
  )
}

const WIDTH = 72 // characters of the line that are shown around the place

function Caret({ fault }: { fault: Fault }) {
  const start = Math.max(0, fault.column - 1 - WIDTH / 2)
  const shown = fault.excerpt.slice(start, start + WIDTH)
  return (
    <pre className="mt-1 overflow-x-auto rounded border border-line bg-ground px-2 py-1 font-mono text-[12px] leading-snug">
      {shown}
      {'\n'}
      <span className="text-public">{' '.repeat(Math.max(0, fault.column - 1 - start))}^</span>
    </pre>
  )
}
