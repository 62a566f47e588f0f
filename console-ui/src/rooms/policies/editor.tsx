/** The editor of policies: SQL with completion for this schema, faults of the server under their place, ⌘S. */
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, type CompletionSource } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { PostgreSQL, sql } from '@codemirror/lang-sql'
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { lintGutter, lintKeymap, setDiagnostics, type Diagnostic } from '@codemirror/lint'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { Compartment, EditorState, type Extension, type Text } from '@codemirror/state'
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers, placeholder } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { useEffect, useImperativeHandle, useRef, type Ref } from 'react'
import { nonce } from '../../nonce'
import type { Fault, Remark, Table } from '../../types'

const theme = EditorView.theme({
  '&': { height: '100%', fontSize: '13px', backgroundColor: 'var(--panel)', color: 'var(--ink)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--font-mono)', lineHeight: '1.6' },
  '.cm-content': { caretColor: 'var(--accent)', padding: '8px 0' },
  '.cm-cursor': { borderLeftColor: 'var(--accent)' },
  '.cm-gutters': { backgroundColor: 'var(--panel)', color: 'var(--faint)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in oklab, var(--hover) 70%, transparent)' },
  '.cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': { backgroundColor: 'color-mix(in oklab, var(--accent) 26%, transparent)' },
  '.cm-matchingBracket, &.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--accent-soft)', outline: '1px solid var(--accent)' },
  '.cm-selectionMatch': { backgroundColor: 'var(--accent-soft)' },
  '.cm-placeholder': { color: 'var(--faint)', whiteSpace: 'pre-wrap' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', color: 'var(--ink)', border: '1px solid var(--line)', borderRadius: '8px', overflow: 'hidden', boxShadow: '0 8px 24px rgb(0 0 0 / .18)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--font-mono)' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent-soft)', color: 'var(--ink)' },
  '.cm-diagnostic': { padding: '6px 10px', whiteSpace: 'pre-wrap' },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--public)' },
  '.cm-panels': { backgroundColor: 'var(--ground)', color: 'var(--ink)', borderColor: 'var(--line)' },
  '.cm-textfield': { backgroundColor: 'var(--panel)', border: '1px solid var(--line)', borderRadius: '4px' },
  '.cm-button': { backgroundImage: 'none', backgroundColor: 'var(--panel)', border: '1px solid var(--line)', borderRadius: '4px' },
  '.cm-deletedChunk': { backgroundColor: 'color-mix(in oklab, var(--public) 12%, transparent)' },
  '.cm-changedLine': { backgroundColor: 'color-mix(in oklab, var(--owner) 12%, transparent) !important' },
  '.cm-changedText, .cm-insertedLine': { background: 'color-mix(in oklab, var(--owner) 24%, transparent) !important', textDecoration: 'none' },
  '.cm-deletedChunk .cm-deletedText': { background: 'color-mix(in oklab, var(--public) 26%, transparent) !important' },
  '.cm-collapsedLines': { backgroundColor: 'var(--ground)', color: 'var(--muted)', backgroundImage: 'none', fontFamily: 'var(--font-sans)' },
})

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--accent)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--signed)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--owner)' },
  { tag: tags.comment, color: 'var(--faint)', fontStyle: 'italic' },
  { tag: tags.typeName, color: 'var(--accent)' },
  { tag: tags.operator, color: 'var(--muted)' },
])

/** Look and language shared by the editor and the diffs. */
export const policySql = (tables: Table[]): Extension => [
  EditorView.cspNonce.of(nonce),
  theme,
  syntaxHighlighting(colours),
  sql({ dialect: PostgreSQL, schema: Object.fromEntries(tables.map((table) => [table.name, table.columns.map((column) => column.name)])) }),
]

const WORDS = [
  ['auth.uid()', 'id of the signed-in user, null for strangers'],
  ['auth.role()', "'anon', 'authenticated' or 'service_role'"],
  ['auth.email()', 'address of the signed-in user'],
  ['auth.jwt()', 'all claims: auth.jwt() ->> \'claim\''],
  ['now()', 'the moment of the request'],
  ['authenticated', 'role of signed-in users'],
  ['anon', 'role of strangers'],
] as const

