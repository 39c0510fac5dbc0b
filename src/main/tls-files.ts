import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { RegistryOptions } from '../cli/host.ts'
import { DeployError } from '../model/failure.ts'

/** Certificate and key of a server, read and tried. Throws USAGE_INVALID. */
export async function readTls({ cert, key }: NonNullable<RegistryOptions['tls']>) {
  const read = {
    cert: await text('--tls-cert', cert),
    key: await text('--tls-key', key),
    minVersion: 'TLSv1.2',
  } as const
  try {
    createSecureContext(read)
    return read
  } catch (failed) {
    throw new DeployError('USAGE_INVALID', `${cert} and ${key} are no certificate with its key: ${reason(failed)}`, {
      hint: 'Both are PEM files: the certificate first and then those that vouch for it, and the key of the first, without a password.',
      cause: failed,
    })
  }
}

const reason = (failed: unknown) => (failed instanceof Error ? failed.message : String(failed))

function text(option: string, path: string): Promise<string> {
  return readFile(path, 'utf8').catch((failed: NodeJS.ErrnoException) => {
    throw new DeployError('USAGE_INVALID', `${option} ${path} cannot be read: ${failed.code}`, {
      hint: 'It must be readable by the user whom the registry runs as.',
      cause: failed,
    })
  })
}
