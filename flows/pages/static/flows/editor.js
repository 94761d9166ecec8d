// The editor of a flow: checked by the server while one types, drawn beside the text, saved as a revision.
import * as cm from "../vendor/codemirror.js"
import { request, toast } from "../site/base.js"
import { coalesce } from "../site/live.js"
import { complete, help } from "./words.js"
import { Topology } from "./topology.js"

const start = JSON.parse(document.getElementById("editor-data").textContent)
const box = document.getElementById("editor")
const verdict = document.getElementById("verdict")
const problems = document.getElementById("problems")
const saved = document.getElementById("source").value
const words = request("/flows/editor/words").then(answer => answer.json())

function extensions() {
  const nonce = document.querySelector("script[nonce]")?.nonce
  return [
    cm.EditorView.cspNonce.of(nonce ?? ""),
    cm.lineNumbers(), cm.foldGutter(), cm.lintGutter(), cm.history(), cm.drawSelection(), cm.dropCursor(), cm.highlightSpecialChars(),
    cm.highlightActiveLine(), cm.highlightActiveLineGutter(), cm.bracketMatching(), cm.closeBrackets(), cm.indentOnInput(), cm.indentUnit.of("  "),
    cm.highlightSelectionMatches(), cm.yaml(), cm.syntaxHighlighting(colours), theme, templates,
    cm.EditorState.readOnly.of(Boolean(start.readonly)),
    cm.EditorView.contentAttributes.of({ "aria-label": "Source of the flow, YAML" }),
    cm.autocompletion({ override: [async context => complete(context, await words)], icons: false }),
    cm.hoverTooltip(async (view, at) => tooltip(view.state, at, await words)),
    cm.keymap.of([{ key: "Mod-s", preventDefault: true, run: () => { save(); return true } }, ...cm.completionKeymap, ...cm.closeBracketsKeymap, ...cm.searchKeymap, ...cm.lintKeymap, ...cm.foldKeymap, ...cm.historyKeymap, ...cm.defaultKeymap, cm.indentWithTab]),
    cm.EditorView.updateListener.of(update => { if (update.docChanged) check() }),
    cm.EditorState.tabSize.of(2),
  ]
}

const t = cm.tags
const colours = cm.HighlightStyle.define([
  { tag: [t.propertyName, t.definition(t.propertyName)], class: "y-key" },
  { tag: [t.string, t.special(t.string), t.content], class: "y-text" },
  { tag: [t.number, t.bool, t.null, t.keyword, t.atom], class: "y-word" },
  { tag: t.comment, class: "y-comment" },
  { tag: [t.meta, t.punctuation, t.separator, t.labelName, t.typeName], class: "y-mark" },
])
const theme = cm.EditorView.theme({})

/** {{ … }} inside texts. */
const mark = cm.Decoration.mark({ class: "y-template" })
const templates = cm.EditorView.decorations.compute(["doc"], state => {
  const found = []
  for (const match of state.doc.toString().matchAll(/\{\{[\s\S]{0,2000}?\}\}|\{%[\s\S]{0,2000}?%\}/g)) found.push(mark.range(match.index, match.index + match[0].length))
  return cm.RangeSet.of(found)
})

const view = new cm.EditorView({
  parent: box,
  state: cm.EditorState.create({ doc: saved, extensions: extensions() }),
})

function tooltip(state, at, known) {
  const found = help(state, at, known)
  if (!found) return null
  return { pos: found.from, end: found.to, above: true, create() {
    const dom = document.createElement("div")
    dom.className = "y-help"
    for (const [kind, text] of found.lines) {
      const line = dom.appendChild(document.createElement(kind === "title" ? "b" : "p"))
      line.className = kind
      line.textContent = text
    }
    return { dom }
  } }
}

const tree = tasks => new Map(tasks.map(([id, type, parent, branch, position, needs]) => [id, { id, type, parent, branch, position, needs }]))
let shownTree = ""
let checked = null

const check = coalesce(async () => {
  const text = view.state.doc.toString()
  try { checked = { text, ...await (await request("/flows/editor/check", { method: "POST", body: text })).json() } }
  catch (error) { tell("warning", error.message); return }
  if (view.state.doc.toString() !== text) return // newer text is on its way
  showProblems(checked.errors)
  if (checked.tree) draw(checked.tree)
}, 200)

