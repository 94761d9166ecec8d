// The execution page: one stream of hints, deltas by version, and the parts that show them.
import { request, toast } from "../site/base.js"
import { coalesce, follow } from "../site/live.js"
import { Model } from "./model.js"
import { Timeline } from "./timeline.js"
import { LogView } from "./log.js"
import { Topology } from "../flows/topology.js"

const start = JSON.parse(document.getElementById("execution-data").textContent)
const base = `/executions/${start.id}`
const model = new Model(start)
const detail = document.getElementById("detail")
const head = document.getElementById("head")
let selected = start.selected
let shownState = start.state
let shownRun = "" // what the detail pane shows: run id and its state
let logView = null
let firstAttempt = start.attempt // the attempt in the address
let stream = null
let loaded = start.complete
let line = start.line // the log line in the address

const timeline = new Timeline(document.getElementById("timeline"), model, id => select(id))
let topology = null

function select(id, { push = true, reveal = false } = {}) {
  selected = id || null
  timeline.select(selected, { reveal })
  topology?.select(model.runs.get(selected)?.task)
  if (push) history.pushState({ run: selected }, "", selected ? `${base}?run=${selected}` : base)
  showDetail()
}

/** Fetches the pane of the selected run when another run, or another state of it, is to be shown. */
const showDetail = coalesce(async () => {
  const run = selected ? model.runs.get(selected) : null
  if (selected && !run && loaded) { replaceDetail(`<div class="empty"><p>This task run is not there any more: a restart may have replaced it.</p></div>`); shownRun = selected; return }
  const wanted = selected ? `${selected} ${run?.state} ${run?.history.length}` : `execution ${model.state}`
  if (wanted === shownRun) return
  const same = shownRun.split(" ")[0] === wanted.split(" ")[0]
  try {
    const html = await (await request(`${base}/detail${selected ? `?run=${selected}` : ""}`)).text()
    shownRun = wanted
    same ? morphDetail(html) : replaceDetail(html)
  } catch (error) {
    if (!same) { detail.innerHTML = `<div class="empty"></div>`; detail.firstChild.textContent = error.message }
    shownRun = wanted
  }
}, 50)

function replaceDetail(html) {
  logView?.close()
  detail.innerHTML = html
  mountLog()
  loadOpened()
}

/** Parts that cost the server something are fetched when they are opened. */
async function loadOpened() {
  for (const part of detail.querySelectorAll("details[data-lazy][open]")) {
    if (part.dataset.loaded === shownRun) continue
    part.dataset.loaded = shownRun
    const body = part.querySelector("[data-lazy-body]")
    try { body.innerHTML = await (await request(part.dataset.lazy)).text() } catch (error) { body.textContent = error.message }
  }
}
detail.addEventListener("toggle", loadOpened, true)

/** The same run in a new state: its log and what the reader opened stay as they are. */
function morphDetail(html) {
  Idiomorph.morph(detail, html, { morphStyle: "innerHTML", callbacks: {
    beforeNodeMorphed: node => !node.classList?.contains("log") && !node.classList?.contains("eval-result") && !node.hasAttribute?.("data-lazy-body") && node.tagName !== "FORM",
    beforeAttributeUpdated: name => name !== "open",
  } })
  logView?.load()
  loadOpened()
}

function mountLog() {
  const box = detail.querySelector("[data-log]")
  logView = box ? new LogView(box, { url: box.dataset.log, download: box.dataset.download, tasks: !selected, line, attempt: firstAttempt, address: selected ? `${base}?run=${selected}` : base }) : null
  line = 0
  firstAttempt = null
}

function redraw() {
  timeline.update()
  topology?.colour(model.byTask)
  const count = model.runs.size
  document.getElementById("run-count").textContent = `${count} task run${count === 1 ? "" : "s"}`
}

const refresh = coalesce(async () => {
  const since = model.version
  let after = 0, first = null, complete = false
  while (!complete) {
    const found = await (await request(`${base}/changes?since=${since}&after=${after}&state=${shownState}`)).json()
    if (!first && found.anew) model.clear()
    first ??= found
    for (const row of found.runs) model.take(row)
    if (found.head) showHead(found.head, found.state)
    complete = found.complete
    after = found.runs.at(-1)?.[5] ?? after
    if (!complete) redraw()
  }
  model.apply({ ...first, runs: [] }) // what changed while batches came is newer than the first: asked for next time
  redraw()
  showDetail()
  logView?.load()
}, 30)

function showHead(html, state) {
  Idiomorph.morph(head, html, { morphStyle: "innerHTML" })
  shownState = state
  document.title = document.title.replace(/ · [^·]+ · /, ` · ${state.charAt(0) + state.slice(1).toLowerCase()} · `)
}

