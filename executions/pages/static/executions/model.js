// The task runs of one execution as the page knows them. Takes compact rows, answers in O(own answer). Draws nothing.
import { isTerminal, worstOf } from "../site/states.js"

export class Model {
  constructor(start) {
    this.states = start.states
    this.tree = new Map(start.tree.map(([id, type, parent, branch, position, needs]) => [id, { id, type, parent, branch, position, needs }]))
    this.clear()
    this.apply(start)
  }

  clear() {
    this.runs = new Map()
    this.children = new Map() // parent id or null -> runs in order of creation
    this.tally = new Map() // parent id or null -> {state: count}
    this.byTask = new Map() // task id -> {state: count}
    this.groups = new Map() // parent id -> Map of iteration -> {key, value, iteration, runs, state}
    this.groupTally = new Map() // parent id -> {state: count of its iterations}
    this.lastSeq = 0
    this.latest = 0
  }

  /** Execution row and runs; true when something that is shown changed. */
  apply(found) {
    if (found.version !== undefined) {
      if (found.version < (this.version ?? 0)) return false // an answer that was overtaken
      this.version = found.version
      this.state = found.state
      this.start = found.start
      this.history = found.history
    }
    for (const row of found.runs ?? []) this.take(row)
    return true
  }

  take([id, task, parent, value, iteration, seq, history, attempts]) {
    const known = this.runs.get(id)
    const state = this.states[history.at(-2)]
    if (known) {
      if (history.length < known.history.length && seq === known.seq) return // older than what is known
      this.count(known, -1)
      Object.assign(known, { history, attempts, state, value, iteration })
      this.count(known, 1)
    } else {
      const run = { id, task, parent, value, iteration, seq, history, attempts, state }
      this.runs.set(id, run)
      const siblings = this.children.get(parent) ?? []
      if (!siblings.length) this.children.set(parent, siblings)
      if (siblings.length && siblings.at(-1).seq > seq) siblings.splice(siblings.findIndex(other => other.seq > seq), 0, run)
      else siblings.push(run)
      this.count(run, 1)
      if (value !== null && parent !== null) this.intoGroup(run)
      this.lastSeq = Math.max(this.lastSeq, seq)
    }
    const group = this.groupOf(this.runs.get(id))
    if (group) this.regroup(group)
    this.latest = Math.max(this.latest, history.at(-1))
  }

  count(run, by) {
    for (const [map, key] of [[this.tally, run.parent], [this.byTask, run.task]]) {
      const counts = map.get(key) ?? {}
      map.set(key, counts)
      counts[run.state] = (counts[run.state] ?? 0) + by
    }
  }

  groupOf(run) { return this.groups.get(run.parent)?.get(String(run.iteration ?? run.value)) }

  /** Runs with a value under one parent belong to an iteration of it (a ForEach): counted and folded together. */
  intoGroup(run) {
    const key = String(run.iteration ?? run.value)
    if (!this.groups.has(run.parent)) { this.groups.set(run.parent, new Map()); this.groupTally.set(run.parent, {}) }
    const groups = this.groups.get(run.parent)
    if (!groups.has(key)) groups.set(key, { key, parent: run.parent, value: run.value, iteration: run.iteration, runs: [], state: null })
    groups.get(key).runs.push(run)
  }

  regroup(group) {
    const state = worst(group.runs)
    if (state === group.state) return
    const counts = this.groupTally.get(group.parent)
    if (group.state) counts[group.state] -= 1
    counts[state] = (counts[state] ?? 0) + 1
    group.state = state
  }

  get ended() { return isTerminal(this.state) }

  /** Now, on the execution's own scale. */
  now() { return this.ended ? Math.max(this.latest, this.history.at(-1)) : Math.max(Date.now() - this.start, this.latest) }
}

const WAITING = new Set(["CREATED", "QUEUED", "RETRYING", "RESTARTED"])
const worst = runs => worstOf(runs.map(run => run.state)) ?? "CREATED"

/** [{from, to, kind}] of a history; the last open piece ends now. `kind` is waiting, paused, or a state's name. */
export function pieces(history, states, now) {
  const found = []
  for (let i = 0; i < history.length; i += 2) {
    const state = states[history[i]]
    const from = history[i + 1]
    const to = i + 3 < history.length ? history[i + 3] : isTerminal(state) ? from : now
    if (isTerminal(state)) { if (found.length) found.at(-1).end = state; else found.push({ from, to, kind: state, end: state }) }
    else found.push({ from, to, kind: WAITING.has(state) ? "waiting" : state, end: null })
  }
  return found
}

export function span(run, now) {
  const from = run.history[1]
  return { from, to: isTerminal(run.state) ? run.history.at(-1) : now }
}
