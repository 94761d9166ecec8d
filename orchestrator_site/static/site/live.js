// Hints from the server over one EventSource. A hint says "look again"; the page reads what changed by version.
import { toast } from "./base.js"

/**
 * Calls `look(hint)` for each hint, once after each (re)connection, and every `slowly` ms as a safety net:
 * a hint that is lost costs a moment, never an event.
 */
export function follow(channel, look, { slowly = 5000 } = {}) {
  const mark = document.getElementById("offline")
  let source, timer, failures = 0, polling
  const connect = () => {
    source = new EventSource(`/events/?channel=${encodeURIComponent(channel)}`)
    source.onopen = () => { failures = 0; mark.hidden = true; clearInterval(polling); polling = setInterval(() => look(null), slowly); look(null) }
    source.onmessage = event => { try { look(JSON.parse(event.data)) } catch { look(null) } }
    source.onerror = () => {
      source.close()
      failures += 1
      mark.hidden = failures < 2 || document.hidden
      clearInterval(polling)
      polling = setInterval(() => look(null), 1000)
      timer = setTimeout(connect, Math.min(10_000, 250 * 2 ** failures))
    }
  }
  connect()
  addEventListener("pagehide", () => { source.close(); clearTimeout(timer); clearInterval(polling) })
  addEventListener("pageshow", event => { if (event.persisted) connect() })
  return { close() { source.close(); clearTimeout(timer); clearInterval(polling); mark.hidden = true } }
}

/** One call at a time, at most one every `pause` ms; what comes in between leads to one more call. */
export function coalesce(work, pause = 60) {
  let running = false, again = false
  return async function run() {
    if (running) { again = true; return }
    running = true
    try { await work() } catch (error) { complain(error) } finally {
      setTimeout(() => { running = false; if (again) { again = false; run() } }, pause)
    }
  }
}

/** A server that cannot be reached is told by the mark of the stream; what it refuses is told, but not at every look. */
let complained = -Infinity
function complain(error) {
  if (error instanceof TypeError || performance.now() - complained < 30_000) return
  complained = performance.now()
  toast(error.message, "error")
}
