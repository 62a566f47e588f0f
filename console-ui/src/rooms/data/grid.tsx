/** The spreadsheet of a table: only the rows in sight are drawn, arrows move, Enter opens, a header sorts. */
import { columnResizingFeature, columnSizingFeature, columnVisibilityFeature, tableFeatures, useTable, type ColumnDef } from '@tanstack/react-table'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useMemo, useRef, useState } from 'react'
import type { Column, Table } from '../../types'
import { Button } from '../../ui/button'
import { Icon } from '../../ui/icons'
import { Empty, Failed, Loading } from '../../ui/notice'
import { toast } from '../../ui/toast'
import { Cell } from './cell'
import { ColumnMenu } from './column-menu'
import { asText, isNumeric, type Row, type View } from './rest'
import type { Blocks } from './use-blocks'

const ROW_PX = 30
const GUTTER_PX = 30 // the column at the left that opens a row
const features = tableFeatures({ columnSizingFeature, columnResizingFeature, columnVisibilityFeature })
const NO_ROWS: Row[] = []

const WIDTHS: Partial<Record<string, number>> = { bool: 84, int: 104, float: 110, numeric: 110, uuid: 170, date: 110, timestamptz: 178, timestamp: 170 }
const widthOf = (column: Column) => Math.max(WIDTHS[column.family] ?? 180, column.name.length * 8 + 56)

interface Props {
  table: Table
  view: View
  blocks: Blocks
  onView: (view: View) => void
  onOpen: (row: Row) => void
  onInsert: (() => void) | null
}

