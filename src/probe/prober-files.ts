import { readFileSync } from 'node:fs'
import type { ProcessIdentity } from '../os/process-identity.ts'

/** The files of one prober, beside its ledger. */
export const proberFiles = (ledger: string) => ({
  ledger,
  /** Its ProcessIdentity; whoever makes this file is the prober of the ledger. */
  identity: `${ledger}.pid`,
  /** The ProcessIdentity of the server that wants it; a prober whose server stays away ends by itself. */
  owner: `${ledger}.owner`,
  /** Which revision served which request: `<atMs> <port> <revision>` lines, written by the server as it learns them. */
  served: `${ledger}.served`,
})

/** Whose process a file names; null: there is no such file, or it was cut by a crash. */
export function readIdentity(path: string): ProcessIdentity | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity
  } catch {
    return null
  }
}
