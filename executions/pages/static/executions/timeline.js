// The tree of task runs with their bars on one time scale. Only the rows in sight exist in the document.
import { durationText } from "../site/base.js"
import { icon, isBad, isTerminal, stateIcon } from "../site/states.js"
import { pieces, span } from "./model.js"

const ROW = 28
const FOLD = 12 // groups with more runs than this are folded until somebody opens them

export class Timeline {
  constructor(box, model, onSelect) {
    Object.assign(this, { box, model, onSelect, open: new Map(), filter: "", onlyBad: false, selected: null, pool: [], rows: [] })
    box.replaceChildren()
    this.axis = element("div", "tl-axis")
    this.axis.setAttribute("aria-hidden", "true")
    this.scroller = element("div", "tl-scroll")
    this.scroller.tabIndex = 0
    this.scroller.setAttribute("role", "tree")
    this.scroller.setAttribute("aria-label", "Task runs")
    this.canvas = element("div", "tl-canvas")
    this.none = element("p", "muted tl-none")
    this.scroller.append(this.canvas, this.none)
    box.append(this.axis, this.scroller)
    this.scroller.addEventListener("scroll", () => this.draw(), { passive: true })
    this.scroller.addEventListener("click", event => this.click(event))
    this.scroller.addEventListener("keydown", event => this.key(event))
    new ResizeObserver(() => this.draw()).observe(this.scroller)
  }

  /** Something changed: flatten anew, draw at the next frame. */
  update() {
    if (this.queued) return
    this.queued = true
    requestAnimationFrame(() => { this.queued = false; this.flatten(); this.draw() })
  }

  flatten() {
    const rows = []
    const wanted = this.filter.toLowerCase()
    if (wanted || this.onlyBad) {
      for (const run of this.model.runs.values()) {
        if (this.onlyBad && !isBad(run.state)) continue
        if (wanted && !run.task.toLowerCase().includes(wanted) && !String(run.value ?? "").toLowerCase().includes(wanted)) continue
        rows.push({ run, depth: 0, key: run.id })
      }
    } else { this.walk(null, 0, rows); this.addComing(rows) }
    this.rows = rows
    this.none.hidden = rows.length > 0
    this.none.textContent = this.model.runs.size ? "No task run fits." : this.model.ended ? "No task ran." : "No task has started yet."
    this.canvas.style.height = `${rows.length * ROW}px`
    this.box.style.setProperty("--need", `${Math.max(4, rows.length) * ROW + 22}px`)
  }

  /** The flow's own tasks that have not started: what is still to come. */
  addComing(rows) {
    if (this.model.ended) return
    for (const task of this.model.tree.values()) {
      if (task.parent === null && task.branch === "tasks" && !this.model.byTask.has(task.id)) rows.push({ coming: task, depth: 0, key: `coming/${task.id}` })
    }
  }

  walk(parent, depth, rows) {
    const siblings = this.model.children.get(parent) ?? []
    const groups = [...this.model.groups.get(parent)?.values() ?? []]
    if (groups.length && siblings.length > groups.length) {
      for (const group of badFirst(groups, g => isBad(g.state))) {
        const key = `${parent}/${group.key}`
        const opened = this.isOpen(key, groups.length <= FOLD)
        rows.push({ group, depth, key, opened, foldable: true })
        if (opened) for (const run of group.runs) this.push(run, depth + 1, rows)
      }
      return
    }
    const many = siblings.length > FOLD
    for (const run of many ? badFirst(siblings, run => isBad(run.state)) : siblings) this.push(run, depth, rows)
  }

  push(run, depth, rows) {
    const count = this.model.children.get(run.id)?.length ?? 0
    const opened = count > 0 && this.isOpen(run.id, count <= FOLD)
    rows.push({ run, depth, key: run.id, count, opened, foldable: count > 0 })
    if (opened) this.walk(run.id, depth + 1, rows)
  }

  isOpen(key, otherwise) { return this.open.get(key) ?? otherwise }

  scale() {
    const until = Math.max(this.model.now(), 1)
    return { until, percent: ms => Math.min(100, Math.max(0, ms / until * 100)) }
  }

