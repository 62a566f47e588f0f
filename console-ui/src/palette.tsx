/** ⌘K: go to a room or a table, or do something, without the mouse. */
import { Dialog as Radix } from 'radix-ui'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useSchema } from './queries'
import { tableAddress } from './names'
import { go } from './router'
import { ROOMS } from './shell'
import { toggleTheme } from './theme'
import { Icon, type IconName } from './ui/icons'

interface Entry {
  label: string
  group: string
  icon: IconName
  run: () => void
}

const SHOWN = 60

export function Palette({ open, onClose, onSignOut }: { open: boolean; onClose: () => void; onSignOut: () => void }) {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const list = useRef<HTMLDivElement>(null)
  const { data: schema } = useSchema()
  useEffect(() => {
    if (open) setText('')
  }, [open])
  useEffect(() => setAt(0), [text, open])

  const entries = useMemo<Entry[]>(() => {
    const tables = schema?.tables ?? []
    return [
      ...ROOMS.map((room): Entry => ({ label: room.label, group: 'Room', icon: room.icon, run: () => go(`/${room.name}`) })),
      ...tables.filter((table) => table.exposed).map((table): Entry => ({ label: tableAddress(table), group: 'Table', icon: 'table', run: () => go(`/data/${encodeURIComponent(tableAddress(table))}`) })),
      ...tables.map((table): Entry => ({ label: `Policies of ${tableAddress(table)}`, group: 'Policies', icon: 'shield', run: () => go(`/policies/${encodeURIComponent(tableAddress(table))}`) })),
      { label: 'Create a user', group: 'Action', icon: 'plus', run: () => go('/users?new=1') },
      { label: 'History of the policies', group: 'Action', icon: 'clock', run: () => go('/policies?history=1') },
      { label: 'Switch between dark and light', group: 'Action', icon: 'moon', run: toggleTheme },
      { label: 'Sign out', group: 'Action', icon: 'out', run: onSignOut },
    ]
  }, [schema, onSignOut])

  const found = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean)
    return entries.filter((entry) => words.every((word) => `${entry.group} ${entry.label}`.toLowerCase().includes(word))).slice(0, SHOWN)
  }, [entries, text])

  const choose = (entry: Entry | undefined) => {
    if (!entry) return
    onClose()
    entry.run()
  }
  const onKey = (event: React.KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step && found.length) {
      event.preventDefault()
      const next = (at + step + found.length) % found.length
      setAt(next)
      list.current?.children[next]?.scrollIntoView({ block: 'nearest' })
    } else if (event.key === 'Enter') {
      event.preventDefault()
      choose(found[at])
    }
  }
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-black/40" />
        <Radix.Content aria-describedby={undefined} className="rise fixed top-[10vh] left-1/2 z-50 w-[calc(100%-24px)] max-w-lg -translate-x-1/2 overflow-hidden rounded-xl border border-line bg-raised shadow-2xl outline-none">
          <Radix.Title className="sr-only">Go to</Radix.Title>
          <input
            className="w-full border-b border-line bg-transparent px-4 py-3 outline-none placeholder:text-faint"
            placeholder="Go to a table, room or action"
            role="combobox"
            aria-expanded="true"
            aria-controls="palette-list"
            aria-activedescendant={found.length ? `palette-${at}` : undefined}
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={onKey}
            autoFocus
          />
          <div id="palette-list" ref={list} role="listbox" className="max-h-[50vh] overflow-auto p-1.5">
            {found.map((entry, index) => (
              <div
                key={`${entry.group} ${entry.label}`}
                id={`palette-${index}`}
                role="option"
                aria-selected={index === at}
                onMouseMove={() => setAt(index)}
                onClick={() => choose(entry)}
                className={`flex cursor-pointer items-center gap-2.5 rounded-md px-2.5 py-1.5 text-[13px] ${index === at ? 'bg-hover' : ''}`}
              >
                <Icon name={entry.icon} className="size-4 text-faint" />
                <span className="truncate">{entry.label}</span>
                <span className="ml-auto text-[11px] text-faint">{entry.group}</span>
              </div>
            ))}
            {!found.length && <div className="px-3 py-6 text-center text-[13px] text-muted">Nothing is called “{text}”.</div>}
          </div>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
