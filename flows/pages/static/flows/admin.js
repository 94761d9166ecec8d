// The source field of a flow in the administration: the editor, checked while one types; the form still sends the text.
import * as cm from "../vendor/codemirror.js"
import { basics, diagnostics } from "./code.js"

const field = document.querySelector("textarea[data-flow-source]")
if (field) {
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value
  const box = document.createElement("div")
  box.className = "admin-code"
  field.before(box)
  field.hidden = true
  field.required = false
  let timer, asked = 0
  const view = new cm.EditorView({ parent: box, state: cm.EditorState.create({ doc: field.value, extensions: basics({ changed }) }) })

  function changed() {
    field.value = view.state.doc.toString()
    clearTimeout(timer)
    timer = setTimeout(check, 250)
  }

  async function check() {
    const mine = ++asked
    const answer = await fetch("/flows/editor/check", { method: "POST", body: view.state.doc.toString(), headers: { "X-CSRFToken": token } }).catch(() => null)
    if (!answer?.ok || mine !== asked) return // saving tells
    view.dispatch(cm.setDiagnostics(view.state, diagnostics(view.state.doc, (await answer.json()).errors)))
  }
  check()
}
