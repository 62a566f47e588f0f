/** What is wrong with the text, each with its line and a caret under the place; a click goes there. */
import type { Fault, Remark } from '../../types'
import { Spinner } from '../../ui/button'
import { Icon } from '../../ui/icons'

interface Props {
  remarks: Remark[]
  checking: boolean
  dirty: boolean
  onJump?: (remark: Remark) => void
}

const counted = (count: number, one: string) => (count === 0 ? [] : [count === 1 ? `one ${one}` : `${count} ${one}s`])

export function Problems({ remarks, checking, dirty, onJump }: Props) {
  if (!remarks.length)
    return (
      <div className="flex h-8 shrink-0 items-center gap-2 border-t border-line bg-panel px-3 text-[12px] text-muted" role="status">
        {checking ? <Spinner /> : <Icon name="check" className="size-3.5 text-owner" />}
        {checking ? 'Checking' : dirty ? 'No faults. Save to make it live.' : 'No faults.'}
      </div>
    )
  const faults = remarks.filter((remark) => remark.kind === 'fault').length
  const words = [...counted(faults, 'fault'), ...counted(remarks.length - faults, 'warning')].join(', ')
  return (
    <div className="max-h-[40%] shrink-0 overflow-auto border-t border-line bg-panel" role="status" aria-label="Faults and warnings">
      <div className={`sticky top-0 flex items-center gap-2 border-b border-line bg-panel px-3 py-1.5 text-[12px] font-medium ${faults ? 'text-public' : 'text-signed'}`}>
        <Icon name="alert" className="size-3.5" />
        <span className="first-letter:uppercase">{words}</span>
        {checking && <Spinner />}
      </div>
      <RemarkList remarks={remarks} onJump={onJump} />
    </div>
  )
}

export function RemarkList({ remarks, onJump }: { remarks: Remark[]; onJump?: (remark: Remark) => void }) {
  return (
    <ul className="divide-y divide-line">
      {remarks.map((remark, index) => (
        <li key={index}>
          <button type="button" disabled={!onJump} onClick={() => onJump?.(remark)} className="block w-full px-3 py-2 text-left enabled:hover:bg-hover">
            <span className="flex gap-2 text-[13px]">
              <span className="shrink-0 font-mono text-faint">
                {remark.line}:{remark.column}
              </span>
              <span className="min-w-0 break-words">
                {remark.kind === 'warning' && <span className="text-signed">warning: </span>}
                {remark.message}
                {remark.hint && <span className="text-muted"> {remark.hint}</span>}
              </span>
            </span>
            {remark.excerpt && <Caret fault={remark} />}
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
