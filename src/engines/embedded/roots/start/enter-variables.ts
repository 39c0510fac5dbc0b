/** Names that every shell takes over and gives on as they are. */
const ORDINARY = /^[A-Za-z_][A-Za-z0-9_]*$/
/** Names that some shell reads, sets, or makes constant; those of TOOL_ENV; those of enter.sh itself. */
const PECULIAR =
  /^(_|PATH|IFS|PWD|OLDPWD|SHLVL|PPID|E?UID|GROUPS|S?RANDOM|SECONDS|EPOCH(SECONDS|REALTIME)|LINENO|OPT(IND|ARG|ERR)|BASH.*|SHELLOPTS|FUNCNAME|FPATH|DIRSTACK|PIPESTATUS|HIST(FILE|SIZE|CMD|CONTROL|FILESIZE|IGNORE|TIMEFORMAT)|COMP(_.*|REPLY)|PS\d|ENV|MAIL(PATH|CHECK)?|TMOUT|POSIXLY_CORRECT|LANG(UAGE)?|LC_.*|LOCPATH|KSH_.*|NARU_.*|naru_.*)$/

/** Whether a shell gives a variable of this name on as it is. */
export const isOrdinary = (name: string): boolean => ORDINARY.test(name) && !PECULIAR.test(name)

/**
 * The program's variables on their way through enter.sh and its shell, under names that steer neither: NARU_ENTER_0, 1 … for what the
 * shell can give on itself, NARU_LATER_0, 1 … for what it would change, which env(1) gives on.
 */
export function enterVariables(variables: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(variables)
  const numbered = (prefix: string, some: readonly (readonly [string, string])[]) =>
    some.map(([name, value], at) => [`${prefix}_${at}`, `${name}=${value}`] as const)
  return Object.fromEntries([
    ...numbered(
      'NARU_ENTER',
      entries.filter(([name]) => isOrdinary(name)),
    ),
    ...numbered(
      'NARU_LATER',
      entries.filter(([name]) => !isOrdinary(name)),
    ),
  ])
}
