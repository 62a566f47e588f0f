/** Two texts of policies as one, with what was taken away and what was added. */
import { unifiedMergeView } from '@codemirror/merge'
import { EditorState } from '@codemirror/state'
import { EditorView, lineNumbers } from '@codemirror/view'
import { useEffect, useRef } from 'react'
import { policySql } from './editor'

export function Diff({ before, after }: { before: string; after: string }) {
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const view = new EditorView({
      parent: box.current!,
      state: EditorState.create({
        doc: after,
        extensions: [
          policySql([]),
          lineNumbers(),
          EditorView.lineWrapping,
          EditorState.readOnly.of(true),
          EditorView.editable.of(false),
          unifiedMergeView({ original: before, mergeControls: false, collapseUnchanged: { margin: 3, minSize: 6 }, gutter: true, highlightChanges: true }),
        ],
      }),
    })
    return () => view.destroy()
  }, [before, after])
  if (before === after) return <div className="rounded-md border border-line p-4 text-[13px] text-muted">The texts are the same.</div>
  return <div ref={box} className="overflow-hidden rounded-md border border-line" />
}
