import { unwatchFile, watchFile } from 'node:fs'
import type { Server } from 'node:https'
import type { RegistryOptions } from '../cli/host.ts'
import { readTls } from './tls-files.ts'

/** Looked at by time, as the folder may be one of another machine, which tells of nothing. */
const LOOK_MS = 2000

/**
 * Has new connections get what the files hold once one of them has changed; those that are open keep what they have. While the two do not
 * belong together, as between their renewals, everything stays, and `note` is told. Answers how to end that.
 */
export function renewTls(
  server: Server,
  files: NonNullable<RegistryOptions['tls']>,
  note: (message: string) => void,
): () => void {
  const renew = () => {
    readTls(files).then(
      (read) => {
        server.setSecureContext(read)
        note(`${files.cert} was read again`)
      },
      (failed: Error) => note(`the earlier certificate stays: ${failed.message}`),
    )
  }
  const paths = [files.cert, files.key]
  for (const path of paths) watchFile(path, { interval: LOOK_MS, persistent: false }, renew)
  return () => {
    for (const path of paths) unwatchFile(path, renew)
  }
}
