// What may stand at a place of a flow's text, and what it means. Reads the text by its indentation; asks nobody.

const LISTS = new Set(["tasks", "errors", "finally", "afterExecution", "then", "else", "defaults", "listeners"])
const ROOTS = { "inputs.": "an input", "outputs.": "what a task put out", "vars.": "a variable of the flow", "flow.id": "", "flow.namespace": "", "flow.revision": "",
  "execution.id": "", "execution.startDate": "", "taskrun.value": "the value of this iteration", "taskrun.iteration": "its number", "taskrun.id": "", "taskrun.startDate": "",
  "trigger.": "what the trigger tells", "labels.": "a label", "parent.taskrun.value": "the value of the outer iteration", "secret('')": "a secret", "kv('')": "a key-value of the namespace",
  "now()": "the time", "read('')": "the text of a file", "envs.": "an environment variable", "globals.": "a value of the instance" }
const FILTERS = ["json", "toJson", "jq", "date", "dateAdd", "upper", "lower", "trim", "default", "first", "last", "join", "split", "replace", "length", "slice", "sort", "keys", "number", "yaml", "ion", "string", "startsWith", "substringBefore", "substringAfter", "escape", "sha256", "base64encode", "base64decode", "urlencode"]

/** {indent, dashes, key, value, keyFrom, valueFrom} of one line; the indent is where the key stands. */
function read(text) {
  const found = /^(\s*)((?:- +)*)(?:("?)([\w.-]*)\3)?(\s*:(?:\s+|$))?(.*)$/.exec(text)
  const indent = found[1].length + found[2].length
  return { outer: found[1].length, indent, dashes: found[2].length > 0, key: found[5] ? found[4] : null, word: found[5] ? "" : found[4] + found[6], value: found[5] ? found[6] : null, valueFrom: text.length - found[6].length, blank: /^\s*(#.*)?$/.test(text) }
}

/** Where a line stands: the keys around it, innermost first, and the lines of the object it belongs to. */
export function place(doc, number, column) {
  const line = read(doc.line(number).text)
  let indent = line.blank ? column : line.indent
  const path = []
  const siblings = []
  let above = null // the line of the key that holds the object
  let edge = line.dashes ? line.outer : indent
  let open = !line.dashes
  for (let n = number - 1; n >= 1; n--) {
    const other = read(doc.line(n).text)
    if (other.blank) continue
    if (open && other.indent === indent) { siblings.push(other); if (other.dashes) { open = false; edge = other.outer } continue }
    if (other.indent < edge || (other.indent === edge && !other.dashes && !open && other.key !== null && other.value === "")) {
      if (other.key !== null) { path.push(other.key); open = false; above ??= n }
      edge = other.dashes ? other.outer : other.indent
      if (path.length === 1 && other.dashes) edge = other.outer
      indent = -1
    } else if (open && other.indent < indent) open = false
  }
  collectBelow(doc, number, line.blank ? column : line.indent, siblings)
  return { line, path, siblings, above }
}

function collectBelow(doc, number, indent, siblings) {
  for (let n = number + 1; n <= doc.lines && n < number + 400; n++) {
    const other = read(doc.line(n).text)
    if (other.blank) continue
    if (other.indent < indent || (other.dashes && other.outer < indent)) return
    if (other.indent === indent) siblings.push(other)
  }
}

/** Which table of types an object belongs to, by the list that holds it. */
function kindOf(path) {
  for (const key of path) {
    if (key === "inputs" || key === "onResume") return "inputs"
    if (key === "triggers") return "triggers"
    if (LISTS.has(key) || key === "task" || key === "cases") return "tasks"
  }
  return path.length ? null : "flow"
}

function typeOf(line, siblings) {
  const found = line.key === "type" ? line : siblings.find(other => other.key === "type")
  return found?.value?.trim().replace(/^["']|["']$/g, "").replace(/\s+#.*$/, "")
}

function lookUp(table, type) { return table?.[type] ?? table?.[`io.kestra.plugin.${type}`] }

/** The properties of the object at a place, or null where nothing is known. */
function properties(doc, { path, line, siblings, above }, words, depth = 0) {
  const kind = kindOf(path)
  if (kind === "flow") return words.flow
  if (kind && isItem(path, kind)) return lookUp(words[kind], typeOf(line, siblings))?.properties ?? null
  if (above === null || depth > 3) return null
  const outer = place(doc, above, 0)
  return properties(doc, outer, words, depth + 1)?.[outer.line.key]?.inside ?? null // an object such as `retry`
}

const isItem = (path, kind) => kind === "inputs" ? ["inputs", "onResume"].includes(path[0]) : kind === "triggers" ? path[0] === "triggers" : LISTS.has(path[0]) || path[0] === "task" || path[1] === "cases"

export function complete(context, words) {
  const doc = context.state.doc
  const at = doc.lineAt(context.pos)
  const before = at.text.slice(0, context.pos - at.from)
  const template = /\{\{(?:(?!\}\}).)*$/.exec(before)
  if (template) return expression(context, template[0], doc)
  const here = place(doc, at.number, context.pos - at.from)
  const { line } = here
  if (line.key !== null && context.pos >= at.from + line.valueFrom) return values(context, at.from + line.valueFrom, doc, here, words)
  const word = /[\w.-]*$/.exec(before)[0]
  if (!word && !context.explicit) return null
  return keys(context.pos - word.length, doc, here, words)
}

function values(context, from, doc, here, words) {
  const { line, path } = here
  const kind = kindOf(path)
  if (line.key === "type" && kind && kind !== "flow" && isItem(path, kind)) {
    const options = Object.entries(words[kind]).map(([name, { doc }]) => ({ label: name, displayLabel: name.replace("io.kestra.plugin.", ""), detail: doc.split(/[.:](?:\s|$)/)[0].slice(0, 90), info: doc || undefined, type: "type" }))
    return { from, options, filter: true, validFor: /^[\w.]*$/ }
  }
  const found = properties(doc, here, words)?.[line.key]
  if (!found?.values?.length) return null
  return { from, options: found.values.map(label => ({ label, type: "enum" })), validFor: /^\w*$/ }
}

function keys(from, doc, here, words) {
  const { path, siblings } = here
  const kind = kindOf(path)
  const there = new Set(siblings.map(other => other.key))
  let known = properties(doc, here, words)
  if (!known && kind && kind !== "flow" && isItem(path, kind)) known = { id: { required: true, doc: "Its name: unique in the flow." }, type: { required: true, doc: "What it does." } }
  if (!known) return null
  const options = Object.entries(known).filter(([name]) => !there.has(name)).map(([name, { type, required, doc }]) => ({
    label: name, apply: `${name}: `, detail: [required ? "required" : "", type].filter(Boolean).join(", "), info: doc || undefined, boost: required ? 2 : 0, type: "property",
  }))
  return { from, options, validFor: /^[\w-]*$/ }
}

function expression(context, text, doc) {
  const filter = /\|\s*(\w*)$/.exec(text)
  if (filter) return { from: context.pos - filter[1].length, options: FILTERS.map(label => ({ label, type: "function" })), validFor: /^\w*$/ }
  const word = /[\w.']*$/.exec(text)[0]
  if (!word && !context.explicit) return null
  const source = doc.toString()
  const ids = [...source.matchAll(/^\s*(?:- )+id:\s*["']?([\w.-]+)/gm)].map(match => match[1])
  const inputs = /^inputs:\n((?:[ \t#-].*\n|\n)*)/m.exec(source)?.[1] ?? ""
  const own = [...inputs.matchAll(/^\s*- (?:id|name):\s*["']?([\w.-]+)/gm)].map(match => match[1])
  const others = ids.filter(id => !own.includes(id))
  const variables = [.../^variables:\n((?:[ \t#].*\n|\n)*)/m.exec(source)?.[1].matchAll(/^ {1,4}([\w-]+):/gm) ?? []].map(match => match[1])
  const options = [
    ...own.map(id => ({ label: `inputs.${id}`, detail: "an input", boost: 3 })), ...others.map(id => ({ label: `outputs.${id}.`, detail: "output of a task", boost: 2 })),
    ...variables.map(id => ({ label: `vars.${id}`, detail: "a variable", boost: 2 })), ...Object.entries(ROOTS).map(([label, detail]) => ({ label, detail })),
  ].map(option => ({ type: "variable", ...option }))
  return { from: context.pos - word.length, options, validFor: /^[\w.']*$/ }
}

/** Help for what stands under the pointer: a type's text and properties, or a property's meaning. */
export function help(state, at, words) {
  const doc = state.doc
  const line = doc.lineAt(at)
  const here = place(doc, line.number, at - line.from)
  const { line: parts, path } = here
  if (parts.key === null) return null
  const column = at - line.from
  const kind = kindOf(path)
  if (parts.key === "type" && column >= parts.valueFrom && kind && kind !== "flow") {
    const type = typeOf(parts, [])
    const found = lookUp(words[kind], type)
    if (!found) return null
    const names = Object.entries(found.properties).filter(([name]) => !["id", "type"].includes(name))
    const required = names.filter(([, p]) => p.required).map(([name]) => name)
    const optional = names.filter(([, p]) => !p.required).map(([name]) => name)
    return { from: line.from + parts.valueFrom, to: line.to, lines: [["title", type], ...(found.doc ? [["doc", found.doc]] : []), ...(required.length ? [["needs", `Needs ${required.join(", ")}`]] : []), ...(optional.length ? [["may", `May have ${optional.join(", ")}`]] : [])] }
  }
  const property = properties(doc, here, words)?.[parts.key]
  if (!property || column >= parts.valueFrom) return null
  const from = line.from + line.text.indexOf(parts.key)
  const facts = [property.type, property.required ? "required" : "optional", property.values?.length ? `one of ${property.values.join(", ")}` : ""].filter(Boolean).join(" · ")
  return { from, to: from + parts.key.length, lines: [["title", parts.key], ...(property.doc ? [["doc", property.doc]] : []), ["may", facts]] }
}
