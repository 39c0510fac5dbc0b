import { DeployError } from '../model/failure.ts'

/** The error for bytes that are not what their digest says; `got`: what they are. */
export const mismatch = (digest: string, got: string): DeployError =>
  new DeployError('DIGEST_MISMATCH', `expected ${digest}, got ${got}`, {
    hint: 'Nothing was stored. The sender or the network changed the bytes: run the same command again; if it fails again, build or push the image anew.',
    detail: { digest },
  })

/** A registry that answers nobody, or no more for now. One that refuses or lacks an image is believed. */
export const isAway = (failed: unknown): failed is DeployError =>
  failed instanceof DeployError && (failed.code === 'REGISTRY_UNREACHABLE' || failed.code === 'REGISTRY_RATE_LIMITED')
