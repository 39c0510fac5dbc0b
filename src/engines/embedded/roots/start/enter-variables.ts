import { TOOL_ENV } from './tools.ts'

/** Names that every shell takes over and gives on as they are. */
const ORDINARY = /^[A-Za-z_][A-Za-z0-9_]*$/
/** Names that some shell reads, sets, or makes constant; those of enter.sh itself. */
const PECULIAR =
  /^(_|IFS|PWD|OLDPWD|SHLVL|PPID|E?UID|GROUPS|S?RANDOM|SECONDS|EPOCH.*|LINENO|OPT.*|BASH.*|SHELLOPTS|FUNCNAME|FPATH|DIRSTACK|PIPESTATUS|HIST.*|COMP.*|PS\d|ENV|MAIL.*|TMOUT|POSIXLY_CORRECT|LANG.*|LC_.*|LOC.*|KSH.*|NARU_.*|naru_.*)$/

export interface EnterVariables {
  /** For the environment of enter.sh, which gives it to the program. */
  readonly env: Readonly<Record<string, string>>
  /** For env(1), which enter.sh becomes: what a shell would not give on as it is, and what the program is not to see. */
  readonly args: readonly string[]
}

/**
 * The program's variables on their way through a shell that knows none of them: their names must not steer it or the tools behind it.
 * Arguments can be read by everybody on the machine for a moment, so that only peculiar names go there.
 */
export function enterVariables(variables: Readonly<Record<string, string>>): EnterVariables {
  const isOrdinary = (name: string) => ORDINARY.test(name) && !PECULIAR.test(name)
  const assignments = Object.entries(variables).map(([name, value]) => ({ name, text: `${name}=${value}` }))
  const ordinary = assignments.filter(({ name }) => isOrdinary(name))
  const peculiar = assignments.filter(({ name }) => !isOrdinary(name))
  const own = [...Object.keys(TOOL_ENV), 'PWD', 'OLDPWD', 'SHLVL', '_'].filter(
    (name) => !isOrdinary(name) || !(name in variables),
  )
  return {
    env: Object.fromEntries(ordinary.map(({ text }, at) => [`NARU_ENTER_${at}`, text])),
    args: [...own.flatMap((name) => ['-u', name]), ...peculiar.map(({ text }) => text)],
  }
}
