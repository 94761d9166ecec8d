// What every page does: theme, times that tick, keyboard, dialogs, toasts. Knows nothing of flows or executions.

export function durationText(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const s = Math.floor(ms / 1000)
  if (s < 3600) return `${Math.floor(s / 60)} m ${s % 60} s`
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} m`
  return `${Math.floor(s / 86_400)} d ${Math.floor(s % 86_400 / 3600)} h`
}

export function agoText(date) {
  const ms = Date.now() - date
  const size = Math.abs(ms) / 1000
  if (size < 10) return "now"
  const unit = size < 60 ? `${Math.floor(size)} s` : size < 3600 ? `${Math.floor(size / 60)} m`
    : size < 86_400 ? `${Math.floor(size / 3600)} h` : `${Math.floor(size / 86_400)} d`
  return ms > 0 ? `${unit} ago` : `in ${unit}`
}

export const exactTime = date => date.toLocaleString(undefined, {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
  fractionalSecondDigits: 3, timeZoneName: "short",
})

export function toast(text, kind = "") {
  const note = document.createElement("p")
  note.className = `toast ${kind}`
  note.textContent = text
  document.getElementById("toasts").append(note)
  setTimeout(() => note.remove(), kind === "error" ? 12_000 : 5000)
}

export const csrf = () => JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"]

/** Same-origin request; a failed one becomes an Error whose message can be shown. */
export async function request(url, options = {}) {
  const headers = { ...(options.method && options.method !== "GET" ? { "X-CSRFToken": csrf() } : {}), ...options.headers }
  const answer = await fetch(url, { ...options, headers })
  if (answer.ok) return answer
  let message = `${answer.status} ${answer.statusText}`
  try { message = (await answer.json()).message || message } catch { /* no JSON body: the status must do */ }
  if (answer.status === 403 || answer.redirected) message = "You may not do this, or your session has ended. Log in again."
  throw new Error(message)
}

function tick() {
  for (const node of document.querySelectorAll("[data-since]")) {
    const text = durationText(Date.now() - new Date(node.dataset.since))
    if (node.textContent !== text) node.textContent = text
  }
  for (const node of document.querySelectorAll("time[data-ago]")) {
    const date = new Date(node.dateTime)
    const text = agoText(date)
    if (node.textContent !== text) node.textContent = text
    if (!node.dataset.local) { node.title = exactTime(date); node.dataset.local = "1" }
  }
}

function clocks() {
  for (const node of document.querySelectorAll("time[data-clock]")) {
    const date = new Date(node.dateTime)
    const time = date.toTimeString().slice(0, 8)
    const today = date.toDateString() === new Date().toDateString()
    const text = today ? time : `${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")} ${time}`
    if (node.textContent !== text) node.textContent = text
    if (!node.title) node.title = exactTime(date)
  }
  for (const node of document.querySelectorAll("[data-hour]")) {
    const text = new Date(node.dataset.hour).toTimeString().slice(0, 5)
    if (node.textContent !== text) node.textContent = text
  }
}

function rows() { return [...document.querySelectorAll("[data-row]")].filter(row => row.offsetParent) }

function moveRow(step) {
  const all = rows()
  if (!all.length) return
  const here = all.findIndex(row => row.classList.contains("selected"))
  const next = all[Math.min(all.length - 1, Math.max(0, here + step))] ?? all[0]
  all[here]?.classList.remove("selected")
  next.classList.add("selected")
  next.querySelector("a[href]")?.focus({ preventScroll: true })
  next.scrollIntoView({ block: "nearest" })
}

const PLACES = { h: "/", f: "/flows", e: "/executions", l: "/logs", s: "/system" }
let going = 0

function onKey(event) {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable], .cm-editor")
  if (event.key === "Escape" && typing && !event.target.closest(".cm-editor")) { event.preventDefault(); event.target.blur(); return } // a search stays as it is
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return
  if (going && performance.now() - going < 1200 && PLACES[event.key]) { going = 0; location.href = PLACES[event.key]; return }
  going = 0
  if (event.key === "g") { going = performance.now(); return }
  const actions = { j: () => moveRow(1), k: () => moveRow(-1), "?": () => document.getElementById("help").showModal(),
    "/": () => document.querySelector("[data-search]")?.focus() }
  const action = actions[event.key]
  if (action) { event.preventDefault(); action() }
}

function onClick(event) {
  const target = event.target
  if (target.closest("[data-theme-toggle]")) toggleTheme()
  if (target.closest("[data-help]")) document.getElementById("help").showModal()
  const opener = target.closest("[data-dialog]")
  if (opener) document.getElementById(opener.dataset.dialog)?.showModal()
  if (target.closest("[data-close]")) target.closest("dialog")?.close()
  const copier = target.closest("[data-copy]")
  if (copier) copy(copier.dataset.copy)
  const whole = target.closest("[data-copy-text]")
  if (whole) copy([...document.querySelector(whole.dataset.copyText).children].map(line => line.textContent).join("\n"))
  for (const menu of document.querySelectorAll("[data-menu][open]")) if (!menu.contains(target) || target.closest(".menu-body :is(a, button)")) menu.open = false
}

async function copy(text) {
  const value = text.startsWith("/") ? location.origin + text : text
  try { await navigator.clipboard.writeText(value); toast("Copied") } catch { prompt("Copy this:", value) }
}

function toggleTheme() {
  const root = document.documentElement
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches
  root.dataset.theme = dark ? "light" : "dark"
  localStorage.setItem("theme", root.dataset.theme)
}

document.addEventListener("keydown", onKey)
document.addEventListener("click", onClick)
document.addEventListener("htmx:responseError", event => {
  const answer = event.detail.xhr
  let message = `The server answered ${answer.status}.`
  try { message = JSON.parse(answer.responseText).message } catch { /* not JSON */ }
  toast(answer.status === 401 || answer.status === 403 ? "Your session has ended or you may not do this. Log in again." : message, "error")
})
document.addEventListener("htmx:sendError", () => toast("The server cannot be reached. Check that it runs, then try again.", "error"))
/** Rows to fill in: when the last one is used, an empty one comes below. */
document.addEventListener("input", event => {
  const row = event.target.closest("[data-rows] > *")
  if (!row || row.nextElementSibling || !event.target.value) return
  const next = row.cloneNode(true)
  for (const field of next.querySelectorAll("input")) field.value = ""
  row.after(next)
})
document.addEventListener("change", event => { if (event.target.matches("[data-autosubmit]")) event.target.form.requestSubmit() })
for (const zone of document.querySelectorAll("[data-zone]")) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone
tick()
clocks()
setInterval(() => { tick(); clocks() }, 1000)
