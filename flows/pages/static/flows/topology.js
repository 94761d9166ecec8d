// The flow's tasks as boxes: sequences run down, branches stand side by side, Dags in layers. Colours follow the runs.
import { isBad, isTerminal, stateIcon, worstOf } from "../site/states.js"

const SVG = "http://www.w3.org/2000/svg"
const W = 190, H = 46, GAP = 22, PAD = 14, HEAD = 30
const SIDE = new Set(["Parallel", "EachParallel", "If", "Switch", "DAG", "Dag"])

/** `tree` is a Map of task id -> {id, type, parent, branch, position, needs}. */
export class Topology {
  constructor(box, tree, onSelect) {
    Object.assign(this, { box, tree, onSelect, nodes: new Map() })
    this.children = new Map()
    for (const task of tree.values()) {
      const key = `${task.parent ?? ""}`
      if (!this.children.has(key)) this.children.set(key, new Map())
      const branches = this.children.get(key)
      if (!branches.has(task.branch)) branches.set(task.branch, [])
      branches.get(task.branch).push(task)
    }
    this.render()
  }

  render() {
    this.box.replaceChildren()
    this.nodes.clear()
    if (!this.tree.size) { const p = document.createElement("p"); p.className = "body muted"; p.textContent = "The flow of this revision cannot be read."; this.box.append(p); return }
    const main = this.branches("", false)
    const svg = make("svg", { class: "topo", width: main.w + 2 * PAD, height: main.h + 2 * PAD, viewBox: `0 0 ${main.w + 2 * PAD} ${main.h + 2 * PAD}` })
    svg.append(arrowHead())
    svg.style.minWidth = `${Math.round((main.w + 2 * PAD) * 0.6)}px` // shrinks to fit, but never to what nobody can read
    main.draw(svg, PAD, PAD)
    this.box.append(svg)
  }

  /** The branches of a task, or of the flow: `tasks` first, what follows (errors, finally) below with its name. */
  branches(parent, side) {
    const parts = []
    for (const [branch, tasks] of this.children.get(parent) ?? []) {
      const body = this.list(tasks, side && branch === "tasks", parent)
      parts.push(branch === "tasks" ? body : titled(label(branch), body))
    }
    if (!parts.length) return { w: W, h: 0, draw() {} }
    return side ? beside(parts) : below(parts, false)
  }

  list(tasks, side, parent) {
    if (tasks.some(task => task.needs?.length)) return this.layers(tasks)
    const parts = tasks.map(task => this.task(task))
    return side ? beside(parts) : below(parts, true)
  }

  layers(tasks) {
    const level = new Map()
    const of = (task, seen = new Set()) => {
      if (level.has(task.id)) return level.get(task.id)
      if (seen.has(task.id)) return 0
      seen.add(task.id)
      const found = Math.max(-1, ...task.needs.map(id => tasks.find(t => t.id === id)).filter(Boolean).map(t => of(t, seen))) + 1
      level.set(task.id, found)
      return found
    }
    const rows = []
    for (const task of tasks) (rows[of(task)] ??= []).push(task)
    const boxes = new Map(tasks.map(task => [task.id, this.task(task)]))
    const lines = rows.map(row => beside(row.map(task => ({ ...boxes.get(task.id), of: task.id }))))
    const w = Math.max(...lines.map(l => l.w)), h = lines.reduce((sum, l) => sum + l.h, 0) + GAP * 2 * (lines.length - 1)
    return { w, h, draw: (svg, x, y) => {
      const places = new Map()
      let top = y
      for (const [i, line] of lines.entries()) {
        let left = x + (w - line.w) / 2
        for (const task of rows[i]) {
          const box = boxes.get(task.id)
          box.draw(svg, left, top)
          places.set(task.id, { x: left + box.w / 2, top, bottom: top + box.h })
          left += box.w + GAP
        }
        top += line.h + 2 * GAP
      }
      for (const task of tasks) for (const id of task.needs) if (places.has(id)) curve(svg, places.get(id), places.get(task.id))
    } }
  }

  task(task) {
    const inner = this.children.has(task.id)
    const type = task.type.split(".").at(-1)
    if (!inner) return { w: W, h: H, draw: (svg, x, y) => this.leaf(svg, task, type, x, y) }
    const body = this.branches(task.id, SIDE.has(type))
    const w = Math.max(W, body.w) + 2 * PAD, h = body.h + HEAD + 2 * PAD
    return { w, h, draw: (svg, x, y) => {
      const group = this.node(svg, task, x, y)
      group.append(make("rect", { class: "topo-group", width: w, height: h, rx: 8 }))
      this.title(group, task, type, w)
      body.draw(svg, x + (w - body.w) / 2, y + HEAD + PAD)
    } }
  }

  leaf(svg, task, type, x, y) {
    const group = this.node(svg, task, x, y)
    group.append(make("rect", { class: "topo-leaf", width: W, height: H, rx: 6 }))
    this.title(group, task, type, W)
  }

