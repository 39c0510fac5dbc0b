import { type Place, syntaxError } from '../dockerfile/place.ts'

/** Whom the command runs as, in the image's own ids. */
export interface RunUser {
  readonly uid: number
  readonly gid: number
  /** Supplementary groups, the first one among them, as OCI runtimes have it (CVE-2022-36109). */
  readonly groups: readonly number[]
  /** '/' where the image does not say. */
  readonly home: string
}

/** The texts of /etc/passwd and /etc/group of the image; null: it has none. */
export interface UserTables {
  readonly passwd: string | null
  readonly group: string | null
}

const NUMBER = /^[0-9]{1,10}$/

/**
 * What `USER user[:group]` means, as OCI runtimes read it: a number that /etc/passwd does not know has group 0; a group
 * that is named leaves no supplementary ones. Throws DOCKERFILE_SYNTAX for a name that is not there.
 */
export function runUser(text: string, tables: UserTables, place: Place): RunUser {
  const [user, groupName] = text.split(':')
  const name = user || '0'
  const users = rows(tables.passwd, 7)
  const known =
    users.find(([first]) => first === name) ??
    users.find(([, , uid]) => NUMBER.test(name) && uid === String(Number(name)))
  if (known === undefined && !NUMBER.test(name)) throw unknown('user', name, 'passwd', place)
  const uid = Number(known?.[2] ?? name)
  const home = known?.[5] || '/'
  const groups = rows(tables.group, 4)
  if (groupName !== undefined && groupName !== '') {
    const found = groups.find(([first]) => first === groupName)?.[2] ?? groupName
    if (!NUMBER.test(found)) throw unknown('group', groupName, 'group', place)
    return { uid, gid: Number(found), groups: [Number(found)], home }
  }
  const gid = Number(known?.[3] ?? 0)
  const login = known?.[0]
  const others = groups
    .filter(([, , , members = '']) => login !== undefined && members.split(',').includes(login))
    .map(([, , id]) => Number(id))
  return { uid, gid, groups: [...new Set([gid, ...others])], home }
}

/** Lines that have all their fields, the numbers being numbers. */
function rows(table: string | null, fields: number): readonly (readonly string[])[] {
  const numbers = fields === 7 ? [2, 3] : [2]
  return (table ?? '')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((row) => row.length >= fields - 1 && numbers.every((at) => NUMBER.test(row[at] ?? '')))
}

function unknown(what: string, name: string, file: string, place: Place) {
  return syntaxError(
    place,
    `RUN as ${what} ${JSON.stringify(name)}: the image has none of that name`,
    `Add it to /etc/${file} of the image (RUN adduser …), or write its number.`,
  )
}
