// Dialogs of the system page: what will be done and to how many, before it is done.
import { request, toast } from "../site/base.js"

document.addEventListener("click", async event => {
  const letters = event.target.closest("[data-letters]")
  if (letters) {
    const dialog = document.getElementById(`${letters.dataset.letters}-dialog`)
    const count = Number(letters.dataset.count)
    const what = `${count} message${count === 1 ? "" : "s"}`
    dialog.querySelector("[data-letters-text]").textContent = letters.dataset.letters === "redrive"
      ? `${what} will be handed to the executor once more. Those that fail again come back here.`
      : `${what} will be deleted, with what they would have done. Their executions stay as they are.`
    dialog.querySelector("[name=ids]").value = letters.dataset.ids ?? ""
    dialog.showModal()
  }
  if (!event.target.closest("[data-clean]")) return
  const dialog = document.getElementById("clean-dialog")
  const text = dialog.querySelector("[data-clean-text]"), go = dialog.querySelector("[data-clean-go]")
  go.disabled = true
  dialog.showModal()
  try {
    const { types, total } = await (await request("/system/cleanable")).json()
    text.textContent = total ? `${total} message${total === 1 ? "" : "s"} will go: ${Object.entries(types).map(([name, n]) => `${n} ${name}`).join(", ")}.` : "No message is past its retention: there is nothing to remove."
    go.disabled = total === 0
  } catch (error) { dialog.close(); toast(error.message, "error") }
})