async function loadRest() {
  let complete = false
  let after = 0
  if (model.runs.size) after = model.lastSeq
  while (!complete) {
    const found = await (await request(`${base}/runs?after=${after}`)).json()
    for (const row of found.runs) model.take(row)
    complete = found.complete
    after = found.runs.at(-1)?.[5] ?? after
    redraw()
  }
}

async function loadAll() {
  if (!start.complete) await loadRest()
  loaded = true
  stream = follow(`execution.${start.id}`, hint => hint?.type === "log" ? logView?.load() : refresh(), { slowly: 5000 })
}

// The banner tells why it waits; that may change without a new state.
setInterval(async () => {
  if (model.ended || document.hidden) return
  try { showHead(await (await request(`${base}/head`)).text(), model.state) } catch { /* the stream tells when it is away */ }
}, 5000)
setInterval(() => { if (!model.ended && !document.hidden) timeline.draw() }, 250)

document.getElementById("run-filter").addEventListener("input", event => { timeline.filter = event.target.value; timeline.update() })
document.getElementById("only-bad").addEventListener("change", event => { timeline.onlyBad = event.target.checked; timeline.update() })
addEventListener("popstate", event => select(event.state?.run ?? new URLSearchParams(location.search).get("run"), { push: false, reveal: true }))

document.addEventListener("click", event => {
  const link = event.target.closest("[data-run]")
  if (link && !event.ctrlKey && !event.metaKey) { event.preventDefault(); select(link.dataset.run, { reveal: true }); if (innerWidth < 900) detail.scrollIntoView() }
  const attempt = event.target.closest("[data-attempt]")
  if (attempt && logView) {
    logView.only(Number(attempt.dataset.attempt))
    history.replaceState(history.state, "", `${base}?run=${selected}${logView.attempt === null ? "" : `&attempt=${logView.attempt}`}`)
  }
  const view = event.target.closest("[data-view]")
  if (view) showView(view.dataset.view)
})

/** An action: at once where nothing can be lost, else its dialog asks first. */
document.addEventListener("click", event => {
  const button = event.target.closest("[data-act]")
  if (!button || button.tagName === "A") return
  const dialog = document.getElementById(`act-${button.dataset.act}`)
  if (!dialog) { act(button.dataset.act, new FormData()); return }
  const from = dialog.querySelector("[name=from]")
  if (from) {
    from.value = button.dataset.from ?? ""
    for (const part of dialog.querySelectorAll("[data-whole]")) part.hidden = Boolean(from.value)
    for (const part of dialog.querySelectorAll("[data-part]")) part.hidden = !from.value
  }
  dialog.showModal()
})

document.addEventListener("submit", event => {
  const asked = event.target.closest("[data-eval]")
  if (asked) { event.preventDefault(); evaluate(asked) }
  const form = event.target.closest("[data-act-form]")
  if (!form) return
  event.preventDefault()
  form.closest("dialog").close()
  act(form.dataset.actForm, new FormData(form))
})

async function evaluate(form) {
  const result = form.parentElement.querySelector(".eval-result")
  try { result.innerHTML = await (await request(form.dataset.eval, { method: "POST", body: new FormData(form) })).text() } catch (error) { result.textContent = error.message }
}

async function act(name, body) {
  try {
    const found = await (await request(`${base}/${name}`, { method: "POST", body })).json()
    if (found.location) location.href = found.location
    else { toast(`${name.charAt(0).toUpperCase()}${name.slice(1)}: asked for.`); refresh() }
  } catch (error) { toast(error.message, "error") }
}

function showView(name) {
  for (const button of document.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", button.dataset.view === name)
  for (const pane of document.querySelectorAll("[data-pane]")) pane.hidden = pane.dataset.pane !== name
  for (const control of document.querySelectorAll("#run-filter, .runs .check")) control.hidden = name !== "timeline"
  localStorage.setItem("execution-view", name)
  if (name === "topology" && !topology) {
    topology = new Topology(document.getElementById("topology"), model.tree, chooseTask)
    topology.colour(model.byTask)
  }
  topology?.select(model.runs.get(selected)?.task)
  timeline.draw()
}

/** From a box of the topology to one of its runs: a bad one if there is any, else the newest. */
function chooseTask(task) {
  const all = [...model.runs.values()].filter(run => run.task === task)
  const run = all.find(r => r.state === "FAILED") ?? all.at(-1)
  if (run) select(run.id, { reveal: true })
  else toast(`${task} has not run.`)
}

if (selected) { select(selected, { push: false, reveal: true }) } else { shownRun = `execution ${model.state}`; mountLog() }
if (localStorage.getItem("execution-view") === "topology") showView("topology")
timeline.flatten()
if (selected) timeline.select(selected, { reveal: true })
redraw()
loadAll()
