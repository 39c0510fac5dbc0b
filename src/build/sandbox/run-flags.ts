import type { RunInstruction } from '../dockerfile/instruction.ts'
import { notSupported, syntaxError } from '../dockerfile/place.ts'
import { readFlags } from '../dockerfile/read-flags.ts'

export type RunNetwork = 'host' | 'none'

/** What the flags of a RUN ask for. */
export interface RunFlags {
  /** `host` is the default: the machine's own network, as in BuildKit's host mode. */
  readonly network: RunNetwork
}

/** Reads `--network` and `--security`. Throws DOCKERFILE_SYNTAX, DOCKERFILE_NOT_SUPPORTED. */
export function readRunFlags(instruction: RunInstruction, expand: (word: string) => string): RunFlags {
  const { place } = instruction
  const raw = { keyword: 'RUN', flags: instruction.flags, place }
  const flags = readFlags(raw, { mount: 'text', network: 'text', security: 'text', device: 'text' }, new Set(['mount']))
  const network = expand(flags.get('network') ?? 'default')
  if (!['default', 'host', 'none'].includes(network)) {
    throw syntaxError(place, `--network=${network} is not known`, 'Write --network=default, none or host.')
  }
  const security = expand(flags.get('security') ?? 'sandbox')
  if (security !== 'sandbox') {
    throw notSupported(place, `--security=${security} is never given`, 'A build gets no more rights than its sandbox.')
  }
  for (const flag of ['device', 'mount']) {
    if (flags.has(flag)) {
      throw notSupported(place, `RUN --${flag} is not carried out by this builder yet`, 'Leave the flag out.')
    }
  }
  return { network: network === 'none' ? 'none' : 'host' }
}