  node(svg, task, x, y) {
    const group = make("g", { class: "topo-node", transform: `translate(${x} ${y})`, tabindex: 0, role: "button", "aria-label": `${task.id} ${task.type.split(".").at(-1)}` })
    group.addEventListener("click", event => { event.stopPropagation(); this.onSelect(task.id) })
    group.addEventListener("keydown", event => { if (event.key === "Enter") this.onSelect(task.id) })
    svg.append(group)
    this.nodes.set(task.id, group)
    return group
  }

  title(group, task, type, w) {
    const mark = make("use", { class: "topo-mark", x: 10, y: 8, width: 15, height: 15, href: "#i-created" })
    const name = make("text", { class: "topo-name", x: 32, y: 20 })
    name.textContent = cut(task.id, Math.floor((w - 90) / 7.4) + 4)
    const sub = make("text", { class: "topo-type", x: this.children.has(task.id) ? w - 10 : 32, y: this.children.has(task.id) ? 20 : 37, "text-anchor": this.children.has(task.id) ? "end" : "start" })
    sub.textContent = ` ${type}` // the blank parts it from the name, for those who hear it
    const count = make("text", { class: "topo-count", x: w - 10, y: this.children.has(task.id) ? 36 : 37, "text-anchor": "end" })
    group.append(mark, name, sub, count)
    Object.assign(group, { mark, count })
  }

  /** `byTask`: task id -> {state: count}. */
  colour(byTask) {
    for (const [id, group] of this.nodes) {
      const counts = byTask.get(id)
      const entries = Object.entries(counts ?? {}).filter(([, n]) => n > 0)
      const state = worstOf(entries.map(([name]) => name))
      group.setAttribute("class", `topo-node ${state ? `ran s-${state.toLowerCase()}` : "idle"}`)
      group.mark.setAttribute("href", `#i-${state ? stateIcon(state) : "created"}`)
      const all = entries.reduce((sum, [, n]) => sum + n, 0)
      const done = entries.reduce((sum, [name, n]) => sum + (isTerminal(name) ? n : 0), 0)
      const bad = entries.filter(([name]) => isBad(name)).map(([name, n]) => `${n} ${name.toLowerCase()}`)
      const told = all > 1 ? ` ${[`${done} of ${all}`, ...bad].join(", ")}` : ""
      group.setAttribute("aria-label", `${id} ${this.tree.get(id).type.split(".").at(-1)}${told}${state ? `, ${state.toLowerCase()}` : ""}`)
      group.count.textContent = told
    }
  }

  select(id) {
    for (const [task, group] of this.nodes) group.classList.toggle("chosen", task === id)
  }
}

const label = branch => branch.startsWith("cases.") ? branch.slice(6) : branch

function below(parts, arrows) {
  const w = Math.max(...parts.map(p => p.w)), h = parts.reduce((sum, p) => sum + p.h, 0) + GAP * (parts.length - 1)
  return { w, h, draw(svg, x, y) {
    let top = y
    parts.forEach((part, i) => {
      part.draw(svg, x + (w - part.w) / 2, top)
      if (arrows && i + 1 < parts.length) svg.append(make("path", { class: "topo-edge", d: `M${x + w / 2} ${top + part.h} v${GAP - 4}`, "marker-end": "url(#arrow)" }))
      top += part.h + GAP
    })
  } }
}

function beside(parts) {
  const w = parts.reduce((sum, p) => sum + p.w, 0) + GAP * (parts.length - 1), h = Math.max(...parts.map(p => p.h))
  return { w, h, draw(svg, x, y) { let left = x; for (const part of parts) { part.draw(svg, left, y); left += part.w + GAP } } }
}

function titled(text, body) {
  return { w: Math.max(body.w, 60), h: body.h + 18, draw(svg, x, y) {
    const node = make("text", { class: "topo-branch", x: x + Math.max(body.w, 60) / 2, y: y + 11, "text-anchor": "middle" })
    node.textContent = text
    svg.append(node)
    body.draw(svg, x + (Math.max(body.w, 60) - body.w) / 2, y + 18)
  } }
}

function curve(svg, from, to) {
  const middle = (from.bottom + to.top) / 2
  svg.append(make("path", { class: "topo-edge", d: `M${from.x} ${from.bottom} C${from.x} ${middle} ${to.x} ${middle} ${to.x} ${to.top - 4}`, "marker-end": "url(#arrow)" }))
}

function arrowHead() {
  const defs = make("defs", {})
  const marker = make("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 4, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" })
  marker.append(make("path", { class: "topo-head", d: "M0 0L8 4L0 8z" }))
  defs.append(marker)
  return defs
}

function cut(text, length) { return text.length > length ? `${text.slice(0, length - 1)}…` : text }
function make(tag, attributes) { const node = document.createElementNS(SVG, tag); for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v); return node }
