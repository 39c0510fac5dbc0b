/** A command as its list of arguments, or what was expected in place of the text. */
export type Command = { readonly args: readonly string[] } | { readonly wrong: string; readonly hint: string }

const SHELL_HINT =
  'Write a list, one item for each argument, such as [./work, --fast]; for a shell of the image [sh, -c, "…"].'

// A blank, a quoted part, what only a shell would act on (a program would take it as an argument, to everybody's surprise), a plain part.
const PART =
  /(?<blank>\s+)|"(?<double>[^"]*)"|'(?<single>[^']*)'|(?<shell>&&|\|\||>>|<<|\$\(|[|&;<>`])|(?<plain>[^\s"'|&;<>`$]+|\$)|(?<open>["'])/gy

/**
 * Splits a command by blanks outside quotes. Single and double quotes keep what is between them as it is; there are no escapes.
 * `| & ; < > $(` and backquotes outside quotes are refused with the list form: no shell runs here (design.md section 9).
 */
export function splitCommand(text: string): Command {
  const args: string[] = []
  let word: string | null = null
  for (const { groups = {} } of text.matchAll(PART)) {
    const { blank, shell, open, double, single, plain } = groups
    if (shell !== undefined) return { wrong: `a command without ${shell}, as no shell runs here`, hint: SHELL_HINT }
    if (open !== undefined)
      return { wrong: `a command whose quote ${open} is closed`, hint: 'Close it, or write a list.' }
    if (blank === undefined) word = (word ?? '') + (double ?? single ?? plain ?? '')
    else if (word !== null) {
      args.push(word)
      word = null
    }
  }
  if (word !== null) args.push(word)
  if (args[0]) return { args }
  return { wrong: 'a command that names a program', hint: 'Write [program, argument].' }
}