const ownWords: CompletionSource = (context) => {
  const word = context.matchBefore(/[\w.]+/)
  if (!word && !context.explicit) return null
  return { from: word?.from ?? context.pos, options: WORDS.map(([label, detail]) => ({ label, detail, type: 'function', boost: 5 })), validFor: /^[\w.()]*$/ }
}

/** Offsets of a fault in the text: from its column to the end of the word there. */
function placeOf(doc: Text, fault: Fault): { from: number; to: number } {
  const line = doc.line(Math.max(1, Math.min(doc.lines, fault.line)))
  const from = Math.min(line.to, line.from + Math.max(0, fault.column - 1))
  const word = /^("[^"]*"|[\w.]+|\S)/.exec(doc.sliceString(from, line.to))?.[0].length ?? 0
  return { from, to: Math.min(line.to, from + word) }
}

export interface EditorHandle {
  /** Put the cursor at a 1-based place and scroll there. */
  jump: (line: number, column?: number) => void
  /** Add `text` as a paragraph at the end, and select it. */
  append: (text: string) => void
}

interface Props {
  ref?: Ref<EditorHandle>
  value: string
  onChange: (value: string) => void
  onSave: () => void
  remarks: Remark[]
  tables: Table[]
  readOnly: boolean
}

export function PolicyEditor({ ref, value, onChange, onSave, remarks, tables, readOnly }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const language = useRef(new Compartment())
  const latest = useRef({ onChange, onSave })
  latest.current = { onChange, onSave }

  useEffect(() => {
    const made = new EditorView({
      parent: box.current!,
      state: EditorState.create({
        doc: value,
        extensions: [
          keymap.of([{ key: 'Mod-s', preventDefault: true, run: () => (latest.current.onSave(), true) }]),
          lineNumbers(),
          lintGutter(),
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          autocompletion(),
          highlightActiveLine(),
          highlightActiveLineGutter(),
          highlightSelectionMatches(),
          search({ top: true }),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': 'Policies', spellcheck: 'false' }),
          EditorState.readOnly.of(readOnly),
          placeholder('-- No policies yet: every table is closed.\n-- create policy "anyone sees pets" on pets for select to anon, authenticated using (true);'),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap, indentWithTab]),
          language.current.of(policySql(tables)),
          PostgreSQL.language.data.of({ autocomplete: ownWords }),
          EditorView.updateListener.of((update) => update.docChanged && latest.current.onChange(update.state.doc.toString())),
        ],
      }),
    })
    view.current = made
    return () => made.destroy()
    // The editor keeps its own state; later changes of properties are dispatched below.
  }, [readOnly])

  useEffect(() => {
    const held = view.current!
    if (held.state.doc.toString() !== value) held.dispatch({ changes: { from: 0, to: held.state.doc.length, insert: value } })
  }, [value])

  useEffect(() => view.current!.dispatch({ effects: language.current.reconfigure(policySql(tables)) }), [tables])

  useEffect(() => {
    const held = view.current!
    const diagnostics = remarks.map((fault): Diagnostic => ({ ...placeOf(held.state.doc, fault), severity: fault.kind === 'fault' ? 'error' : 'warning', message: fault.message + (fault.hint ? `\n${fault.hint}` : '') }))
    held.dispatch(setDiagnostics(held.state, diagnostics))
  }, [remarks])

  useImperativeHandle(ref, () => ({
    jump: (line, column = 1) => {
      const held = view.current!
      const found = held.state.doc.line(Math.max(1, Math.min(held.state.doc.lines, line)))
      const at = Math.min(found.to, found.from + column - 1)
      held.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: 'start', yMargin: 60 }) })
      held.focus()
    },
    append: (text) => {
      const held = view.current!
      const end = held.state.doc.length
      const before = end === 0 ? '' : held.state.doc.toString().endsWith('\n') ? '\n' : '\n\n'
      const from = end + before.length
      held.dispatch({ changes: { from: end, insert: before + text + '\n' }, selection: { anchor: from, head: from + text.length }, effects: EditorView.scrollIntoView(from, { y: 'center' }) })
      held.focus()
    },
  }))
  return <div ref={box} className="h-full min-h-0" />
}
