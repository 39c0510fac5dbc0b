import { DeployError } from '../model/failure.ts'

/** The error for bytes that are not what their digest says; `got`: what they are. */
export const mismatch = (digest: string, got: string): DeployError =>
  new DeployError('DIGEST_MISMATCH', `expected ${digest}, got ${got}`, {
    hint: 'Nothing was stored. The sender or the network changed the bytes: run the same command again; if it fails again, build or push the image anew.',
    detail: { digest },
  })
