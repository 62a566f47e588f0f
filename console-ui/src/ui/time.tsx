/** Moments in words: "3 minutes ago", with the exact time on hover. */
const STEPS: [number, Intl.RelativeTimeFormatUnit][] = [
  [60, 'second'],
  [60, 'minute'],
  [24, 'hour'],
  [30, 'day'],
  [12, 'month'],
  [Infinity, 'year'],
]
const words = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

export function ago(iso: string, now = Date.now()): string {
  let value = (Date.parse(iso) - now) / 1000
  if (Number.isNaN(value)) return iso
  for (const [size, unit] of STEPS) {
    if (Math.abs(value) < size) return words.format(Math.round(value), unit)
    value /= size
  }
  return iso
}

export function Moment({ at }: { at: string | null | undefined }) {
  if (!at) return <span className="text-faint">never</span>
  return (
    <time dateTime={at} title={new Date(at).toISOString()}>
      {ago(at)}
    </time>
  )
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}
