// Log lines: fetched in batches, filtered in the browser, only those in sight exist in the document.
import { request } from "../site/base.js"
import { coalesce } from "../site/live.js"
import { ansi, plain } from "./ansi.js"

const LINE = 18
const KEPT = 200_000
const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]

export class LogView {
  constructor(box, { url, download, tasks = true, line = 0, attempt = null, address = "" }) {
    Object.assign(this, { box, url, tasks, lines: [], shown: [], tops: [0], after: 0, follow: !line, level: 0, text: "", attempt, wanted: line, address, pool: [] })
    this.build(download)
    this.load = coalesce(() => this.fetch(), 80)
    this.resize = new ResizeObserver(() => this.measure())
    this.resize.observe(this.scroller)
    this.load()
  }

  build(download) {
    this.box.replaceChildren()
    const bar = this.box.appendChild(node("div", "log-bar"))
    const level = bar.appendChild(node("select", ""))
    level.setAttribute("aria-label", "Lowest level shown")
    for (const [number, name] of LEVELS.entries()) level.append(new Option(number === 0 ? "every level" : `${name.toLowerCase()} and worse`, number))
    level.addEventListener("change", () => { this.level = Number(level.value); this.refilter() })
    const find = bar.appendChild(node("input", ""))
    Object.assign(find, { type: "search", placeholder: "Find in log" })
    find.setAttribute("aria-label", "Find in log")
    find.addEventListener("input", () => { this.text = find.value.toLowerCase(); this.refilter() })
    this.count = bar.appendChild(node("span", "muted small num end"))
    this.followButton = bar.appendChild(node("button", "button small plain"))
    this.followButton.type = "button"
    this.followButton.textContent = "Follow"
    this.followButton.addEventListener("click", () => { this.follow = !this.follow; this.draw() })
    const link = bar.appendChild(node("a", "button small plain"))
    link.href = download
    link.textContent = "Download"
    this.scroller = this.box.appendChild(node("div", "log-scroll"))
    this.scroller.tabIndex = 0
    this.scroller.setAttribute("role", "log")
    this.scroller.setAttribute("aria-label", "Log")
    this.scroller.setAttribute("aria-live", "off")
    this.canvas = this.scroller.appendChild(node("div", "log-canvas"))
    this.empty = this.scroller.appendChild(node("p", "muted log-empty"))
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true })
    this.probe = this.canvas.appendChild(node("span", "log-probe"))
    this.probe.textContent = "0".repeat(100)
  }

  async fetch() {
    let complete = false
    while (!complete && !this.closed) {
      const join = this.url.includes("?") ? "&" : "?"
      const found = await (await request(`${this.url}${join}after=${this.after}`)).json()
      if (this.closed) return
      this.start = found.start
      complete = found.complete
      if (found.lines.length) this.add(found.lines)
    }
    this.loaded = true
    if (this.wanted) this.reveal(this.wanted)
    this.draw()
  }

  /** Scrolls to the line that the address names. */
  reveal(id) {
    const index = this.shown.findIndex(line => line.id === id)
    if (index < 0) return
    this.here = id
    this.wanted = 0
    this.follow = false
    this.canvas.style.height = `${this.tops.at(-1)}px`
    this.moving = true
    this.scroller.scrollTop = Math.max(0, this.tops[index] - this.scroller.clientHeight / 3)
  }

  /** The lines of one attempt; the same again: of all. */
  only(attempt) {
    this.attempt = this.attempt === attempt ? null : attempt
    this.refilter()
  }

  add(lines) {
    for (const [id, ms, level, run, task, attempt, message] of lines) {
      this.lines.push({ id, ms, level, run, task, attempt, message })
      this.after = Math.max(this.after, id)
    }
    if (this.lines.length > KEPT) { this.lines.splice(0, this.lines.length - KEPT); this.refilter(); return }
    for (let i = this.lines.length - lines.length; i < this.lines.length; i++) this.show(this.lines[i])
    this.draw()
  }

  show(line) {
    if (line.level < this.level) return
    if (this.attempt !== null && line.attempt !== this.attempt) return
    if (this.text && !plain(line.message).toLowerCase().includes(this.text) && !(line.task ?? "").toLowerCase().includes(this.text)) return
    this.shown.push(line)
    this.tops.push(this.tops.at(-1) + this.height(line))
  }

  refilter() {
    this.shown = []
    this.tops = [0]
    for (const line of this.lines) this.show(line)
    this.draw()
  }

  /** Lines wrap at a known number of columns, so their heights are known without laying them out. */
  measure() {
    const width = this.probe.getBoundingClientRect().width / 100
    const narrow = this.scroller.clientWidth < 480
    this.box.classList.toggle("narrow", narrow)
    const columns = Math.max(20, Math.floor((this.scroller.clientWidth - 22) / (width || 7.5)))
    if (columns === this.columns && narrow === this.narrow) { this.draw(); return }
    Object.assign(this, { columns, narrow })
    this.refilter()
  }

  prefix(line) { return (this.narrow ? 9 : 13) + 6 + (this.tasks && line.task ? line.task.length + 2 : 0) }

  height(line) {
    const columns = this.columns ?? 100
    let rows = 0
    let first = this.prefix(line)
    for (const part of plain(line.message).split("\n")) {
      rows += Math.max(1, Math.ceil((first + wide(part)) / columns))
      first = 0
    }
    return rows * LINE
  }

  scrolled() {
    const atEnd = this.scroller.scrollTop + this.scroller.clientHeight >= this.scroller.scrollHeight - LINE
    if (atEnd !== this.follow && !this.moving) this.follow = atEnd
    this.moving = false
    this.draw()
  }

  draw() {
    if (this.queued || this.closed) return
    this.queued = true
    requestAnimationFrame(() => { this.queued = false; this.paint() })
  }

  paint() {
    const total = this.tops.at(-1)
    this.canvas.style.height = `${total}px`
    this.empty.hidden = this.shown.length > 0
    this.empty.textContent = this.lines.length ? "No line fits the filter." : this.loaded ? "Nothing logged." : ""
    this.count.textContent = this.shown.length === this.lines.length ? `${this.lines.length} line${this.lines.length === 1 ? "" : "s"}` : `${this.shown.length} of ${this.lines.length} lines`
    this.followButton.setAttribute("aria-pressed", this.follow)
    if (this.follow && this.scroller.scrollHeight > this.scroller.clientHeight) {
      const end = this.scroller.scrollHeight - this.scroller.clientHeight
      if (Math.abs(end - this.scroller.scrollTop) > 1) { this.moving = true; this.scroller.scrollTop = end }
    }
    const top = this.scroller.scrollTop
    let i = Math.max(0, find(this.tops, top) - 3)
    let used = 0
    for (; i < this.shown.length && this.tops[i] < top + this.scroller.clientHeight + 100; i++) this.fill(this.slot(used++), this.shown[i], this.tops[i])
    for (; used < this.pool.length; used++) this.pool[used].hidden = true
  }

  slot(number) {
    while (this.pool.length <= number) this.pool.push(this.canvas.appendChild(node("div", "log-line")))
    return this.pool[number]
  }

  fill(box, line, top) {
    box.hidden = false
    box.style.top = `${top}px`
    box.classList.toggle("here", line.id === this.here)
    if (box.line === line && box.wasNarrow === this.narrow) return
    box.line = line
    box.wasNarrow = this.narrow
    box.className = `log-line l-${LEVELS[line.level].toLowerCase()}${line.id === this.here ? " here" : ""}`
    const time = node("span", "log-time")
    const date = new Date(this.start + line.ms)
    time.textContent = `${clock(date)}${this.narrow ? "" : "." + String(date.getMilliseconds()).padStart(3, "0")} `
    time.title = `${date.toISOString()}, click to copy the address of this line`
    time.dataset.copy = `${this.address}${this.address.includes("?") ? "&" : "?"}line=${line.id}`
    const level = node("span", "log-level")
    level.textContent = LEVELS[line.level].padEnd(5) + " "
    box.replaceChildren(time, level)
    if (this.tasks && line.task) {
      const task = node("span", "log-task")
      task.textContent = line.task
      task.dataset.run = line.run ?? ""
      box.append(task, "  ")
    }
    box.append(...ansi(line.message))
  }

  close() { this.closed = true; this.resize.disconnect() }
}

/** Index of the last top at or above `value`. */
function find(tops, value) {
  let low = 0, high = tops.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (tops[middle] <= value) low = middle
    else high = middle - 1
  }
  return low
}

const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]|[\ud83c-\ud83e][\udc00-\udfff]/g
function wide(text) { return /^[\x00-\x7f]*$/.test(text) ? text.length : [...text].length + (text.match(WIDE)?.length ?? 0) }
function clock(date) { return date.toTimeString().slice(0, 8) }
function node(tag, name) { const made = document.createElement(tag); if (name) made.className = name; return made }
