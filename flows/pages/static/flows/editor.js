// The editor of a flow: checked by the server while one types, drawn beside the text, saved as a revision.
import * as cm from "../vendor/codemirror.js"
import { request, toast } from "../site/base.js"
import { coalesce } from "../site/live.js"
import { basics, colours, diagnostics, goLine, told } from "./code.js"
import { complete, help } from "./words.js"
import { Topology } from "./topology.js"

const start = JSON.parse(document.getElementById("editor-data").textContent)
const box = document.getElementById("editor")
const verdict = document.getElementById("verdict")
const problems = document.getElementById("problems")
const saved = document.getElementById("source").value
const nonce = document.querySelector("script[nonce]")?.nonce ?? ""
const words = request("/flows/editor/words").then(answer => answer.json())

function extensions() {
  return basics({ readonly: Boolean(start.readonly), nonce, changed: check },
    cm.keymap.of([{ key: "Mod-s", preventDefault: true, run: () => { save(); return true } }]),
    cm.autocompletion({ override: [async context => complete(context, await words)], icons: false }),
    cm.hoverTooltip(async (view, at) => tooltip(view.state, at, await words)))
}

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
  showProblems(checked.errors, checked.warnings)
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

function showProblems(errors, warnings = []) {
  const all = [...errors, ...warnings.map(warning => ({ ...warning, severity: "warning" }))]
  view.dispatch(cm.setDiagnostics(view.state, diagnostics(view.state.doc, all)))
  if (errors.length) tell("failed", errors.length === 1 ? "1 problem" : `${errors.length} problems`)
  else if (warnings.length) tell("warning", warnings.length === 1 ? "Valid, 1 warning" : `Valid, ${warnings.length} warnings`)
  else tell("success", "Valid")
  document.getElementById("topology").classList.toggle("stale", errors.length > 0)
  problems.replaceChildren(...all.map(error => {
    const line = error.line
    const button = document.createElement("button")
    button.type = "button"
    const place = button.appendChild(document.createElement("b"))
    place.textContent = `Line ${line ?? 1}`
    button.append(` ${told(error)}`)
    button.addEventListener("click", () => goLine(view, line ?? 1))
    return button
  }))
  problems.hidden = !all.length
}

function tell(state, text) {
  verdict.className = `state s-${state}`
  verdict.innerHTML = `<svg class="icon" aria-hidden="true"><use href="#i-${state}"/></svg>`
  verdict.append(text)
}

function goTo(task) {
  const wanted = new RegExp(`^\\s*(?:- )*id:\\s*["']?${task.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}["']?\\s*(?:#.*)?$`, "m")
  const found = wanted.exec(view.state.doc.toString())
  if (found) goLine(view, view.state.doc.lineAt(found.index + found[0].search(/\S/)).number)
}

const view = new cm.EditorView({
  parent: box,
  state: cm.EditorState.create({ doc: saved, extensions: extensions() }),
})

const saveButton = document.getElementById("save")
let left = false
async function save() {
  if (!saveButton || saveButton.disabled) return
  if (checked?.errors.length && checked.text === view.state.doc.toString()) {
    toast(`Not saved: there ${checked.errors.length === 1 ? "is 1 problem" : `are ${checked.errors.length} problems`} to mend first.`, "error")
    goLine(view, checked.errors[0].line ?? 1)
    return
  }
  saveButton.disabled = true
  const query = start.new ? "" : `?base=${start.revision}&namespace=${encodeURIComponent(start.namespace)}&id=${encodeURIComponent(start.id)}`
  try {
    const answer = await fetch(`/flows/editor/save${query}`, { method: "POST", body: view.state.doc.toString(), headers: { "X-CSRFToken": JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"] } })
    const found = await answer.json().catch(() => ({ message: `The server answered ${answer.status}. Copy your text, reload the page, and try again.` }))
    if (answer.ok) { left = true; location.href = found.location; return }
    if (found.errors?.length) { showProblems(found.errors); goLine(view, found.errors[0].line ?? 1) }
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
    cm.EditorView.cspNonce.of(nonce), cm.lineNumbers(), cm.yaml(), cm.syntaxHighlighting(colours), cm.EditorState.readOnly.of(true),
    cm.unifiedMergeView({ original: saved, mergeControls: false, collapseUnchanged: { margin: 3, minSize: 6 } })] }) })
  document.getElementById("changes").showModal()
})
check()
if (!start.readonly && innerWidth > 900) view.focus()
