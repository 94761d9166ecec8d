// Lists the operations of /api/schema by tag and sends them, with the reader's own session. No other host is asked.

const place = document.getElementById("operations")
const find = document.getElementById("find")
const token = JSON.parse(document.body.getAttribute("hx-headers") || "{}")["X-CSRFToken"] || ""

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

function operations(document_) {
  return Object.entries(document_.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })))
}

function row(operation) {
  const head = element("summary", {},
    element("span", { className: `verb ${operation.method}`, textContent: operation.method }),
    element("code", { textContent: operation.path }),
    element("span", { className: "about small", textContent: operation.summary || "" }))
  const box = element("details", { className: "operation" }, head)
  box.dataset.text = `${operation.method} ${operation.path} ${operation.summary} ${operation.description}`.toLowerCase()
  box.addEventListener("toggle", () => { if (box.open && box.childElementCount === 1) box.append(...inside(operation)) })
  return box
}

function inside(operation) {
  const form = element("form")
  if (operation.description) form.append(element("p", { className: "muted small", textContent: operation.description }))
  for (const parameter of operation.parameters || []) form.append(field(parameter))
  const [type, media] = Object.entries(operation.requestBody?.content || {})[0] || []
  if (type) form.append(body(type, media))
  form.append(element("div", {}, element("button", { className: "button primary", textContent: "Send" })))
  const sent = element("div", { className: "sent" })
  sent.setAttribute("role", "status")
  form.addEventListener("submit", event => { event.preventDefault(); send(operation, type, form, sent) })
  return [form, sent]
}

function field(parameter) {
  const input = element("input", { name: `${parameter.in}:${parameter.name}`, autocomplete: "off" })
  input.placeholder = typeof parameter.example === "object" ? "field=OPERATION=value" : String(parameter.example ?? parameter.schema?.type ?? "")
  if (parameter.in === "path") { input.required = true; input.value = parameter.example ?? "" }
  const name = element("span", { title: parameter.description || "" }, element("code", { textContent: parameter.name }), parameter.required ? " *" : "")
  return element("label", { className: "field" }, name, input)
}

function body(type, media) {
  if (type === "multipart/form-data" && Object.values(media.schema.properties || {}).some(one => one.format === "binary")) {
    const name = Object.keys(media.schema.properties)[0]
    return element("label", { className: "field" }, element("code", { textContent: name }), element("input", { type: "file", name: `file:${name}` }))
  }
  const example = media.example ?? ""
  const text = typeof example === "string" ? example : JSON.stringify(example, null, 2)
  const area = element("textarea", { name: "body", value: text, spellcheck: false })
  return element("label", {}, element("span", { className: "small muted", textContent: `Body, ${type}` }), area)
}

function address(operation, values) {
  let path = operation.path
  const query = new URLSearchParams()
  for (const [name, value] of values) {
    const [where, key] = [name.slice(0, name.indexOf(":")), name.slice(name.indexOf(":") + 1)]
    if (where === "path") path = path.replace(`{${key}}`, encodeURIComponent(value))
    if (where !== "query" || value === "") continue
    if (key === "filters") {
      const [filter, operator, ...rest] = value.split("=")
      query.append(`filters[${filter}][${operator}]`, rest.join("="))
    } else query.append(key, value)
  }
  return query.size ? `${path}?${query}` : path
}

function payload(type, form) {
  const area = form.elements.body
  if (type !== "multipart/form-data") return area ? [area.value, { "Content-Type": type }] : [undefined, {}]
  const parts = new FormData()
  if (area) Object.entries(JSON.parse(area.value || "{}")).forEach(([name, value]) => parts.append(name, value))
  form.querySelectorAll("input[type=file]").forEach(input => { if (input.files[0]) parts.append(input.name.slice(5), input.files[0]) })
  return [parts, {}]
}

async function send(operation, type, form, sent) {
  const values = [...new FormData(form)].filter(([, value]) => typeof value === "string")
  const path = address(operation, values)
  sent.replaceChildren(element("code", { textContent: `${operation.method} ${path}` }))
  const begin = performance.now()
  try {
    const [content, headers] = payload(type, form)
    const answer = await fetch(path, { method: operation.method, body: content, headers: { ...headers, "X-CSRFToken": token } })
    const text = await answer.text()
    const took = `${answer.status} ${answer.statusText} · ${Math.round(performance.now() - begin)} ms · ${answer.headers.get("Content-Type") || "no body"}`
    sent.append(element("span", { className: "small muted", textContent: took }), element("pre", { textContent: pretty(text), tabIndex: 0 }))
  } catch (error) {
    sent.append(element("pre", { textContent: String(error) }))
  }
}

function pretty(text) {
  const shown = text.length > 200_000 ? `${text.slice(0, 200_000)}\n…` : text
  try { return JSON.stringify(JSON.parse(shown), null, 2) } catch { return shown }
}

function narrow() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean)
  for (const section of place.querySelectorAll("section")) {
    let any = false
    for (const box of section.querySelectorAll(".operation")) {
      box.hidden = !words.every(word => box.dataset.text.includes(word))
      any ||= !box.hidden
    }
    section.hidden = !any
  }
}

async function show() {
  const document_ = await (await fetch("/api/schema")).json()
  const groups = Map.groupBy?.(operations(document_), one => one.tags[0]) ?? grouped(operations(document_))
  const sections = [...groups].map(([tag, list]) =>
    element("section", {}, element("h2", { textContent: tag.replaceAll("-", " ") }), ...list.map(row)))
  place.replaceChildren(...sections)
  place.setAttribute("aria-busy", "false")
  find.addEventListener("input", narrow)
}

function grouped(list) {
  const groups = new Map()
  for (const one of list) groups.set(one.tags[0], [...(groups.get(one.tags[0]) || []), one])
  return groups
}

show().catch(error => place.replaceChildren(element("p", { className: "note error", textContent: `The description could not be read: ${error}` })))
