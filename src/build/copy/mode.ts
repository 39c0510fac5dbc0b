import { type Place, syntaxError } from '../dockerfile/place.ts'

/** What `--chmod` asks for. */
export interface Mode {
  /** What it makes of an entry's permission bits. */
  readonly change: ModeChange
  /** Of folders that are made on the way: a number holds for them too, less what the umask 022 takes (BuildKit's rule). */
  readonly folders: number
}

type ModeChange = (mode: number, isFolder: boolean) => number

const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 }
const PERMISSION: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111, s: 0o6000, t: 0o1000 }
const CLAUSE = /^([ugoa]*)((?:[+=-](?:[rwxXst]*|[ugo]))+)$/

/** Reads `--chmod`: octal (`755`), or symbolic as chmod(1) has it (`u=rwX,go-w`), without a umask. Throws DOCKERFILE_SYNTAX. */
export function readMode(text: string, place: Place): Mode {
  if (/^0?[0-7]{1,4}$/.test(text)) {
    const mode = Number.parseInt(text, 8)
    return { change: () => mode, folders: mode & 0o755 }
  }
  const clauses = text.split(',').map((clause) => CLAUSE.exec(clause))
  const changes = clauses.flatMap((found) => (found === null ? [] : readClause(found[1] ?? '', found[2] ?? '')))
  if (clauses.includes(null) || changes.length === 0) {
    throw syntaxError(place, `--chmod=${text} is no mode`, 'Write --chmod=755, 0644, or u=rwX,go=rX.')
  }
  return {
    change: (mode, isFolder) => changes.reduce((before, change) => change(before, isFolder), mode),
    folders: 0o755,
  }
}

function readClause(who: string, actions: string): readonly ModeChange[] {
  const mask = who === '' ? 0o7777 : [...who].reduce((all, letter) => all | (WHO[letter] ?? 0), 0)
  return [...actions.matchAll(/([+=-])([rwxXst]*[ugo]?)/g)].map(([, action, permissions = '']) => (mode, isFolder) => {
    const bits = bitsOf(permissions, mode, isFolder) & mask
    if (action === '+') return mode | bits
    return action === '-' ? mode & ~bits : (mode & ~mask) | bits
  })
}

function bitsOf(permissions: string, mode: number, isFolder: boolean): number {
  return [...permissions].reduce((all, letter) => {
    if (letter === 'X') return all | (isFolder || (mode & 0o111) !== 0 ? 0o111 : 0)
    const shift = { u: 6, g: 3, o: 0 }[letter]
    if (shift === undefined) return all | (PERMISSION[letter] ?? 0)
    return all | (((mode >> shift) & 0o7) * 0o111)
  }, 0)
}
