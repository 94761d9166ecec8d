// The text of a flow with marks at what is wrong: what the editor's page and the administration share of CodeMirror.
import * as cm from "../vendor/codemirror.js"

const t = cm.tags
export const colours = cm.HighlightStyle.define([
  { tag: [t.propertyName, t.definition(t.propertyName)], class: "y-key" },
  { tag: [t.string, t.special(t.string), t.content], class: "y-text" },
  { tag: [t.number, t.bool, t.null, t.keyword, t.atom], class: "y-word" },
  { tag: t.comment, class: "y-comment" },
  { tag: [t.meta, t.punctuation, t.separator, t.labelName, t.typeName], class: "y-mark" },
])

/** {{ … }} inside texts. */
const mark = cm.Decoration.mark({ class: "y-template" })
const templates = cm.EditorView.decorations.compute(["doc"], state => {
  const found = []
  for (const match of state.doc.toString().matchAll(/\{\{[\s\S]{0,2000}?\}\}|\{%[\s\S]{0,2000}?%\}/g)) found.push(mark.range(match.index, match.index + match[0].length))
  return cm.RangeSet.of(found)
})

/** What every editor of a flow has; `more` comes first. */
export function basics({ readonly = false, nonce = "", changed = () => {} }, ...more) {
  return [
    ...more, cm.EditorView.cspNonce.of(nonce),
    cm.lineNumbers(), cm.foldGutter(), cm.lintGutter(), cm.history(), cm.drawSelection(), cm.dropCursor(), cm.highlightSpecialChars(),
    cm.highlightActiveLine(), cm.highlightActiveLineGutter(), cm.bracketMatching(), cm.closeBrackets(), cm.indentOnInput(), cm.indentUnit.of("  "),
    cm.highlightSelectionMatches(), cm.yaml(), cm.syntaxHighlighting(colours), templates,
    cm.EditorState.readOnly.of(readonly), cm.EditorState.tabSize.of(2),
    cm.EditorView.contentAttributes.of({ "aria-label": "Source of the flow, YAML", tabindex: "0" }),
    cm.keymap.of([...cm.completionKeymap, ...cm.closeBracketsKeymap, ...cm.searchKeymap, ...cm.lintKeymap, ...cm.foldKeymap, ...cm.historyKeymap, ...cm.defaultKeymap, cm.indentWithTab]),
    cm.EditorView.updateListener.of(update => { if (update.docChanged) changed(update) }),
  ]
}

/** Violations as the server tells them, at their lines. */
export function diagnostics(doc, errors) {
  return errors.map(error => {
    const at = doc.line(Math.min(Math.max(1, error.line ?? 1), doc.lines))
    const from = Math.min(at.to, at.from + Math.max(0, (error.column ?? 1) - 1))
    return { from: from === at.to ? at.from : from, to: at.to, severity: error.severity ?? "error", message: told(error) }
  })
}

export const told = ({ message, path }) => path && !message.includes(path) ? `${path}: ${message}` : message

export function goLine(view, number) {
  const line = view.state.doc.line(Math.min(Math.max(1, number), view.state.doc.lines))
  view.dispatch({ selection: { anchor: line.from + line.text.search(/\S|$/) }, effects: cm.EditorView.scrollIntoView(line.from, { y: "center" }) })
  view.focus()
}
