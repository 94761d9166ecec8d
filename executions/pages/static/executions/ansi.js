// Terminal colours in log lines: SGR codes become classes, all other escapes are left out. Executions named by the
// engine, [[link execution="…" flowId="…" namespace="…"]], become links.

const ESCAPE = /\x1b\[([0-9;?]*)[ -/]*([@-~])/g
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"]

const LINK = /\[\[link execution="([0-9A-Za-z_-]+)"[^\]]*\]\]/g

export function plain(text) {
  const named = text.includes("[[link ") ? text.replace(LINK, "$1") : text
  return (named.includes("\x1b") ? named.replace(ESCAPE, "") : named).replaceAll("\t", "    ")
}

export function ansi(text) {
  if (!text.includes("[[link ")) return coloured(text)
  const parts = []
  let last = 0
  for (const match of text.matchAll(LINK)) {
    const link = document.createElement("a")
    link.href = `/executions/${match[1]}`
    link.textContent = match[1]
    parts.push(...coloured(text.slice(last, match.index)), link)
    last = match.index + match[0].length
  }
  return [...parts, ...coloured(text.slice(last))]
}

function coloured(text) {
  if (!text.includes("\x1b")) return [text.replaceAll("\t", "    ")]
  const parts = []
  const style = { bold: false, dim: false, underline: false, colour: null }
  let last = 0
  const push = piece => {
    if (!piece) return
    const classes = [style.colour && `a-${style.colour}`, style.bold && "a-bold", style.dim && "a-dim", style.underline && "a-underline"].filter(Boolean)
    const tidy = piece.replaceAll("\t", "    ")
    if (!classes.length) { parts.push(tidy); return }
    const span = document.createElement("span")
    span.className = classes.join(" ")
    span.textContent = tidy
    parts.push(span)
  }
  for (const match of text.matchAll(ESCAPE)) {
    push(text.slice(last, match.index))
    last = match.index + match[0].length
    if (match[2] === "m") apply(style, match[1])
  }
  push(text.slice(last))
  return parts
}

function apply(style, codes) {
  const numbers = codes.split(";").map(Number)
  for (let i = 0; i < numbers.length; i++) {
    const code = numbers[i]
    if (code === 0) Object.assign(style, { bold: false, dim: false, underline: false, colour: null })
    else if (code === 1) style.bold = true
    else if (code === 2) style.dim = true
    else if (code === 4) style.underline = true
    else if (code === 22) style.bold = style.dim = false
    else if (code === 24) style.underline = false
    else if (code >= 30 && code <= 37) style.colour = NAMES[code - 30]
    else if (code >= 90 && code <= 97) style.colour = NAMES[code - 90]
    else if (code === 39) style.colour = null
    else if (code === 38 || code === 48) i += numbers[i + 1] === 5 ? 2 : 4 // 256 and 24-bit colours are left out
  }
}
