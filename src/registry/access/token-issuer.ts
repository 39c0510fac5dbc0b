import { createHash, randomBytes } from 'node:crypto'
import { link, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { diskFull } from '../../model/disk-full.ts'
import { DeployError } from '../../model/failure.ts'
import { makeFolder, syncFolder, writeFileAtomic } from '../../os/atomic-file.ts'
import type { TokenIssuer } from './access-token.ts'

const KEY_BYTES = 32

/** The issuer of a folder; its key is made once. Throws SECRET_KEY_UNUSABLE. */
export async function openTokenIssuer(folder: string): Promise<TokenIssuer> {
  await makeFolder(folder, 0o700)
  const path = join(folder, 'token.key')
  const key = (await readKey(path)) ?? (await makeKey(path))
  // Says which key, and nothing about it: tokens of another registry are for somebody else.
  const name = `naru-${createHash('sha256').update('naru-registry').update(key).digest('hex').slice(0, 16)}`
  return { key, iss: name, aud: name }
}

async function readKey(path: string): Promise<Uint8Array | null> {
  const mode = await stat(path).then(
    (found) => found.mode,
    () => null,
  )
  if (mode === null) return null
  if ((mode & 0o077) !== 0) throw unusable(path, 'can be read by others', `Whoever read it can make tokens: delete it.`)
  const key = await readFile(path)
  if (key.length === KEY_BYTES) return key
  throw unusable(path, `has ${key.length} bytes instead of ${KEY_BYTES}`, 'Delete it.')
}

/** Of two processes that make it at once, both take the one that was there first. */
async function makeKey(path: string): Promise<Uint8Array> {
  const aside = `${path}.${process.pid}`
  try {
    await writeFileAtomic(aside, randomBytes(KEY_BYTES), 0o600)
    await link(aside, path)
  } catch (failed) {
    if ((failed as NodeJS.ErrnoException).code !== 'EEXIST') throw diskFull(failed, `making the key ${path}`)
  } finally {
    await rm(aside, { force: true })
  }
  await syncFolder(join(path, '..'))
  const key = await readKey(path)
  if (key === null) throw unusable(path, 'went away', 'Start again.')
  return key
}

const unusable = (path: string, why: string, what: string) =>
  new DeployError('SECRET_KEY_UNUSABLE', `the key ${path}, by which tokens are signed, ${why}`, {
    hint: `${what} A new one is made with the next start; clients then ask for new tokens by themselves.`,
    detail: { path },
  })
