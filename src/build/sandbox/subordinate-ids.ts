import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'

/** Images have users up to nobody, 65534; root is the user itself. */
const NEEDED = 65_535

/** Whether a table (subuid(5)) gives a user enough ids, by name or by number. */
export function hasSubordinateIds(table: string, user: { readonly name: string; readonly uid: number }): boolean {
  return table.split('\n').some((line) => {
    const [owner, first = '', count = ''] = line.split(':')
    return (owner === user.name || owner === String(user.uid)) && /^[0-9]+$/.test(first) && Number(count) >= NEEDED
  })
}

/** Why this user cannot map the ids of an image; null: it can. */
export function subordinateProblem(): string | null {
  const { username: name, uid } = userInfo()
  const wrong = ['/etc/subuid', '/etc/subgid'].find((path) => !hasSubordinateIds(read(path), { name, uid }))
  return wrong === undefined ? null : `${wrong} has no ${NEEDED} ids for ${name}`
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