  draw() {
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW) - 4)
    const last = Math.min(this.rows.length, first + Math.ceil(this.scroller.clientHeight / ROW) + 8)
    const scale = this.scale()
    this.drawAxis(scale)
    for (let i = first; i < last; i++) this.drawRow(this.slot(i - first), this.rows[i], i, scale)
    for (let i = Math.max(0, last - first); i < this.pool.length; i++) this.pool[i].hidden = true
  }

  slot(number) {
    while (this.pool.length <= number) {
      const node = element("div", "tl-row")
      node.setAttribute("role", "treeitem")
      node.name = node.appendChild(element("div", "tl-name"))
      node.time = node.appendChild(element("div", "tl-time num"))
      node.lane = node.appendChild(element("div", "tl-lane"))
      this.pool.push(node)
      this.canvas.append(node)
    }
    return this.pool[number]
  }

  drawRow(node, row, index, scale) {
    node.hidden = false
    node.index = index
    node.style.top = `${index * ROW}px`
    const { run, group } = row
    node.id = `tl-${row.key}`
    node.classList.toggle("selected", Boolean(run) && run.id === this.selected)
    node.setAttribute("aria-level", row.depth + 1)
    node.setAttribute("aria-selected", run?.id === this.selected)
    node.setAttribute("aria-setsize", this.rows.length)
    node.setAttribute("aria-posinset", index + 1)
    if (row.foldable) node.setAttribute("aria-expanded", row.opened)
    else node.removeAttribute("aria-expanded")
    node.classList.toggle("coming", Boolean(row.coming))
    if (row.coming) { this.drawComing(node, row); return }
    const signature = `${row.key}|${row.depth}|${row.opened}|${run ? run.state + (run.value ?? "") : ""}|${this.summary(row)}`
    if (node.signature !== signature) { node.signature = signature; this.fillName(node.name, row) }
    const { from, to } = run ? span(run, this.model.now()) : groupSpan(group, this.model.now())
    const text = durationText(to - from)
    if (node.time.textContent !== text) node.time.textContent = text
    this.fillLane(node.lane, row, scale)
  }

  drawComing(node, { coming, key }) {
    if (node.signature !== key) {
      node.signature = key
      this.fillName(node.name, { run: { task: coming.id, state: "CREATED", value: null }, depth: 0 }, "to come")
      node.time.textContent = ""
      node.lane.replaceChildren()
    }
    node.classList.toggle("selected", key === this.selected)
  }

  fillName(box, { run, group, depth, opened, foldable, ...row }, said = null) {
    box.replaceChildren()
    box.style.paddingLeft = `${8 + depth * 16}px`
    const toggle = element("span", foldable ? `tl-toggle ${opened ? "open" : ""}` : "tl-toggle none")
    if (foldable) toggle.append(icon("chevron"))
    box.append(toggle)
    const state = run ? run.state : group.state
    const mark = element("span", `dot s-${state.toLowerCase()}`)
    mark.title = said ?? state.charAt(0) + state.slice(1).toLowerCase()
    mark.append(icon(stateIcon(state)))
    box.append(mark)
    const name = element("span", "tl-task")
    name.textContent = run ? run.task : `#${group.iteration ?? ""}`
    box.append(name)
    const value = run ? run.value : group.value
    const told = run && run.value !== null && (this.model.children.get(run.parent)?.length ?? 0) > (this.model.groups.get(run.parent)?.size ?? 0)
    if (value !== null && value !== undefined && (!told || this.filter || this.onlyBad)) {
      const chip = element("span", "tl-value")
      chip.textContent = value
      chip.title = value
      box.append(chip)
    }
    const summary = said ? "" : this.summary({ run, group, ...row })
    if (summary) { const note = element("span", "tl-summary"); note.textContent = summary; box.append(note) }
    if (run?.attempts?.length > 1) { const note = element("span", "tl-summary"); note.textContent = `${run.attempts.length} attempts`; box.append(note) }
    box.append(hidden(`, ${said ?? state.toLowerCase()}`))
  }

  /** "17 of 20, 1 failed" of a group of runs. */
  summary({ run, group, count }) {
    const counts = run ? this.model.groupTally.get(run.id) ?? (count > 3 ? this.model.tally.get(run.id) : null) : tally(group.runs)
    if (!counts) return ""
    if (group && isTerminal(group.state)) return ""
    const all = Object.values(counts).reduce((a, b) => a + b, 0)
    const done = Object.entries(counts).reduce((sum, [state, n]) => sum + (isTerminal(state) ? n : 0), 0)
    const bad = ["FAILED", "WARNING", "KILLED"].filter(state => counts[state]).map(state => `${counts[state]} ${state.toLowerCase()}`)
    return [`${done} of ${all}`, ...bad].join(", ")
  }

  fillLane(lane, { run, group }, scale) {
    const now = this.model.now()
    const bars = run ? runBars(run, this.model.states, now) : [{ ...groupSpan(group, now), kind: group.state, end: group.state }]
    while (lane.children.length > bars.length) lane.lastChild.remove()
    bars.forEach((bar, i) => {
      const node = lane.children[i] ?? lane.appendChild(element("span", ""))
      const state = (bar.end ?? bar.kind).toLowerCase()
      const name = `tl-bar ${bar.kind === "waiting" ? "waits" : bar.kind === "PAUSED" ? "pauses" : ""} s-${bar.kind === "waiting" ? "created" : state}`
      if (node.className !== name) node.className = name
      const left = scale.percent(bar.from)
      node.style.left = `${left}%`
      node.style.width = `max(2px, ${scale.percent(bar.to) - left}%)`
      node.title = `${bar.kind.toLowerCase()} ${durationText(bar.to - bar.from)}`
    })
  }

  drawAxis({ until, percent }) {
    const lane = this.pool[0]?.lane.clientWidth || 280
    const step = niceStep(until / Math.max(2, Math.floor(lane / 72)))
    const wanted = Math.floor(until / step) + 1
    while (this.axis.children.length > wanted) this.axis.lastChild.remove()
    for (let i = 0; i < wanted; i++) {
      const tick = this.axis.children[i] ?? this.axis.appendChild(element("span", "tl-tick num"))
      const text = i === 0 ? "0" : durationText(i * step).replace(".0 s", " s").replace(" m 0 s", " m").replace(" h 0 m", " h")
      if (tick.textContent !== text) tick.textContent = text
      const at = percent(i * step)
      tick.style.left = `calc(var(--lane) + (100% - var(--lane) - 12px) * ${at / 100})`
      tick.hidden = at / 100 * lane > lane - 44
    }
  }

  select(id, { reveal = false } = {}) {
    this.selected = id
    if (reveal && id) {
      for (let run = this.model.runs.get(id); run; run = this.model.runs.get(run.parent)) {
        if (run.parent) this.open.set(run.parent, true)
        if (run.value !== null) this.open.set(`${run.parent}/${run.iteration ?? run.value}`, true)
      }
      this.flatten()
      const index = this.rows.findIndex(row => row.key === id)
      if (index >= 0) this.into(index)
    }
    this.draw()
  }

  into(index) {
    const top = index * ROW
    const box = this.scroller
    if (top < box.scrollTop) box.scrollTop = top - ROW
    else if (top + ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + 2 * ROW - box.clientHeight
  }

  click(event) {
    const node = event.target.closest(".tl-row")
    if (!node) return
    const row = this.rows[node.index]
    if (event.target.closest(".tl-toggle") || row.group) this.toggle(row)
    if (row.run && !event.target.closest(".tl-toggle:not(.none)")) this.choose(node.index)
  }

  toggle(row) {
    if (!row.foldable) return
    this.open.set(row.key, !row.opened)
    this.flatten()
    this.draw()
  }

  choose(index) {
    const row = this.rows[index]
    this.into(index)
    this.scroller.setAttribute("aria-activedescendant", `tl-${row.key}`)
    if (row.run) { this.selected = row.run.id; this.draw(); this.onSelect(row.run.id) }
    else { this.selected = row.key; this.draw() }
  }

  key(event) {
    const here = this.rows.findIndex(row => row.key === this.selected)
    const row = this.rows[here]
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 }
    if (event.key in steps && this.rows.length) {
      event.preventDefault(); event.stopPropagation()
      this.choose(Math.min(this.rows.length - 1, Math.max(0, here + steps[event.key])))
    } else if (event.key === "ArrowRight" && row?.foldable && !row.opened) { event.preventDefault(); this.toggle(row) }
    else if (event.key === "ArrowLeft" && row?.foldable && row.opened) { event.preventDefault(); this.toggle(row) }
    else if (event.key === "Enter" && row?.foldable) { event.preventDefault(); this.toggle(row) }
  }
}

function runBars(run, states, now) {
  if (!run.attempts) return pieces(run.history, states, now)
  return run.attempts.flatMap(history => pieces(history, states, now))
}

/** Stable: what is bad comes first, else the order of creation. */
function badFirst(items, bad) { return [...items.filter(bad), ...items.filter(item => !bad(item))] }

function tally(runs) {
  const counts = {}
  for (const run of runs) counts[run.state] = (counts[run.state] ?? 0) + 1
  return counts
}

function groupSpan(group, now) {
  const spans = group.runs.map(run => span(run, now))
  return { from: Math.min(...spans.map(s => s.from)), to: Math.max(...spans.map(s => s.to)) }
}

function niceStep(ms) {
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5]
  return steps.find(step => step >= ms) ?? Math.ceil(ms / 864e5) * 864e5
}

function element(tag, name) { const node = document.createElement(tag); node.className = name; return node }
function hidden(text) { const node = element("span", "sr"); node.textContent = text; return node }
