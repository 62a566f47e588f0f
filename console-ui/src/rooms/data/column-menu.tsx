/** Which columns the grid shows. */
import { DropdownMenu } from 'radix-ui'
import { Icon } from '../../ui/icons'

interface Hideable {
  id: string
  getIsVisible: () => boolean
  toggleVisibility: (visible: boolean) => void
}

export function ColumnMenu({ columns }: { columns: Hideable[] }) {
  const hidden = columns.filter((column) => !column.getIsVisible()).length
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger className="flex items-center gap-1 rounded px-1.5 py-0.5 hover:bg-hover hover:text-ink">
        <Icon name="columns" className="size-3.5" /> Columns{hidden ? ` (${hidden} hidden)` : ''}
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content align="end" side="top" sideOffset={4} className="z-50 max-h-80 min-w-40 overflow-auto rounded-lg border border-line bg-raised p-1 text-[13px] shadow-xl">
          {columns.map((column) => (
            <DropdownMenu.CheckboxItem
              key={column.id}
              checked={column.getIsVisible()}
              disabled={column.getIsVisible() && columns.length - hidden === 1}
              onCheckedChange={(checked) => column.toggleVisibility(checked)}
              onSelect={(event) => event.preventDefault()}
              className="flex items-center gap-2 rounded-md px-2 py-1 outline-none data-disabled:opacity-50 data-highlighted:bg-hover"
            >
              <span className="size-4">{column.getIsVisible() && <Icon name="check" />}</span>
              <span className="font-mono text-[12px]">{column.id}</span>
            </DropdownMenu.CheckboxItem>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}