function draw(found) {
  const shown = JSON.stringify(found)
  document.getElementById("topology-note").hidden = true
  document.getElementById("topology").classList.remove("stale")
  if (shown === shownTree) return
  shownTree = shown
  new Topology(document.getElementById("topology"), tree(found), goTo)
}

function showProblems(errors) {
  const doc = view.state.doc
  const diagnostics = errors.map(({ message, path, line, column }) => {
    const at = doc.line(Math.min(Math.max(1, line ?? 1), doc.lines))
    const from = Math.min(at.to, at.from + Math.max(0, (column ?? 1) - 1))
    return { from: from === at.to ? at.from : from, to: at.to, severity: "error", message: path && !message.includes(path) ? `${path}: ${message}` : message }
  })
  view.dispatch(cm.setDiagnostics(view.state, diagnostics))
  tell(errors.length ? "failed" : "success", errors.length === 0 ? "Valid" : errors.length === 1 ? "1 problem" : `${errors.length} problems`)
  document.getElementById("topology").classList.toggle("stale", errors.length > 0)
  problems.replaceChildren(...errors.map(({ message, path, line }) => {
    const button = document.createElement("button")
    button.type = "button"
    const place = button.appendChild(document.createElement("b"))
    place.textContent = `Line ${line ?? 1}`
    button.append(` ${path && !message.includes(path) ? `${path}: ` : ""}${message}`)
    button.addEventListener("click", () => goLine(line ?? 1))
    return button
  }))
  problems.hidden = !errors.length
}

function tell(state, text) {
  verdict.className = `state s-${state}`
  verdict.innerHTML = `<svg class="icon" aria-hidden="true"><use href="#i-${state}"/></svg>`
  verdict.append(text)
}

function goLine(number) {
  const line = view.state.doc.line(Math.min(Math.max(1, number), view.state.doc.lines))
  view.dispatch({ selection: { anchor: line.from + line.text.search(/\S|$/) }, effects: cm.EditorView.scrollIntoView(line.from, { y: "center" }) })
  view.focus()
}

function goTo(task) {
  const wanted = new RegExp(`^\\s*(?:- )*id:\\s*["']?${task.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}["']?\\s*(?:#.*)?$`, "m")
  const found = wanted.exec(view.state.doc.toString())
  if (found) goLine(view.state.doc.lineAt(found.index + found[0].search(/\S/)).number)
}

const saveButton = document.getElementById("save")
let left = false
async function save() {
  if (!saveButton || saveButton.disabled) return
  saveButton.disabled = true
  const query = start.new ? "" : `?base=${start.revision}&namespace=${encodeURIComponent(start.namespace)}&id=${encodeURIComponent(start.id)}`
  try {
    const answer = await fetch(`/flows/editor/save${query}`, { method: "POST", body: view.state.doc.toString(), headers: { "X-CSRFToken": JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"] } })
    const found = await answer.json().catch(() => ({ message: `The server answered ${answer.status}. Copy your text, reload the page, and try again.` }))
    if (answer.ok) { left = true; location.href = found.location; return }
    if (found.errors?.length) { showProblems(found.errors); goLine(found.errors[0].line ?? 1) }
    toast(found.message, "error")
  } catch { toast("The server cannot be reached: nothing was saved. Your text is still here; try again.", "error") }
  saveButton.disabled = false
}
saveButton?.addEventListener("click", save)
addEventListener("beforeunload", event => { if (!left && !start.readonly && view.state.doc.toString() !== saved) event.preventDefault() })

document.getElementById("show-changes")?.addEventListener("click", () => {
  const place = document.getElementById("changes-view")
  place.replaceChildren()
  new cm.EditorView({ parent: place, state: cm.EditorState.create({ doc: view.state.doc, extensions: [
    cm.EditorView.cspNonce.of(document.querySelector("script[nonce]")?.nonce ?? ""), cm.lineNumbers(), cm.yaml(), cm.syntaxHighlighting(colours), cm.EditorState.readOnly.of(true),
    cm.unifiedMergeView({ original: saved, mergeControls: false, collapseUnchanged: { margin: 3, minSize: 6 } })] }) })
  document.getElementById("changes").showModal()
})
check()
if (!start.readonly && innerWidth > 900) view.focus()
