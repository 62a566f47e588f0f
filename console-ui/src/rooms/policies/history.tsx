/** All versions of the policies: who, when, why, what changed; and the way back to one. */
import { useEffect, useState } from 'react'
import { admin } from '../../api'
import { useHistory, usePoliciesChanged, usePolicyVersion } from '../../queries'
import type { LivePolicies } from '../../types'
import { Button } from '../../ui/button'
import { ConfirmDialog, Drawer } from '../../ui/dialog'
import { Empty, Failed, Loading } from '../../ui/notice'
import { Moment } from '../../ui/time'
import { toast } from '../../ui/toast'
import { Diff } from './diff'

interface Props {
  open: boolean
  onClose: () => void
  live: LivePolicies
  mayWrite: boolean
  /** Work that is not saved: a roll-back would put another text under it. */
  unsaved: boolean
}

export function HistoryDrawer({ open, onClose, live, mayWrite, unsaved }: Props) {
  const { data, error, refetch } = useHistory(open)
  const [chosen, setChosen] = useState<number | null>(null)
  useEffect(() => setChosen(null), [open])
  return (
    <Drawer open={open} onClose={onClose} wide title="History of the policies" description="Every save is a version that never changes.">
      {error ? (
        <Failed problem={error} retry={refetch} />
      ) : !data ? (
        <Loading />
      ) : !data.length ? (
        <Empty icon="clock" title="Nothing saved yet">The first save becomes version 1.</Empty>
      ) : (
        <ol className="divide-y divide-line rounded-md border border-line">
          {data.map((version) => (
            <li key={version.version}>
              <button
                type="button"
                aria-expanded={chosen === version.version}
                onClick={() => setChosen(chosen === version.version ? null : version.version)}
                className="flex w-full flex-wrap items-baseline gap-x-3 px-3 py-2 text-left text-[13px] hover:bg-hover"
              >
                <span className="w-10 font-mono font-semibold">v{version.version}</span>
                <span className="min-w-0 flex-1 break-words">{version.note || <span className="text-faint">no note</span>}</span>
                {version.live && <span className="rounded border border-owner/40 bg-owner/10 px-1.5 text-[11px] font-medium text-owner">live</span>}
                <span className="text-[12px] text-muted">
                  {version.author}, <Moment at={version.at} />
                </span>
              </button>
              {chosen === version.version && <Version number={version.version} live={live} isLive={version.live} mayWrite={mayWrite} unsaved={unsaved} onClose={onClose} />}
            </li>
          ))}
        </ol>
      )}
    </Drawer>
  )
}

function Version({ number, live, isLive, mayWrite, unsaved, onClose }: { number: number; live: LivePolicies; isLive: boolean; mayWrite: boolean; unsaved: boolean; onClose: () => void }) {
  const [against, setAgainst] = useState<'previous' | 'live'>('previous')
  const [confirming, setConfirming] = useState(false)
  const { data, error } = usePolicyVersion(number)
  const previous = usePolicyVersion(number > 1 ? number - 1 : null)
  const changed = usePoliciesChanged()
  if (error) return <Failed problem={error} />
  if (!data || (number > 1 && previous.isPending)) return <Loading />
  const other = against === 'live' ? live.text : (previous.data?.text ?? '')
  return (
    <div className="space-y-2 border-t border-line bg-ground p-3">
      <div className="flex flex-wrap items-center gap-2">
        {!isLive && (
          <div className="flex overflow-hidden rounded-md border border-line text-[12px]" role="group" aria-label="Compare">
            {(['previous', 'live'] as const).map((one) => (
              <button key={one} type="button" aria-pressed={against === one} onClick={() => setAgainst(one)} className={`px-2 py-1 ${against === one ? 'bg-accent-soft text-accent' : 'bg-panel text-muted hover:bg-hover'}`}>
                {one === 'previous' ? 'What it changed' : `Going back to it`}
              </button>
            ))}
          </div>
        )}
        {!isLive && mayWrite && (
          <Button className="ml-auto" icon="refresh" disabled={unsaved} title={unsaved ? 'Save or discard what you changed first' : undefined} onClick={() => setConfirming(true)}>
            Roll back to v{number}
          </Button>
        )}
      </div>
      <Diff before={other} after={data.text} />
      <ConfirmDialog
        open={confirming}
        onClose={() => setConfirming(false)}
        title={`Roll back to version ${number}?`}
        consequence={`The text of version ${number} goes live at once, as version ${live.version + 1}. Nothing is lost: version ${live.version} stays in the history.`}
        phrase={`v${number}`}
        action="Roll back"
        onConfirm={async () => {
          const next = await admin<LivePolicies>('POST', `/policies/history/${number}/rollback`, { base_version: live.version })
          toast(`Version ${next.version} is live, with the text of version ${number}`)
          await changed()
          onClose()
        }}
      />
    </div>
  )
}
