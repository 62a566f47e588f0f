/** Policies: one text for the project, who it lets in per table and command, saved as versions. */
import { useCallback, useEffect, useRef, useState } from 'react'
import { usePolicies, useSchema } from '../../queries'
import { go, setLeaveGuard, usePlace } from '../../router'
import { useMayWrite } from '../../session'
import { COMMANDS, type LivePolicies, type Policy, type Table } from '../../types'
import { Button } from '../../ui/button'
import { Failed, Loading, Notice } from '../../ui/notice'
import { Moment } from '../../ui/time'
import { tableAddress } from '../../names'
import { PolicyEditor, type EditorHandle } from './editor'
import { HistoryDrawer } from './history'
import { Problems } from './problems'
import { Review } from './review'
import { policiesAddress, PolicySide } from './side'
import { lineOf } from './statements'
import { useCheck } from './use-check'

export function PoliciesRoom() {
  const live = usePolicies()
  const schema = useSchema()
  const error = live.error ?? schema.error
  if (!live.data || !schema.data)
    return error ? <Failed problem={error} retry={() => void Promise.all([live.refetch(), schema.refetch()])} /> : <Loading />
  return <Workbench live={live.data} tables={schema.data.tables} />
}

function Workbench({ live, tables: saved }: { live: LivePolicies; tables: Table[] }) {
  const { parts, query } = usePlace()
  const mayWrite = useMayWrite()
  const [base, setBase] = useState(live)
  const [text, setText] = useState(live.text)
  const [reviewing, setReviewing] = useState(false)
  const editor = useRef<EditorHandle>(null)
  const dirty = text !== base.text
  const { remarks, checking, tables } = useCheck(text, base, saved)
  const command = COMMANDS.find((one) => one === query.get('command')) ?? null
  const current = tables.find((table) => tableAddress(table) === parts[1])
  const stale = live.version !== base.version

  // Another version went live: without unsaved work, simply show it.
  useEffect(() => {
    if (stale && !dirty) {
      setBase(live)
      setText(live.text)
    }
  }, [stale, dirty, live])

  useEffect(() => {
    setLeaveGuard(dirty ? () => 'Leave without saving the policies?' : null)
    return () => setLeaveGuard(null)
  }, [dirty])

  const save = useCallback(() => {
    if (dirty && mayWrite) setReviewing(true)
  }, [dirty, mayWrite])
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 's' && !event.defaultPrevented) {
        event.preventDefault()
        save()
      }
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [save])

  const jump = useCallback(
    (table: Table, policy: Policy) => {
      const line = lineOf(text, table, policy)
      if (line) editor.current?.jump(line)
    },
    [text],
  )
  const history = query.get('history') !== null
  const place = `/policies${parts[1] ? `/${encodeURIComponent(parts[1])}` : ''}`
  return (
    <div className="flex h-full flex-col md:flex-row">
      <aside className="hidden w-80 shrink-0 border-r border-line bg-panel md:block" aria-label="Reach of policies">
        <PolicySide tables={tables} current={current} command={command} mayWrite={mayWrite} onJump={jump} onAppend={(added) => editor.current?.append(added)} />
      </aside>
      <details className="max-h-[45%] shrink-0 overflow-auto border-b border-line bg-panel md:hidden">
        <summary className="cursor-pointer px-3 py-2 text-[13px] font-medium">Tables and whom they reach</summary>
        <PolicySide tables={tables} current={current} command={command} mayWrite={mayWrite} onJump={jump} onAppend={(added) => editor.current?.append(added)} />
      </details>
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5 border-b border-line bg-panel px-3 py-2">
          <h1 className="font-mono text-[13px] font-semibold">policies.sql</h1>
          <span className="text-[12px] text-muted">
            {base.version ? (
              <>
                version {base.version}
                {base.at && (
                  <>
                    , {base.author}, <Moment at={base.at} />
                  </>
                )}
              </>
            ) : (
              'nothing saved yet'
            )}
            {dirty && <span className="text-signed"> (not saved)</span>}
          </span>
          <div className="ml-auto flex gap-1.5">
            {dirty && (
              <Button kind="ghost" onClick={() => confirm('Throw away what you changed?') && setText(base.text)}>
                Discard
              </Button>
            )}
            <Button icon="clock" onClick={() => go(`${place}?history=1`, true)}>
              History
            </Button>
            {mayWrite && (
              <Button kind="primary" disabled={!dirty} onClick={save}>
                Save
              </Button>
            )}
          </div>
          {stale && dirty && <Stale base={base} live={live} onRebase={() => setBase(live)} onTake={() => (setBase(live), setText(live.text))} />}
          {!dirty && base.closed.length > 0 && (
            <Notice kind="danger">
              {base.closed.length === 1 ? 'A policy no longer fits' : `${base.closed.length} policies no longer fit`} the schema, so what they allowed is closed. Correct them below.
            </Notice>
          )}
        </div>
        <div className="min-h-0 flex-1">
          <PolicyEditor ref={editor} value={text} onChange={setText} onSave={save} remarks={remarks} tables={saved} readOnly={!mayWrite} />
        </div>
        <Problems remarks={remarks} checking={checking} dirty={dirty} onJump={(remark) => editor.current?.jump(remark.line, remark.column)} />
      </div>
      <Review
        open={reviewing}
        onClose={() => setReviewing(false)}
        base={base}
        text={text}
        before={saved}
        after={tables}
        remarks={remarks}
        checking={checking}
        onSaved={(next) => {
          setBase(next)
          setReviewing(false)
        }}
      />
      <HistoryDrawer open={history} onClose={() => go(current ? policiesAddress(current, command) : '/policies', true)} live={live} mayWrite={mayWrite} unsaved={dirty} />
    </div>
  )
}

function Stale({ base, live, onRebase, onTake }: { base: LivePolicies; live: LivePolicies; onRebase: () => void; onTake: () => void }) {
  return (
    <div className="w-full">
      <Notice kind="warning">
        {live.author} saved version {live.version} while you were working from version {base.version}.
        <span className="mt-1.5 flex flex-wrap gap-2">
          <Button onClick={onRebase}>Keep mine and compare with theirs</Button>
          <Button onClick={onTake}>Take theirs, drop mine</Button>
        </span>
      </Notice>
    </div>
  )
}
