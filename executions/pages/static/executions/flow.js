// A flow's page: its topology; a box leads to the task's lines in the source beside it.
import { Topology } from "../flows/topology.js"

const start = JSON.parse(document.getElementById("flow-data").textContent)
const tree = new Map(start.tree.map(([id, type, parent, branch, position, needs]) => [id, { id, type, parent, branch, position, needs }]))
const source = document.getElementById("source")
const topology = new Topology(document.getElementById("topology"), tree, show)

function show(task) {
  topology.select(task)
  for (const line of source.querySelectorAll(".here")) line.classList.remove("here")
  const wanted = new RegExp(`^\\s*(- )?id:\\s*["']?${task.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}["']?\\s*(#.*)?$`)
  const line = [...source.children].find(item => wanted.test(item.textContent))
  line?.classList.add("here")
  line?.scrollIntoView({ block: "nearest" })
}
