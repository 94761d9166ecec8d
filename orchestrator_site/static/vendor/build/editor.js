// What the pages need of CodeMirror 6, in one module (see build.sh).
export { EditorState, Compartment, StateEffect, StateField, RangeSet } from "@codemirror/state"
export {
  EditorView, Decoration, hoverTooltip, keymap, lineNumbers, highlightActiveLine, highlightActiveLineGutter,
  highlightSpecialChars, drawSelection, dropCursor, rectangularSelection, crosshairCursor,
} from "@codemirror/view"
export { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands"
export {
  bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit, syntaxHighlighting, syntaxTree, HighlightStyle,
} from "@codemirror/language"
export { yaml } from "@codemirror/lang-yaml"
export { lintGutter, linter, lintKeymap, forceLinting, setDiagnostics } from "@codemirror/lint"
export { autocompletion, completionKeymap, closeBrackets, closeBracketsKeymap, startCompletion, snippetCompletion } from "@codemirror/autocomplete"
export { searchKeymap, highlightSelectionMatches } from "@codemirror/search"
export { MergeView, unifiedMergeView } from "@codemirror/merge"
export { tags } from "@lezer/highlight"
