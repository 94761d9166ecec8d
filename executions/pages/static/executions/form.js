// A form of inputs that is checked by the server while it is filled in: what is asked for, what is wrong, what comes of it.
import { request } from "../site/base.js"
import { coalesce } from "../site/live.js"

const form = document.querySelector("form[data-check]")
const preview = document.getElementById("preview")
const touched = new Set()

const check = coalesce(async () => {
  const body = new FormData(form)
  for (const [name, value] of [...body]) if (value instanceof File) { body.delete(name); if (value.name) body.set(`file:${name.slice(3)}`, value.name) }
  let found
  try { found = (await (await request(form.dataset.check, { method: "POST", body })).json()).inputs } catch { return } // the submit tells
  for (const one of found) show(one)
  if (preview) list(found)
}, 150)

function show({ id, enabled, error, given }) {
  const field = form.querySelector(`[data-input="${CSS.escape(id)}"]`)
  if (!field) return
  field.hidden = !enabled
  for (const control of field.querySelectorAll("input, select, textarea")) control.disabled = !enabled
  const told = error && (touched.has(id) || given) ? error : ""
  const place = field.querySelector("[data-error]")
  if (place.textContent !== told) place.textContent = told
  field.classList.toggle("wrong", Boolean(told))
}

function list(found) {
  const rows = document.createElement("dl")
  rows.className = "facts mono"
  for (const { id, enabled, error, value } of found) {
    if (!enabled) continue
    const name = rows.appendChild(document.createElement("dt"))
    name.textContent = id
    const shown = rows.appendChild(document.createElement("dd"))
    shown.textContent = error ? (touched.has(id) ? "does not fit" : "to be given") : value === null ? "none" : typeof value === "string" ? value : JSON.stringify(value, null, 1)
    if (error) shown.className = touched.has(id) ? "error-text" : "muted"
    else if (value === null) shown.className = "muted"
  }
  if (rows.children.length) preview.replaceChildren(rows)
}

for (const control of form.querySelectorAll("[data-moment]")) {
  const date = new Date(control.dataset.moment)
  if (!control.dataset.moment || isNaN(date)) continue
  control.value = new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}
form.addEventListener("input", check)
form.addEventListener("change", event => { touch(event.target); check() })
form.addEventListener("focusout", event => { if (event.target.matches("input, textarea, select") && event.target.value) touch(event.target) })
form.addEventListener("submit", () => { for (const button of form.querySelectorAll("button")) setTimeout(() => { button.disabled = true }) })
addEventListener("pageshow", () => { for (const button of form.querySelectorAll("button")) if (!button.hasAttribute("data-off")) button.disabled = false })
function touch(control) { const id = control.closest("[data-input]")?.dataset.input; if (id) touched.add(id) }
check()
