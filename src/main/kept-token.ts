import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../os/atomic-file.ts'

/** The token of a server that was given none: made once, readable by its user only. */
export async function keptToken(folder: string): Promise<string> {
  const path = join(folder, 'token')
  const kept = (await readFile(path, 'utf8').catch(() => '')).trim()
  if (kept !== '') return kept
  const token = randomBytes(24).toString('base64url')
  await writeFileAtomic(path, `${token}\n`, 0o600)
  return token
}
