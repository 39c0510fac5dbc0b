import { text as readAll } from 'node:stream/consumers'
import { DeployError } from '../../model/failure.ts'
import type { Session } from '../session.ts'
import { askHidden } from './ask.ts'

/** From stdin when it is asked for, else typed unseen. Never an argument: others can read those. Throws USAGE_INVALID with `hint`. */
export async function readPassword(
  { stdin, signal }: Session,
  { fromStdin, twice, hint }: { readonly fromStdin: boolean; readonly twice: boolean; readonly hint: string },
): Promise<string> {
  const refuse = (why: string) => new DeployError('USAGE_INVALID', why, { hint })
  if (!fromStdin && stdin.isTTY !== true) throw refuse('no password was given, and there is no terminal to ask on')
  const password = fromStdin ? (await readAll(stdin)).replace(/\r?\n$/, '') : await askHidden('password: ', signal)
  if (password === '') throw refuse('the password is empty')
  if (!fromStdin && twice && (await askHidden('again: ', signal)) !== password) throw refuse('those were two passwords')
  return password
}