export function Grid({ table, view, blocks, onView, onOpen, onInsert }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const [active, setActive] = useState<{ row: number; column: number } | null>(null)
  const columns = useMemo<ColumnDef<typeof features, Row>[]>(
    () => table.columns.map((column) => ({ id: column.name, accessorFn: (row) => row[column.name], size: widthOf(column), minSize: 60, maxSize: 800 })),
    [table.columns],
  )
  const model = useTable({ features, columns, data: NO_ROWS, columnResizeMode: 'onChange' })
  const headers = model.getHeaderGroups()[0]?.headers ?? []
  const byName = useMemo(() => new Map(table.columns.map((column) => [column.name, column])), [table.columns])
  const width = headers.reduce((sum, header) => sum + header.getSize(), GUTTER_PX)

  const virtual = useVirtualizer({ count: blocks.shown, getScrollElement: () => box.current, estimateSize: () => ROW_PX, overscan: 12 })
  const items = virtual.getVirtualItems()
  const seen = virtual.range ?? { startIndex: 0, endIndex: 0 } // without the rows that are drawn ahead
  const first = items[0]?.index ?? 0
  const last = items[items.length - 1]?.index ?? 0
  useEffect(() => blocks.see(first, last), [blocks, first, last])
  useEffect(() => {
    setActive(null)
    box.current?.scrollTo({ top: 0 })
  }, [view])

  if (blocks.problem && blocks.total === null) return <Failed problem={blocks.problem} retry={blocks.retry} />

  const sortBy = (name: string) => {
    const { sort } = view
    const next = sort?.column !== name ? { column: name, descending: false } : sort.descending ? null : { column: name, descending: true }
    onView({ ...view, sort: next })
  }
  const move = (row: number, column: number) => {
    const next = { row: Math.max(0, Math.min(blocks.shown - 1, row)), column: Math.max(0, Math.min(headers.length - 1, column)) }
    setActive(next)
    virtual.scrollToIndex(next.row)
    const before = headers.slice(0, next.column).reduce((sum, header) => sum + header.getSize(), 0) // the gutter stays in sight
    const size = headers[next.column]?.getSize() ?? 0
    const scroller = box.current
    if (scroller && before < scroller.scrollLeft) scroller.scrollLeft = before
    else if (scroller && GUTTER_PX + before + size > scroller.scrollLeft + scroller.clientWidth) scroller.scrollLeft = GUTTER_PX + before + size - scroller.clientWidth
  }
  const onKey = (event: React.KeyboardEvent) => {
    const { row, column } = active ?? { row: first, column: 0 }
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 300) / ROW_PX) - 2)
    const held = active ? blocks.row(active.row) : undefined
    const moves: Record<string, () => void> = {
      ArrowDown: () => move(active ? row + 1 : row, column),
      ArrowUp: () => move(row - 1, column),
      ArrowRight: () => move(row, column + 1),
      ArrowLeft: () => move(row, column - 1),
      PageDown: () => move(row + page, column),
      PageUp: () => move(row - page, column),
      Home: () => (event.ctrlKey || event.metaKey ? move(0, 0) : move(row, 0)),
      End: () => (event.ctrlKey || event.metaKey ? move(blocks.shown - 1, column) : move(row, headers.length - 1)),
      Enter: () => held && onOpen(held),
    }
    if ((event.ctrlKey || event.metaKey) && event.key === 'c' && held && !getSelection()?.toString()) {
      void navigator.clipboard?.writeText(asText(held[headers[column]?.id ?? ''])).then(() => toast('Value copied'))
      return
    }
    if (event.target === box.current && moves[event.key]) {
      event.preventDefault()
      moves[event.key]!()
    }
  }

  return (
    <div className="flex h-full flex-col">
      <div
        ref={box}
        role="grid"
        aria-label={`Rows of ${table.name}`}
        aria-rowcount={blocks.total === null ? -1 : blocks.total + 1}
        aria-colcount={headers.length}
        aria-activedescendant={active ? `cell-${active.row}-${active.column}` : undefined}
        tabIndex={0}
        onKeyDown={onKey}
        className="relative min-h-0 flex-1 overflow-auto bg-panel font-mono text-[12.5px] outline-offset-[-2px]"
      >
        <div style={{ width: Math.max(width, 1) }} className="min-w-full">
          <div role="row" aria-rowindex={1} className="sticky top-0 z-20 flex h-8 min-w-full border-b border-line bg-ground font-sans" style={{ width }}>
            <div className="sticky left-0 z-10 shrink-0 border-r border-line bg-ground" style={{ width: GUTTER_PX }} />
            {headers.map((header) => {
              const column = byName.get(header.column.id)!
              const sorted = view.sort?.column === column.name ? (view.sort.descending ? 'descending' : 'ascending') : 'none'
              return (
                <div key={header.id} role="columnheader" aria-sort={sorted} className="relative shrink-0 border-r border-line" style={{ width: header.getSize() }}>
                  <button type="button" tabIndex={-1} onClick={() => sortBy(column.name)} title={`${column.name} ${column.type}${column.nullable ? '' : ' not null'}`} className="flex h-full w-full items-center gap-1.5 px-2 text-left hover:bg-hover">
                    {table.primary_key.includes(column.name) && <Icon name="key" className="size-3 text-signed" />}
                    <span className="max-w-full shrink-0 truncate text-[12px] font-medium">{column.name}</span>
                    <span className="min-w-0 truncate text-[11px] text-faint">{column.type}</span>
                    {sorted !== 'none' && <Icon name={sorted === 'ascending' ? 'up' : 'down'} className="ml-auto size-3 text-accent" />}
                  </button>
                  <div
                    onMouseDown={header.getResizeHandler()}
                    onTouchStart={header.getResizeHandler()}
                    onDoubleClick={() => header.column.resetSize()}
                    className="absolute inset-y-0 -right-1 z-10 w-2 cursor-col-resize touch-none hover:bg-accent/40"
                  />
                </div>
              )
            })}
          </div>
          {blocks.shown > 0 && (
            <div className="relative" style={{ height: virtual.getTotalSize(), width }}>
              {items.map((item) => {
                const row = blocks.row(item.index)
                return (
                  <div
                    key={item.key}
                    role="row"
                    aria-rowindex={item.index + 2}
                    onDoubleClick={() => row && onOpen(row)}
                    className="group absolute left-0 flex border-b border-line/60 hover:bg-hover"
                    style={{ transform: `translateY(${item.start}px)`, height: ROW_PX, width }}
                  >
                    <button
                      type="button"
                      tabIndex={-1}
                      aria-label="Open row"
                      disabled={!row}
                      onClick={() => row && onOpen(row)}
                      className="sticky left-0 z-10 flex shrink-0 items-center justify-center border-r border-line/60 bg-panel text-faint group-hover:bg-hover group-hover:text-ink"
                      style={{ width: GUTTER_PX }}
                    >
                      <Icon name="right" className="size-3" />
                    </button>
                    {headers.map((header, index) => {
                      const column = byName.get(header.column.id)!
                      const isActive = active?.row === item.index && active.column === index
                      return (
                        <div
                          key={header.id}
                          id={`cell-${item.index}-${index}`}
                          role="gridcell"
                          aria-colindex={index + 1}
                          aria-selected={isActive}
                          onMouseDown={() => setActive({ row: item.index, column: index })}
                          className={`relative flex shrink-0 items-center overflow-hidden border-r border-line/60 px-2 ${isNumeric(column) ? 'justify-end' : ''} ${isActive ? 'inset-ring-2 inset-ring-accent' : ''}`}
                          style={{ width: header.getSize() }}
                        >
                          {row ? <Cell column={column} value={row[column.name]} /> : <span className="h-2 w-2/3 rounded bg-hover" />}
                        </div>
                      )
                    })}
                  </div>
                )
              })}
            </div>
          )}
        </div>
        {blocks.shown === 0 && (
          <div className="sticky left-0 font-sans">
            {blocks.total === null ? (
              <Loading />
            ) : view.filters.length ? (
              <Empty icon="filter" title="No row matches" action={<Button onClick={() => onView({ ...view, filters: [] })}>Remove the filters</Button>} />
            ) : (
              <Empty icon="table" title="This table is empty" action={onInsert && <Button icon="plus" onClick={onInsert}>Insert the first row</Button>} />
            )}
          </div>
        )}
      </div>
      <div className="flex h-7 shrink-0 items-center gap-3 border-t border-line bg-panel px-3 text-[12px] text-muted">
        <span>
          {blocks.shown ? `${format(Math.min(seen.startIndex + 1, blocks.shown))}–${format(Math.min(seen.endIndex + 1, blocks.shown))} of ${format(blocks.total ?? 0)}` : blocks.total === null ? '' : '0 rows'}
        </span>
        {blocks.problem ? <span className="truncate text-public">Some rows could not be read.</span> : null}
        <span className="ml-auto hidden text-faint sm:inline">arrows move, Enter opens, double-click opens</span>
        <ColumnMenu columns={model.getAllLeafColumns()} />
      </div>
    </div>
  )
}

const format = (value: number) => value.toLocaleString('en')
