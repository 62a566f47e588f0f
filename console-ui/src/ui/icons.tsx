/** Line icons, 16 px, drawn in the colour of the text. */
const PATHS = {
  home: 'M3 10.5 12 3l9 7.5M5.5 9v11h13V9M10 20v-6h4v6',
  table: 'M4 5h16v14H4zM4 10h16M4 14.5h16M10 10v9',
  shield: 'M12 3l7.5 3v5.5c0 4.6-3.1 7.8-7.5 9.5-4.4-1.7-7.5-4.9-7.5-9.5V6zM9 12l2.2 2.2L15.2 10',
  users: 'M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.4-3.6 3-5.5 6.5-5.5s6.100 1.900 6.500 5.500M16 5.200a3.200 3.200 0 0 1 0 6M18 14.800c2.100.8 3.300 2.600 3.500 5.200',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16.200 16.200 21 21',
  plus: 'M12 5v14M5 12h14',
  x: 'M6 6l12 12M18 6 6 18',
  filter: 'M4 6h16M7 12h10M10 18h4',
  up: 'M12 19V6M6.500 11.500 12 6l5.500 5.500',
  down: 'M12 5v13M6.500 12.500 12 18l5.500-5.500',
  right: 'M9 5.500 15.500 12 9 18.500',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M18.700 5.300l-1.400 1.400M6.700 17.300l-1.400 1.400',
  moon: 'M20 14.200A8.200 8.200 0 0 1 9.800 4a8.200 8.200 0 1 0 10.200 10.200z',
  out: 'M14 4H5v16h9M10 12h11M17.500 8.500 21 12l-3.500 3.500',
  refresh: 'M20 12a8 8 0 1 1-2.500-5.800M20 3.500V8h-4.500',
  trash: 'M4.500 6.500h15M9 6.500V4h6v2.500M6.500 6.500 7.500 20h9l1-13.500M10 10.500v6M14 10.500v6',
  clock: 'M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17zM12 7.500V12l3 2',
  key: 'M8 18a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM11 11.200 19.500 4M16 7l2.500 2.500',
  link: 'M14 5h5v5M19 5l-8.500 8.500M11 6H5v13h13v-6',
  alert: 'M12 4 2.800 20h18.400zM12 10v4.500M12 17.200v.1',
  check: 'M5 12.500 10 17.500 19.500 7',
  more: 'M5.500 12h.01M12 12h.01M18.500 12h.01',
  columns: 'M4 5h16v14H4zM9.500 5v14M15 5v14',
  ban: 'M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17zM6 6l12 12',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, className = 'size-4' }: { name: IconName; className?: string }) {
  return (
    <svg viewBox="0 0 24 24" className={`${className} shrink-0`} fill="none" stroke="currentColor" strokeWidth={name === 'more' ? 3 : 1.8} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  )
}
