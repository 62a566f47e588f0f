/** The frame around every room: navigation, command palette, theme, who is signed in. */
import { DropdownMenu } from 'radix-ui'
import { lazy, Suspense, useEffect, useState } from 'react'
import { Palette } from './palette'
import { link, usePlace } from './router'
import { useSession } from './session'
import { toggleTheme, useTheme } from './theme'
import { Button } from './ui/button'
import { Icon, type IconName } from './ui/icons'
import { Empty, Loading } from './ui/notice'

const Home = lazy(() => import('./rooms/home').then((m) => ({ default: m.Home })))
const Data = lazy(() => import('./rooms/data/room').then((m) => ({ default: m.DataRoom })))
const Policies = lazy(() => import('./rooms/policies/room').then((m) => ({ default: m.PoliciesRoom })))
const Users = lazy(() => import('./rooms/users').then((m) => ({ default: m.UsersRoom })))

export const ROOMS: { name: string; label: string; icon: IconName }[] = [
  { name: '', label: 'Home', icon: 'home' },
  { name: 'data', label: 'Data', icon: 'table' },
  { name: 'policies', label: 'Policies', icon: 'shield' },
  { name: 'users', label: 'Users', icon: 'users' },
]

export function Shell({ onSignOut }: { onSignOut: () => void }) {
  const { parts } = usePlace()
  const room = parts[0] ?? ''
  const [palette, setPalette] = useState(false)
  useEffect(() => {
    const label = ROOMS.find((r) => r.name === room)?.label
    document.title = `${[parts[1], label].filter(Boolean).join(' · ') || 'Not found'} · baaskit`
  }, [room, parts])
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault()
        setPalette((open) => !open)
      }
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [])
  return (
    <div className="flex h-full flex-col sm:flex-row">
      <Navigation room={room} />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <TopBar onPalette={() => setPalette(true)} onSignOut={onSignOut} room={room} />
        <main className="min-h-0 flex-1 overflow-hidden">
          <Suspense fallback={<Loading />}>
            <Room room={room} />
          </Suspense>
        </main>
      </div>
      <Tabs room={room} />
      <Palette open={palette} onClose={() => setPalette(false)} onSignOut={onSignOut} />
    </div>
  )
}

function Room({ room }: { room: string }) {
  if (room === '') return <Home />
  if (room === 'data') return <Data />
  if (room === 'policies') return <Policies />
  if (room === 'users') return <Users />
  return (
    <Empty icon="search" title="There is no such room" action={<a className="text-accent underline" {...link('/')}>Go home</a>}>
      The address may be of another version of the console.
    </Empty>
  )
}

function Navigation({ room }: { room: string }) {
  return (
    <nav aria-label="Rooms" className="hidden w-14 shrink-0 flex-col border-r border-line bg-panel p-2 sm:flex lg:w-44">
      <a {...link('/')} className="mb-3 flex items-center gap-2 px-1.5 py-1">
        <img src="/console/icon.svg" alt="" className="size-6" />
        <span className="hidden font-semibold lg:inline">baaskit</span>
      </a>
      {ROOMS.map((one) => (
        <a
          key={one.name}
          {...link(`/${one.name}`)}
          title={one.label}
          aria-label={one.label}
          aria-current={room === one.name ? 'page' : undefined}
          className={`mb-0.5 flex h-8 items-center gap-2.5 rounded-md px-2 text-[13px] font-medium ${room === one.name ? 'bg-accent-soft text-accent' : 'text-muted hover:bg-hover hover:text-ink'}`}
        >
          <Icon name={one.icon} className="size-[18px]" />
          <span className="hidden lg:inline">{one.label}</span>
        </a>
      ))}
    </nav>
  )
}

function Tabs({ room }: { room: string }) {
  return (
    <nav aria-label="Rooms" className="flex shrink-0 border-t border-line bg-panel sm:hidden">
      {ROOMS.map((one) => (
        <a
          key={one.name}
          {...link(`/${one.name}`)}
          aria-current={room === one.name ? 'page' : undefined}
          className={`flex flex-1 flex-col items-center gap-0.5 py-1.5 text-[11px] font-medium ${room === one.name ? 'text-accent' : 'text-muted'}`}
        >
          <Icon name={one.icon} className="size-5" />
          {one.label}
        </a>
      ))}
    </nav>
  )
}

function TopBar({ onPalette, onSignOut, room }: { onPalette: () => void; onSignOut: () => void; room: string }) {
  const theme = useTheme()
  const { admin } = useSession()
  return (
    <header className="flex h-11 shrink-0 items-center gap-1.5 border-b border-line bg-panel px-3">
      <span className="font-semibold sm:hidden">{ROOMS.find((one) => one.name === room)?.label}</span>
      <button
        type="button"
        onClick={onPalette}
        aria-label="Search and commands"
        className="flex h-7 items-center gap-2 rounded-md border border-line bg-ground px-2 text-[12px] whitespace-nowrap text-faint hover:border-strong max-sm:ml-auto sm:w-72"
      >
        <Icon name="search" className="size-3.5" />
        <span className="hidden truncate sm:inline">Go to a table, room or action</span>
        <span className="kbd ml-auto hidden sm:inline">{/Mac/.test(navigator.platform) ? '⌘K' : 'Ctrl K'}</span>
      </button>
      <div className="flex-1 max-sm:hidden" />
      <Button kind="ghost" icon={theme === 'dark' ? 'sun' : 'moon'} aria-label={theme === 'dark' ? 'Light theme' : 'Dark theme'} onClick={toggleTheme} />
      <DropdownMenu.Root>
        <DropdownMenu.Trigger asChild>
          <button type="button" aria-label={`Signed in as ${admin.email}`} className="flex size-7 items-center justify-center rounded-full bg-accent-soft text-[12px] font-semibold text-accent uppercase">
            {admin.email[0]}
          </button>
        </DropdownMenu.Trigger>
        <DropdownMenu.Portal>
          <DropdownMenu.Content align="end" sideOffset={6} className="rise z-50 min-w-52 rounded-lg border border-line bg-raised p-1 text-[13px] shadow-xl">
            <div className="px-2 py-1.5">
              <div className="font-medium break-all">{admin.email}</div>
              <div className="text-[12px] text-muted">{admin.role}</div>
            </div>
            <DropdownMenu.Separator className="my-1 h-px bg-line" />
            <DropdownMenu.Item onSelect={onSignOut} className="flex items-center gap-2 rounded-md px-2 py-1.5 outline-none data-highlighted:bg-hover">
              <Icon name="out" /> Sign out
            </DropdownMenu.Item>
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
    </header>
  )
}
