import { type Place, syntaxError } from '../dockerfile/place.ts'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

const MOST_ID = 2 ** 32 - 2

/** A name or number of the user database, looked up in the image that is built; null: not there. */
export interface UserDatabase {
  /** The text of /etc/passwd or /etc/group of the image; null: it has none. */
  read(path: 'etc/passwd' | 'etc/group'): Promise<string | null>
}

/**
 * What `--chown=USER[:GROUP]` means. A number without a group is also the number of the group; a name without one has the
 * group that /etc/passwd says; "USER:" has group 0. Throws DOCKERFILE_SYNTAX.
 */
export async function readOwner(text: string, database: UserDatabase, place: Place): Promise<Owner> {
  const [user = '', group, ...more] = text.split(':')
  if (more.length > 0)
    throw syntaxError(place, `--chown=${text} is no USER:GROUP`, 'Write --chown=USER or --chown=USER:GROUP.')
  const byNumber = numeric(user === '' ? '0' : user)
  const found = byNumber === null ? fields(await database.read('etc/passwd'), user) : null
  if (byNumber === null && found === null) throw unknown('user', user, 'etc/passwd', place)
  const uid = byNumber ?? Number(found?.[2])
  if (group === undefined) return { uid, gid: byNumber ?? Number(found?.[3]) }
  if (group === '') return { uid, gid: 0 }
  const gid = numeric(group) ?? fields(await database.read('etc/group'), group)?.[2]
  if (gid === undefined) throw unknown('group', group, 'etc/group', place)
  return { uid, gid: Number(gid) }
}

const numeric = (text: string): number | null =>
  /^[0-9]{1,10}$/.test(text) && Number(text) <= MOST_ID ? Number(text) : null

function fields(table: string | null, name: string): readonly string[] | null {
  const rows = (table ?? '').split('\n').map((line) => line.split(':'))
  return rows.find(([first, , id = '']) => first === name && numeric(id) !== null) ?? null
}

function unknown(what: string, name: string, file: string, place: Place) {
  return syntaxError(
    place,
    `the image has no ${what} ${JSON.stringify(name)}`,
    `Add it to /${file} of the image, or write its number.`,
  )
}
