import { DeployError } from '../../../../model/failure.ts'
import type { ImageFiles } from './image-files.ts'

/** Who the image's program runs as. */
export interface ProcessUser {
  readonly uid: number
  readonly gid: number
  /** Further groups, without `gid`. */
  readonly groups: readonly number[]
  readonly home: string
}

/** Reads `USER` of an image config: `name`, `uid`, each with `:group` or `:gid`, names by the image's own /etc/passwd and /etc/group (OCI image-spec config.md). Throws IMAGE_INVALID. */
export function processUser(user: string, files: ImageFiles): ProcessUser {
  const passwd = records(files, '/etc/passwd')
  const group = records(files, '/etc/group')
  const [who = '', where] = user.split(':', 2)
  const wanted = who === '' ? '0' : who
  const known = passwd.find(([name]) => name === wanted) ?? passwd.find(([, , uid]) => uid === wanted)
  const uid = number(known?.[2] ?? wanted)
  if (uid === null) throw unknown('user', who, '/etc/passwd')
  const home = known?.[5] === undefined || known[5] === '' ? '/' : known[5]
  if (where !== undefined && where !== '') {
    const gid = number(group.find(([name]) => name === where)?.[2] ?? where)
    if (gid === null) throw unknown('group', where, '/etc/group')
    return { uid, gid, groups: [], home }
  }
  const gid = number(known?.[3] ?? '0') ?? 0
  const member = group.filter(
    ([, , , names]) => known !== undefined && (names ?? '').split(',').includes(known[0] ?? ''),
  )
  const groups = member.flatMap(([, , id]) => number(id ?? '') ?? []).filter((id) => id !== gid)
  return { uid, gid, groups: [...new Set(groups)].slice(0, 1024), home }
}

const records = (files: ImageFiles, path: string): string[][] =>
  (files.read(path)?.toString('utf8') ?? '').split('\n').map((line) => line.split(':'))

const number = (text: string): number | null =>
  /^[0-9]{1,10}$/.test(text) && Number(text) < 2 ** 32 - 1 ? Number(text) : null

function unknown(what: string, name: string, file: string): DeployError {
  return new DeployError(
    'IMAGE_INVALID',
    `the image runs as ${what} ${JSON.stringify(name.slice(0, 80))}, which is not in its ${file}`,
    {
      hint: `Add the ${what} to ${file} of the image, or write its number in USER.`,
    },
  )
}
