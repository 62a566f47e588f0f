/** Home: is it well, how much is there, and what needs attention. */
import { useAudit, useOverview } from '../queries'
import { link } from '../router'
import type { Minute, Overview } from '../types'
import { Icon } from '../ui/icons'
import { Empty, Failed, Loading } from '../ui/notice'
import { duration, Moment } from '../ui/time'

const number = new Intl.NumberFormat('en')

export function Home() {
  const { data, error, refetch } = useOverview()
  if (!data) return error ? <Failed problem={error} retry={refetch} /> : <Loading />
  return (
    <div className="h-full overflow-auto">
      <div className="mx-auto max-w-5xl space-y-4 p-4">
        <Health overview={data} stale={error !== null} />
        <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
          <Count label="Requests since start" value={data.traffic.total} />
          <Count label="Users" value={data.users} to="/users" />
          <Count label="Tables" value={data.tables} to="/data" />
          <Count label="Policy version" value={data.policies.version} detail={`${data.policies.count} policies`} to="/policies" />
        </div>
        <Requests minutes={data.traffic.minutes} />
        <div className="grid items-start gap-4 md:grid-cols-2">
          <Attention overview={data} />
          <Recent />
        </div>
      </div>
    </div>
  )
}

function Health({ overview, stale }: { overview: Overview; stale: boolean }) {
  const { database, traffic, url } = overview
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-1 text-[13px] text-muted">
      <span className={`inline-flex items-center gap-1.5 font-medium ${stale ? 'text-public' : 'text-owner'}`}>
        <span className="size-2 rounded-full bg-current" />
        {stale ? 'The server does not answer' : 'Running'}
      </span>
      <span>for {duration(traffic.uptime_seconds)}</span>
      <span>
        {database.dialect === 'sqlite' ? 'SQLite' : 'PostgreSQL'}, {database.milliseconds.toFixed(1)} ms
      </span>
      <span className="font-mono text-[12px] break-all">{url}</span>
    </div>
  )
}

function Count({ label, value, detail, to }: { label: string; value: number; detail?: string; to?: string }) {
  const body = (
    <>
      <div className="text-[12px] text-muted">{label}</div>
      <div className="mt-0.5 text-[22px] leading-tight font-semibold">{number.format(value)}</div>
      {detail && <div className="text-[12px] text-faint">{detail}</div>}
    </>
  )
  return to ? (
    <a {...link(to)} className="card block p-3 hover:border-strong">
      {body}
    </a>
  ) : (
    <div className="card p-3">{body}</div>
  )
}

const HEIGHT = 72 // px of the tallest bar

/** One bar a minute for the last hour: served, and on top what was refused or failed. */
function Requests({ minutes }: { minutes: Minute[] }) {
  const totals = minutes.map((minute) => Object.values(minute.served).reduce((a, b) => a + b, 0))
  const most = Math.max(1, ...totals)
  const sum = (field: 'refused' | 'failed') => minutes.reduce((total, minute) => total + minute[field], 0)
  const hour = totals.reduce((a, b) => a + b, 0)
  return (
    <section className="card p-3" aria-label="Requests in the last hour">
      <div className="flex flex-wrap items-baseline gap-x-4 gap-y-1">
        <h2 className="text-[13px] font-semibold">Requests, last hour</h2>
        <span className="text-[12px] text-muted">{number.format(hour)} answered</span>
        <span className={`text-[12px] ${sum('refused') ? 'text-signed' : 'text-muted'}`}>{number.format(sum('refused'))} refused</span>
        <span className={`text-[12px] ${sum('failed') ? 'text-public' : 'text-muted'}`}>{number.format(sum('failed'))} failed</span>
        <span className="ml-auto text-[12px] text-faint">most {number.format(most === 1 && hour === 0 ? 0 : most)} / min</span>
      </div>
      <svg viewBox={`0 0 ${minutes.length * 10} ${HEIGHT}`} preserveAspectRatio="none" className="mt-2 h-[72px] w-full" role="img" aria-label={`${hour} requests in the last hour`}>
        <line x1="0" x2={minutes.length * 10} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} className="stroke-line" />
        {minutes.map((minute, index) => {
          const total = totals[index]!
          const scale = (count: number) => (count / most) * (HEIGHT - 4)
          const bad = Math.min(total, minute.failed)
          const refused = Math.min(total - bad, minute.refused)
          return (
            <g key={minute.at}>
              <title>{`${new Date(minute.at * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}: ${total} requests, ${minute.refused} refused, ${minute.failed} failed`}</title>
              <rect x={index * 10} width={10} y={0} height={HEIGHT} fill="transparent" />
              <rect x={index * 10 + 1} width={8} y={HEIGHT - scale(total)} height={scale(total)} className="fill-accent" />
              <rect x={index * 10 + 1} width={8} y={HEIGHT - scale(total)} height={scale(bad + refused)} className="fill-signed" />
              <rect x={index * 10 + 1} width={8} y={HEIGHT - scale(total)} height={scale(bad)} className="fill-public" />
            </g>
          )
        })}
      </svg>
      <div className="mt-1 flex justify-between text-[11px] text-faint">
        <span>60 min ago</span>
        <span>now</span>
      </div>
    </section>
  )
}

const LEVELS = { danger: 'text-public', warning: 'text-signed', note: 'text-nobody' }

function Attention({ overview }: { overview: Overview }) {
  return (
    <section className="card">
      <h2 className="border-b border-line px-3 py-2 text-[13px] font-semibold">Needs attention</h2>
      {overview.attention.length === 0 ? (
        <Empty icon="check" title="Nothing">Every table has policies that fit, and none lets strangers write.</Empty>
      ) : (
        <ul className="divide-y divide-line">
          {overview.attention.map((item) => (
            <li key={item.title + item.table} className="flex gap-2.5 px-3 py-2.5 text-[13px]">
              <Icon name="alert" className={`mt-0.5 size-4 ${LEVELS[item.level]}`} />
              <div className="min-w-0 break-words">
                <div className="font-medium">{item.title}</div>
                <div className="text-muted">{item.consequence}</div>
                {item.table && (
                  <a className="text-accent underline underline-offset-2" {...link(`/policies/${encodeURIComponent(item.table)}`)}>
                    {item.fix}
                  </a>
                )}
              </div>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

const ACTIONS: Record<string, string> = {
  'session.open': 'signed in',
  'admin.create': 'created the admin',
  'policies.save': 'saved the policies',
  'policies.rollback': 'rolled the policies back',
}

function Recent() {
  const { data, error } = useAudit(12)
  return (
    <section className="card">
      <h2 className="border-b border-line px-3 py-2 text-[13px] font-semibold">Recent changes by admins</h2>
      {error ? (
        <Failed problem={error} />
      ) : (
        <ul className="divide-y divide-line">
          {data?.map((entry, index) => (
            <li key={index} className="flex items-baseline gap-2 px-3 py-2 text-[13px]">
              <span className="min-w-0 flex-1 break-words">
                <span className="font-medium">{entry.actor}</span> <span className="text-muted">{ACTIONS[entry.action] ?? entry.action}</span>
                {entry.action !== 'session.open' && entry.target && <span> {entry.target}</span>}
                {typeof entry.details.note === 'string' && entry.details.note && <span className="text-muted"> “{entry.details.note}”</span>}
              </span>
              <span className="shrink-0 text-[12px] text-faint">
                <Moment at={entry.at} />
              </span>
            </li>
          ))}
          {data?.length === 0 && <li className="px-3 py-6 text-center text-[13px] text-muted">Nothing yet.</li>}
        </ul>
      )}
    </section>
  )
}
