/** The colours of reach: public is red wherever it appears, so that it never looks like nothing. */
import { COMMANDS, type Command, type Reach } from '../types'

export const REACH: Record<Reach, { label: string; meaning: string; text: string; dot: string; chip: string }> = {
  public: { label: 'public', meaning: 'anyone, without signing in', text: 'text-public', dot: 'bg-public', chip: 'border-public/40 bg-public/10 text-public' },
  'signed-in': { label: 'signed-in', meaning: 'every signed-in user', text: 'text-signed', dot: 'bg-signed', chip: 'border-signed/40 bg-signed/10 text-signed' },
  owner: { label: 'owner', meaning: 'users for whom a condition on who they are holds', text: 'text-owner', dot: 'bg-owner', chip: 'border-owner/40 bg-owner/10 text-owner' },
  nobody: { label: 'nobody', meaning: 'only the service key', text: 'text-nobody', dot: 'bg-nobody', chip: 'border-line bg-ground text-nobody' },
}

export const SHORT: Record<Command, string> = { select: 'S', insert: 'I', update: 'U', delete: 'D' }

export function ReachChip({ reach }: { reach: Reach }) {
  return (
    <span title={REACH[reach].meaning} className={`inline-block rounded border px-1.5 text-[11px] leading-[18px] font-medium ${REACH[reach].chip}`}>
      {REACH[reach].label}
    </span>
  )
}

/** Four letters, one for each command, in the colour of its reach. */
export function ReachLetters({ reach }: { reach: Record<Command, Reach> }) {
  return (
    <span className="inline-flex gap-0.5 font-mono text-[11px] font-semibold">
      {COMMANDS.map((command) => (
        <span key={command} title={`${command}: ${REACH[reach[command]].meaning}`} className={`rounded border px-1 leading-4 ${REACH[reach[command]].chip}`}>
          {SHORT[command]}
        </span>
      ))}
    </span>
  )
}

export function ReachLegend() {
  return (
    <div className="flex flex-wrap gap-x-3 gap-y-1 text-[11px] text-muted">
      {Object.values(REACH).map((reach) => (
        <span key={reach.label} className="inline-flex items-center gap-1" title={reach.meaning}>
          <span className={`size-2 rounded-full ${reach.dot}`} />
          {reach.label}
        </span>
      ))}
    </div>
  )
}
