// Lists that move: on a hint the server renders the part again and it is morphed in place. Choosing many rows.
import { follow, coalesce } from "../site/live.js"

const part = document.querySelector("[data-live]")
let editing = () => document.querySelector("dialog[open]")

if (part) {
  const refresh = coalesce(async () => {
    if (document.hidden || editing()) return
    const url = part.dataset.refresh ?? location.pathname + location.search
    const answer = await fetch(url, { headers: { "HX-Request": "true", "HX-Target": part.id } })
    if (!answer.ok || answer.redirected) return
    Idiomorph.morph(part, await answer.text(), { morphStyle: "innerHTML", ignoreActiveValue: true, callbacks: { beforeAttributeUpdated: keep } })
    window.htmx?.process(part)
    restore()
  }, Number(part.dataset.pause ?? 700))
  follow(part.dataset.live, refresh, { slowly: Number(part.dataset.slowly ?? 10_000) })
  document.addEventListener("visibilitychange", refresh)
}

// What the reader chose stays chosen when rows move.
const picked = new Set()
const MOST = 1000 // what the server does at once
let everything = 0 // how many when all that match were chosen, beyond this page
function keep(name, node) { return !(name === "class" && node.matches?.("tr")) && !(name === "open") }

function restore() {
  for (const box of document.querySelectorAll("[data-pick]")) box.checked = picked.has(box.value)
  const bar = document.getElementById("bulk")
  if (!bar) return
  const rows = document.querySelectorAll("[data-pick]").length
  const total = Math.min(Number(bar.dataset.total), MOST)
  if (everything) everything = total
  bar.hidden = picked.size === 0
  bar.querySelector("[data-bulk-count]").textContent = `${everything || picked.size} chosen`
  bar.querySelector("[data-bulk-every]").hidden = Boolean(everything) || picked.size < rows || total <= rows
}

const TEXTS = {
  kill: n => [`Kill ${n} execution${n > 1 ? "s" : ""}?`, "Their running tasks are ended; what they already did stays done.", `Kill ${n}`],
  restart: n => [`Restart ${n} execution${n > 1 ? "s" : ""}?`, "Failed tasks run again; tasks that succeeded are kept.", `Restart ${n}`],
  replay: n => [`Replay ${n} execution${n > 1 ? "s" : ""}?`, "For each a new execution with the same inputs starts from the beginning.", `Replay ${n}`],
  delete: n => [`Delete ${n} execution${n > 1 ? "s" : ""}?`, "Their task runs, logs, metrics and files go with them. This cannot be undone.", `Delete ${n}`],
  resume: n => [`Resume ${n} execution${n > 1 ? "s" : ""}?`, "Paused ones go on. Those that ask for inputs must be resumed one by one.", `Resume ${n}`],
}

document.addEventListener("change", event => {
  const box = event.target
  if (box.matches("[data-pick], [data-all]")) everything = 0
  if (box.matches("[data-pick]")) box.checked ? picked.add(box.value) : picked.delete(box.value)
  if (box.matches("[data-all]")) for (const other of document.querySelectorAll("[data-pick]")) {
    other.checked = box.checked
    box.checked ? picked.add(other.value) : picked.delete(other.value)
  }
  restore()
})

document.addEventListener("click", event => {
  if (event.target.closest("[data-bulk-clear]")) { picked.clear(); everything = 0; restore() }
  if (event.target.closest("[data-bulk-every]")) { everything = 1; restore() }
  const button = event.target.closest("[data-bulk]")
  if (!button) return
  const dialog = document.getElementById("bulk-dialog")
  const [title, text, go] = TEXTS[button.dataset.bulk](everything || picked.size)
  dialog.querySelector("h2").textContent = title
  dialog.querySelector("[data-bulk-text]").textContent = text
  dialog.querySelector("[data-bulk-go]").textContent = go
  dialog.querySelector("[name=action]").value = button.dataset.bulk
  dialog.querySelector("[name=ids]").value = [...picked].join(" ")
  dialog.querySelector("[name=everything]").value = everything ? "yes" : ""
  dialog.querySelector("[name=query]").value = location.search
  dialog.querySelector("[name=back]").value = location.pathname + location.search
  dialog.showModal()
})
document.addEventListener("htmx:afterSwap", restore)

// Which columns are shown is remembered in this browser.
const boxes = [...document.querySelectorAll("[data-column]")]
if (boxes.length) {
  const hidden = new Set((localStorage.getItem("hidden-columns") ?? "").split(" ").filter(Boolean))
  const show = () => { part.dataset.hide = [...hidden].join(" ") }
  for (const box of boxes) {
    box.checked = !hidden.has(box.dataset.column)
    box.addEventListener("change", () => {
      box.checked ? hidden.delete(box.dataset.column) : hidden.add(box.dataset.column)
      localStorage.setItem("hidden-columns", [...hidden].join(" "))
      show()
    })
  }
  show()
}
