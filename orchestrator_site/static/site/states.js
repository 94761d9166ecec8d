// States as every page shows them: which are final, which are bad, which matters most, which shape stands for each.
const TERMINAL = new Set(["SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED", "SKIPPED"])
export const isTerminal = state => TERMINAL.has(state)
export const isBad = state => state === "FAILED" || state === "KILLED" || state === "WARNING"
const WORST = ["FAILED", "KILLED", "RUNNING", "PAUSED", "KILLING", "RETRYING", "QUEUED", "CREATED", "RESTARTED", "WARNING", "CANCELLED", "SUCCESS", "SKIPPED", "RETRIED"]
export const worstOf = names => WORST.find(name => names.includes(name))
const ICONS = { KILLING: "killed", RETRIED: "retrying", RESTARTED: "retrying", BREAKPOINT: "paused" }
export const stateIcon = state => ICONS[state] ?? state.toLowerCase()

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("class", "icon")
  svg.setAttribute("aria-hidden", "true")
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use")
  use.setAttribute("href", `#i-${name}`)
  svg.append(use)
  return svg
}
